"""A model ready to score: contract and engine together, a bounded number of stamps at a time."""

from __future__ import annotations

__all__ = ("Classifier", "Scores")

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ._calibration import real_probability
from ._contract import Contract
from ._engines import Engine
from ._preparation import Prepared, edge_and_nan_flags, prepare
from ._resampling import resample_stamps, source_size

Pixels = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

MAX_BATCH = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a set of sources and what is to be said of each.

    Parameters
    ----------
    score
        Probability of being real, float32 ``(n,)``; NaN where there is none.
    fraction_missing
        Largest fraction of missing pixels in any of the source's stamps.
    flag_edge, flag_nan, flag_degenerate, flag_no_template, flag_unscorable
        See `preparation.Prepared`; every NaN score has ``flag_unscorable``.
    """

    score: Pixels
    fraction_missing: Pixels
    flag_edge: Flags
    flag_nan: Flags
    flag_degenerate: Flags
    flag_no_template: Flags
    flag_unscorable: Flags

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> Scores:
        """Return the scores of the given sources."""
        return Scores(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Scores]) -> Scores:
        """Join scores, in order; no parts make an empty one.

        Parameters
        ----------
        parts
            Scores of consecutive sources.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not parts:
            return cls(*(np.empty(0, np.float32 if not n.startswith("flag") else bool) for n in names))
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Classifier:
    """Scores stamps with one model.

    Parameters
    ----------
    contract
        What the model promises.
    engine
        What runs its network.
    content_hash
        SHA-256 of the model file, for provenance.
    batch_size
        Stamps that are normalised and run together, at most 256. It does not change the scores.
    """

    def __init__(
        self, contract: Contract, engine: Engine, content_hash: str = "", batch_size: int = 64
    ) -> None:
        if not 1 <= batch_size <= MAX_BATCH:
            raise InvalidInputError(f"the batch size must lie between 1 and {MAX_BATCH}; got {batch_size}")
        self.contract = contract
        self.engine = engine
        self.content_hash = content_hash
        self.batch_size = batch_size

    def score(
        self,
        stamps: Mapping[str, npt.NDArray[np.float32]],
        missing: Mapping[str, Flags] | None = None,
        is_negative: Flags | None = None,
        *,
        outside: Mapping[str, Flags] | None = None,
        pixel_scale: float | None = None,
        psf_fwhm: npt.ArrayLike | None = None,
    ) -> Scores:
        """Score sources.

        Parameters
        ----------
        stamps
            By image name (``difference``, ``science``, ``template``), ``(n, h, w)`` each, any size and unit;
            images that the model does not use may be absent.
        missing
            Pixels not to be used, by image name.
        is_negative
            Sources whose science − template is negative. Differences are science − template for all sources;
            what the network is shown of negative ones is in its contract.
        outside
            Which of the missing pixels lie off the image, by image name, where that is known.
        pixel_scale
            Pixel scale of the stamps [arcsec], if they are to be resampled to that of the model; by default
            they are taken as they are.
        psf_fwhm
            FWHM of the science image's PSF [pixel of the stamps], one value or one for each source, NaN where
            it is not known; by default it is not. Only models that are told the PSF look at it.

        Returns
        -------
        Scores
            One entry for each source, in order.

        Raises
        ------
        InvalidInputError
            Raised if an image is absent or the shapes do not fit each other.

        Examples
        --------
        >>> from lsst.meas.realbogus.model import golden_stamps, load_classifier
        >>> classifier = load_classifier("package:dia")
        >>> stamps, is_negative = golden_stamps(51, n=12)
        >>> scores = classifier.score(stamps, is_negative=is_negative)
        >>> len(scores), scores.score.dtype, bool(scores.flag_unscorable.any())
        (12, dtype('float32'), False)
        """
        stamps = {name: _as_floating(array) for name, array in stamps.items()}
        n = self._check(stamps, missing, outside, is_negative)
        fwhm = None if psf_fwhm is None or self.contract.psf is None else _for_each(psf_fwhm, n)
        if pixel_scale is not None:
            return self._score_resampled(stamps, missing or {}, is_negative, outside, pixel_scale, fwhm)
        parts = []
        buffer = np.empty((min(n, self.batch_size), *self.contract.input_shape), np.float32)
        for start in range(0, n, self.batch_size):
            rows = slice(start, start + self.batch_size)
            prepared = prepare(
                self.contract,
                {name: array[rows] for name, array in stamps.items()},
                None if missing is None else {name: array[rows] for name, array in missing.items()},
                None if is_negative is None else is_negative[rows],
                buffer,
                None if outside is None else {name: array[rows] for name, array in outside.items()},
                None if fwhm is None else fwhm[rows],
            )
            parts.append(self._run(prepared))
        return Scores.concatenate(parts)

    def resampling_factor(self, pixel_scale: float) -> float:
        """Return the size of the model's pixels in pixels of ``pixel_scale`` [arcsec].

        Parameters
        ----------
        pixel_scale
            Arcsec.

        Returns
        -------
        float
            Size of a pixel of the model in those pixels.

        Raises
        ------
        InvalidInputError
            Raised if the model does not say its own.
        """
        if self.contract.pixel_scale is None:
            raise InvalidInputError(
                f"model {self.contract.name!r} has no pixel scale of its own to resample stamps to: score "
                "them as they are"
            )
        return self.contract.pixel_scale / pixel_scale

    def cut_size(self, pixel_scale: float | None) -> int:
        """Return the size of the stamps to cut from images.

        Parameters
        ----------
        pixel_scale
            Pixel scale of the images [arcsec] if stamps are to be resampled to that of the model.

        Returns
        -------
        int
            Rows and columns [pixel].

        Raises
        ------
        InvalidInputError
            Raised if stamps are to be resampled and the model does not say its pixel scale.
        """
        size = self.contract.stamp_size
        return size if pixel_scale is None else source_size(size, self.resampling_factor(pixel_scale))

    def _score_resampled(
        self,
        stamps: Mapping[str, Pixels],
        missing: Mapping[str, Flags],
        is_negative: Flags | None,
        outside: Mapping[str, Flags] | None,
        pixel_scale: float,
        psf_fwhm: Pixels | None,
    ) -> Scores:
        """Score resampled stamps; what is said of pixels is said of those of the images."""
        factor, size = self.resampling_factor(pixel_scale), self.contract.stamp_size
        names = [name for name in stamps if name in self.contract.inputs or self.contract.negative == "flip"]
        parts = {
            name: resample_stamps(
                stamps[name], missing.get(name, np.zeros(stamps[name].shape, bool)), factor, size
            )
            for name in names
        }
        scores = self.score(
            {name: part[0] for name, part in parts.items()},
            {name: part[1] for name, part in parts.items()},
            is_negative,
            psf_fwhm=None if psf_fwhm is None else psf_fwhm / factor,
        )
        edge, nan = edge_and_nan_flags(self.contract.inputs, stamps, outside, self.cut_size(pixel_scale))
        return dataclasses.replace(scores, flag_edge=edge, flag_nan=nan)

    def _check(
        self,
        stamps: Mapping[str, npt.NDArray[np.float32]],
        missing: Mapping[str, Flags] | None,
        outside: Mapping[str, Flags] | None,
        is_negative: Flags | None,
    ) -> int:
        absent = [name for name in self.contract.inputs if name not in stamps]
        if absent:
            raise InvalidInputError(
                f"model {self.contract.name!r} needs the stamps {list(self.contract.inputs)}; "
                f"{absent} are absent"
            )
        shapes = {name: array.shape for name, array in stamps.items()}
        if len({shape[0] for shape in shapes.values()}) != 1 or any(len(s) != 3 for s in shapes.values()):
            raise InvalidInputError(f"stamps must be (n, h, w) with one n; got {shapes}")
        n = int(shapes[self.contract.inputs[0]][0])
        for what, masks in (("missing", missing), ("outside", outside)):
            for name, array in (masks or {}).items():
                if name in shapes and array.shape != shapes[name]:
                    raise InvalidInputError(
                        f"{what} pixels of {name} must have shape {shapes[name]}; got {array.shape}"
                    )
        if is_negative is not None and is_negative.shape != (n,):
            raise InvalidInputError(f"is_negative must have shape ({n},); got {is_negative.shape}")
        return n

    def _run(self, prepared: Prepared) -> Scores:
        outputs = self.engine.predict(prepared.inputs)
        score = real_probability(self.contract, outputs).astype(np.float32)
        unscorable = prepared.flag_unscorable | ~np.isfinite(score)
        score[unscorable] = np.nan
        return Scores(
            score,
            prepared.fraction_missing,
            prepared.flag_edge,
            prepared.flag_nan,
            prepared.flag_degenerate,
            prepared.flag_no_template,
            unscorable,
        )


def _as_floating(stamps: npt.NDArray[Any]) -> Pixels:
    """Return stamps of numbers that may be NaN; those that are already are not copied."""
    stamps = np.asarray(stamps)
    return stamps if stamps.dtype.kind == "f" else stamps.astype(np.float32)


def _for_each(psf_fwhm: npt.ArrayLike, n: int) -> Pixels:
    """Return the width of the PSF at each source."""
    fwhm = np.asarray(psf_fwhm, np.float32)
    if fwhm.shape not in ((), (n,)):
        raise InvalidInputError(f"psf_fwhm must be one number or have shape ({n},); got {fwhm.shape}")
    return np.broadcast_to(fwhm, (n,))
