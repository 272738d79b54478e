"""Scores of stamps that somebody holds in memory: any arrays in, a table out."""

from __future__ import annotations

__all__ = ("Scorer", "load")

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..tables import apply_schema, read_signs
from ._classifier import Classifier
from ._contract import Contract
from ._package import load_classifier
from ._scoring import SCORE_COLUMNS, SourceScores, score_table
from ._unfamiliar import unfamiliar
from ._unscored import explain_unscored

if TYPE_CHECKING:
    from astropy.table import Table

    from ..cutouts import Stamps

_LOG = logging.getLogger(__name__)
_ROLES = ("science", "template", "difference")

type Pixels = npt.NDArray[np.floating[Any]]
type Flags = npt.NDArray[np.bool_]
type StampsLike = Stamps | npt.ArrayLike


class Scorer:
    """A model that scores whatever stamps it is given.

    Parameters
    ----------
    classifier
        The model.

    Examples
    --------
    >>> from lsst.meas.realbogus.model import golden_stamps, load
    >>> model = load("package:dia")
    >>> stamps, is_negative = golden_stamps(51, n=3)
    >>> table = model.score(stamps, is_negative=is_negative)
    >>> table.colnames[:3], len(table)
    (['id', 'score', 'version'], 3)
    >>> model.score(science=stamps["science"][0], template=stamps["template"][0],
    ...             difference=stamps["difference"][0], as_array=True).shape
    (1,)
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    @property
    def contract(self) -> Contract:
        """What the model promises."""
        return self.classifier.contract

    def __repr__(self) -> str:
        contract = self.contract
        scale = "" if contract.pixel_scale is None else f' of {contract.pixel_scale:g}"'
        size = contract.stamp_size
        inputs = ", ".join(contract.inputs)
        return f"<Scorer {contract.name} {contract.version}: {inputs}, {size} x {size} pixels{scale}>"

    @overload
    def score(
        self,
        stamps: Mapping[str, StampsLike] | None = ...,
        *,
        science: StampsLike | None = ...,
        template: StampsLike | None = ...,
        difference: StampsLike | None = ...,
        is_negative: npt.ArrayLike | None = ...,
        pixel_scale: float | None = ...,
        psf_fwhm: npt.ArrayLike | None = ...,
        ids: npt.ArrayLike | None = ...,
        as_array: Literal[False] = ...,
    ) -> Table: ...

    @overload
    def score(
        self,
        stamps: Mapping[str, StampsLike] | None = ...,
        *,
        science: StampsLike | None = ...,
        template: StampsLike | None = ...,
        difference: StampsLike | None = ...,
        is_negative: npt.ArrayLike | None = ...,
        pixel_scale: float | None = ...,
        psf_fwhm: npt.ArrayLike | None = ...,
        ids: npt.ArrayLike | None = ...,
        as_array: Literal[True],
    ) -> npt.NDArray[np.float32]: ...

    def score(
        self,
        stamps: Mapping[str, StampsLike] | None = None,
        *,
        science: StampsLike | None = None,
        template: StampsLike | None = None,
        difference: StampsLike | None = None,
        is_negative: npt.ArrayLike | None = None,
        pixel_scale: float | None = None,
        psf_fwhm: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
        as_array: bool = False,
    ) -> Table | npt.NDArray[np.float32]:
        """Score sources.

        Parameters
        ----------
        stamps
            Stamps by the names of the three arguments that follow, instead of them.
        science, template, difference
            Stamps from each image: ``(n, h, w)``, one ``(h, w)``, a list of ``(h, w)`` of one size, or what
            `~lsst.meas.realbogus.cutouts.extract` gives. Numbers of any type and unit; NaN and masked pixels
            are missing. The difference is science − template whatever the sign of the source. Images that the
            model does not look at may be left out.
        is_negative
            Which sources are negative in the difference, one value or one for each source, in any spelling
            that `~lsst.meas.realbogus.tables.read_signs` knows; none by default.
        pixel_scale
            Pixel scale of the stamps [arcsec], if they are to be resampled to that of the model; by default
            they are taken as they are.
        psf_fwhm
            FWHM of the science image's PSF [pixel of the stamps], one value or one for each source, NaN where
            it is not known; by default it is not. Only models that are told the PSF look at it.
        ids
            Identifiers of the sources, int64, shape ``(n,)``; by default the number of the row.
        as_array
            Return the scores alone.

        Returns
        -------
        astropy.table.Table or numpy.ndarray
            One row for each source, in order: ``id``, ``score`` (NaN where there is none), ``version``,
            ``fraction_missing`` and flags, with name, version and hash of the model in ``meta``; or the
            scores, float32, shape ``(n,)``. Why sources have no score is logged as a warning.

        Raises
        ------
        InvalidInputError
            Raised if an image that the model needs is absent, or stamps are no numbers, of unequal sizes, or
            not as many from each image.
        """
        given = _by_role(stamps, {"science": science, "template": template, "difference": difference})
        read = {role: _read(value, role) for role, value in given.items()}
        pixels = {role: part[0] for role, part in read.items()}
        n = len(next(iter(pixels.values())))
        negative = None
        if is_negative is not None:
            values = np.ma.asanyarray(is_negative)
            signs = np.ma.array(np.broadcast_to(values, (n,))) if values.ndim == 0 else values
            negative = read_signs({"is_negative": signs}, n, name="is_negative")
        scores = self.classifier.score(
            pixels,
            {role: part[1] for role, part in read.items() if part[1] is not None},
            negative,
            outside={role: part[2] for role, part in read.items() if part[2] is not None},
            pixel_scale=pixel_scale,
            psf_fwhm=psf_fwhm,
        )
        table = score_table(
            np.arange(n) if ids is None else _identifiers(ids, n), [SourceScores(self.classifier, scores)]
        )
        table.meta["model"] = f"{self.contract.name}-{self.contract.version}"
        table.meta["model_sha256"] = self.classifier.content_hash
        for unscored in explain_unscored(table, [self.contract]):
            _LOG.warning("No score: %s.", unscored.text)
        factor = 1.0 if pixel_scale is None else self.classifier.resampling_factor(pixel_scale)
        known = unfamiliar(
            self.contract,
            psf_fwhm=None if psf_fwhm is None else np.asarray(psf_fwhm, np.float64) / factor,
            stamp_shape=next(iter(pixels.values())).shape[1:] if pixel_scale is None else None,
        )
        for warning in known.values():
            _LOG.warning("Outside the training of the model: %s.", warning)
        return scores.score if as_array else table


def load(
    source: str | os.PathLike[str] | bytes,
    *,
    engine: str = "auto",
    device: str = "cpu",
    batch_size: int = 64,
) -> Scorer:
    """Load a model to score stamps with.

    Parameters
    ----------
    source
        ``package:NAME`` for one that comes with the package, a path or URI of an ``.rbmodel`` file, or its
        bytes.
    engine, device, batch_size
        As for `load_classifier`.

    Returns
    -------
    Scorer
        The model.

    Raises
    ------
    ModelNotFoundError
        Raised if there is no such model; the message lists those that come with the package.
    """
    return Scorer(load_classifier(source, engine=engine, device=device, batch_size=batch_size))


def _identifiers(ids: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
    given = np.ma.asanyarray(ids)
    if given.shape != (n,):
        raise InvalidInputError(f"ids must have shape ({n},); got {given.shape}")
    return np.asarray(apply_schema({"id": given}, {"id": SCORE_COLUMNS["id"]}, name="ids")["id"])


def _by_role(stamps: Mapping[str, Any] | None, named: Mapping[str, Any]) -> dict[str, Any]:
    given = {role: value for role, value in named.items() if value is not None}
    if stamps is not None:
        if not isinstance(stamps, Mapping):
            raise InvalidInputError(
                "stamps are given by name, as science=…, template=…, difference=…, or a dict of these; got "
                f"a {type(stamps).__name__}"
            )
        if twice := sorted(set(stamps) & set(given)):
            raise InvalidInputError(f"the stamps {', '.join(twice)} are given twice")
        given = {**stamps, **given}
    if unknown := sorted(set(given) - set(_ROLES)):
        raise InvalidInputError(f"stamps are called {', '.join(_ROLES)}; got {', '.join(unknown)}")
    if not given:
        raise InvalidInputError(f"no stamps are given; a model looks at some of {', '.join(_ROLES)}")
    return given


def _read(stamps: Any, role: str) -> tuple[Pixels, Flags | None, Flags | None]:
    """Return pixels ``(n, h, w)``, which are missing, and which of these lie off the image."""
    if hasattr(stamps, "pixels") and hasattr(stamps, "missing"):
        return stamps.pixels, stamps.missing, stamps.outside
    if isinstance(stamps, list | tuple):
        stamps = _stacked([np.ma.asanyarray(stamp) for stamp in stamps], role)
    array = np.ma.asanyarray(stamps)
    if array.dtype.kind not in "fiub":
        raise InvalidInputError(f"the {role} stamps must be numbers; got {array.dtype}")
    if array.ndim == 2:
        array = array[np.newaxis]
    if array.ndim != 3:
        raise InvalidInputError(
            f"the {role} stamps must have the shape (n, h, w), or (h, w) for one; got {array.shape}"
        )
    pixels = np.asarray(np.ma.getdata(array))
    kind = pixels.dtype.newbyteorder("=") if pixels.dtype.kind == "f" else np.dtype(np.float32)
    masked = np.ma.getmaskarray(array) if np.ma.is_masked(array) else None
    return pixels.astype(kind, copy=False), masked, None


def _stacked(stamps: list[Any], role: str) -> Any:
    if not stamps:
        raise InvalidInputError(f"there are no {role} stamps")
    if stamps[0].ndim == 1:  # the rows of one stamp
        return np.ma.stack(stamps)
    for row, stamp in enumerate(stamps):
        if stamp.shape != stamps[0].shape:
            raise InvalidInputError(
                f"the {role} stamps must be of one size; row 0 has {stamps[0].shape}, row {row} {stamp.shape}"
            )
    return np.ma.stack(stamps)
