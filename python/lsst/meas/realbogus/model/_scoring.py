"""From images and positions to a table of scores, in bounded memory."""

from __future__ import annotations

__all__ = ("SCORE_COLUMNS", "SourceScores", "column_endings", "score_sources", "score_stamps", "score_table")

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..tables import Column, Schema, make_table
from ._classifier import Classifier, Scores

if TYPE_CHECKING:
    # Imported where they are used: who scores stamps need not wait for the image and table libraries.
    from astropy.table import Table

    from ..cutouts import PixelInput, PixelReader, StampBatch, Stamps

SCORE_COLUMNS: Schema = {
    "id": Column("int64", "Identifier of the DIA source."),
    "score": Column("float32", "Probability that the source is real; NaN if flag_unscorable."),
    "version": Column("U7", "Version of the model that gave the score."),
    "score_dia": Column("float32", "Score of the model that sees the difference image."),
    "score_nodia": Column("float32", "Score of the model that does not."),
    "fraction_missing": Column("float32", "Largest fraction of missing pixels in any stamp of the source."),
    "flag_edge": Column("bool", "A stamp reaches over the edge of its image."),
    "flag_nan": Column("bool", "A pixel of a stamp, on the image, is not finite or has no data."),
    "flag_degenerate": Column("bool", "A stamp has no contrast: its normalisation is undefined."),
    "flag_no_template": Column("bool", "The template has no valid pixel around the source."),
    "flag_unscorable": Column("bool", "There is no score: a stamp is degenerate or misses too many pixels."),
    "flag_unscorable_nodia": Column("bool", "The second model gives no score; see flag_unscorable."),
}
"""Columns of a score table; those that name a kind of model are there only with two."""

_OTHER_SCORE = Column("float32", "Score of the model so named.")
_BLOCK = 256
_FLAGS = ("flag_edge", "flag_nan", "flag_degenerate", "flag_no_template", "flag_unscorable")
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class SourceScores:
    """Scores of one model.

    Parameters
    ----------
    classifier
        The model.
    scores
        One entry for each source.
    """

    classifier: Classifier
    scores: Scores


def score_sources(
    classifiers: Sequence[Classifier],
    images: Mapping[str, PixelInput],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    is_negative: npt.ArrayLike | None = None,
    *,
    bad_planes: Sequence[str] | None = None,
    pixel_scale: float | None = None,
    psf_fwhm: npt.ArrayLike | None = None,
) -> list[SourceScores]:
    """Cut the stamps of sources and score them, a block of sources at a time.

    Parameters
    ----------
    classifiers
        The models.
    images
        By name (``difference``, ``science``, ``template``), in any form that `cutouts.open_pixels` takes.
    x, y
        Positions, parent coordinates [pixel], shape ``(n,)``.
    is_negative
        Sources that are negative in the difference.
    bad_planes
        Mask planes whose pixels count as missing; default `cutouts.DEFAULT_BAD_PLANES`.
    pixel_scale
        Pixel scale of the images [arcsec], if stamps are to be resampled to that of each model.
    psf_fwhm
        FWHM of the science image's PSF at each source, or one for all [pixel of the images], NaN where it is
        not known, as from `cutouts.psf_fwhm_at`; by default it is not. Only models that are told it use it.

    Returns
    -------
    list of SourceScores
        One for each model, every source once and in order. What a source gets does not depend on the others.

    Raises
    ------
    InvalidInputError
        Raised if an image that a model needs is absent.
    ImageMismatchError
        Raised if the images do not belong together, see `imaging.check_together`.
    """
    from ..cutouts import DEFAULT_BAD_PLANES, open_pixels
    from ..imaging import Place, check_together

    planes = DEFAULT_BAD_PLANES if bad_planes is None else tuple(bad_planes)
    x, y = np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))
    negative = np.zeros(len(x), bool) if is_negative is None else np.asarray(is_negative, bool)
    fwhm = np.broadcast_to(np.asarray(np.nan if psf_fwhm is None else psf_fwhm, np.float32), x.shape)
    needed: set[str] = {name for c in classifiers for name in c.contract.inputs}
    if absent := sorted(needed - set(images)):
        raise InvalidInputError(f"the models need the images {sorted(needed)}; {absent} are absent")
    check_together({name: Place.of(images[name]) for name in sorted(needed)})
    cut_sizes = [classifier.cut_size(pixel_scale) for classifier in classifiers]
    readers: dict[str, PixelReader] = {
        name: open_pixels(images[name], len(x), max(cut_sizes)) for name in sorted(needed)
    }
    parts: list[list[Scores]] = [[] for _ in classifiers]
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, start + _BLOCK)
        for size in sorted(set(cut_sizes)):
            stamps: dict[str, Stamps] = {
                name: reader.extract(x[rows], y[rows], size, bad_planes=planes)
                for name, reader in readers.items()
            }
            if start == 0:
                _warn_of_swap(stamps)
            for i, classifier in enumerate(classifiers):
                if cut_sizes[i] == size:
                    parts[i].append(_score_block(classifier, stamps, negative[rows], pixel_scale, fwhm[rows]))
    return [
        SourceScores(classifier, Scores.concatenate(part))
        for classifier, part in zip(classifiers, parts, strict=True)
    ]


def _warn_of_swap(stamps: Mapping[str, Stamps]) -> None:
    """Say so if the science image looks like a difference, and the difference like a science image."""
    from ..imaging import looks_swapped

    roles = ("science", "template", "difference")
    if all(role in stamps for role in roles) and looks_swapped(*(stamps[role].pixels for role in roles)):
        _LOG.warning(
            "The difference image shows what the template shows, and the science image does not: have they "
            "been given in place of each other?"
        )


def _score_block(
    classifier: Classifier,
    stamps: Mapping[str, Stamps],
    is_negative: npt.NDArray[np.bool_],
    pixel_scale: float | None,
    psf_fwhm: npt.NDArray[np.float32],
) -> Scores:
    used = {name: stamps[name] for name in classifier.contract.inputs}
    return classifier.score(
        {name: stamp.pixels for name, stamp in used.items()},
        {name: stamp.missing for name, stamp in used.items() if stamp.fraction_missing.any()},
        is_negative,
        outside={name: stamp.outside for name, stamp in used.items() if stamp.leaves_image.any()},
        pixel_scale=pixel_scale,
        psf_fwhm=psf_fwhm,
    )


def score_stamps(classifiers: Sequence[Classifier], batches: Sequence[StampBatch]) -> list[SourceScores]:
    """Score stamps that were cut before.

    Parameters
    ----------
    classifiers
        The models.
    batches
        Stamps of consecutive sources, of any sizes.

    Returns
    -------
    list of SourceScores
        One for each model, every source once and in order, with the flags that `score_sources` gives, as far
        as what is known of the stamps tells them. What a source gets does not depend on the others.

    Raises
    ------
    InvalidInputError
        Raised if an image that a model needs is absent.
    """
    firsts = np.cumsum([0, *(len(batch) for batch in batches)])
    groups: dict[object, list[int]] = {}
    for i, batch in enumerate(batches):
        if len(batch):
            groups.setdefault(_alike(batch), []).append(i)
    rows = [np.arange(firsts[i], firsts[i + 1]) for members in groups.values() for i in members]
    order = np.argsort(np.concatenate([np.empty(0, np.int64), *rows]))
    results = []
    for classifier in classifiers:
        parts = []
        for members in groups.values():
            of = [batches[i] for i in members]
            parts.append(
                classifier.score(
                    _joined([batch.stamps for batch in of]),
                    _joined([batch.missing for batch in of]),
                    np.concatenate([batch.is_negative for batch in of]),
                    outside=_joined([batch.outside for batch in of]),
                    psf_fwhm=np.concatenate([_widths(batch) for batch in of]),
                )
            )
        results.append(SourceScores(classifier, Scores.concatenate(parts)[order]))
    return results


def _alike(batch: StampBatch) -> object:
    """What must agree of stamps that are scored together."""
    shapes = tuple((name, pixels.shape[1:]) for name, pixels in batch.stamps.items())
    return shapes, tuple(batch.missing), tuple(batch.outside)


def _widths(batch: StampBatch) -> npt.NDArray[np.float32]:
    return np.full(len(batch), np.nan, np.float32) if batch.psf_fwhm is None else batch.psf_fwhm


def _joined[T: np.generic](parts: Sequence[Mapping[str, npt.NDArray[T]]]) -> Mapping[str, npt.NDArray[T]]:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def score_table(ids: npt.ArrayLike, results: Sequence[SourceScores]) -> Table:
    """Put scores into the table that `RbClassifierTask` writes.

    Parameters
    ----------
    ids
        Identifiers, int64, shape ``(n,)``.
    results
        The scores that one or more models give these sources. The first gives ``score``, ``version``,
        ``fraction_missing`` and the flags. Where there are more, the scores of all stand beside it, as
        ``score_dia`` and ``score_nodia``, or ``score_NAME``, ``score_NAME_VERSION`` or
        ``score_NAME_VERSION_HASH`` where that is taken; and ``flag_unscorable_…`` tells which of the others
        there are not.

    Returns
    -------
    astropy.table.Table
        See `SCORE_COLUMNS`.

    Raises
    ------
    InvalidInputError
        Raised if two of the models are one and the same.
    """
    first = results[0]
    scores, contract = first.scores, first.classifier.contract
    columns: dict[str, npt.ArrayLike] = {"id": ids, "score": scores.score, "version": contract.version}
    endings = column_endings([result.classifier for result in results])
    for ending, result in zip(endings, results, strict=True) if len(results) > 1 else ():
        columns[f"score_{ending}"] = result.scores.score
    for name in ("fraction_missing", *_FLAGS):
        columns[name] = getattr(scores, name)
    for ending, result in list(zip(endings, results, strict=True))[1:]:
        columns[f"flag_unscorable_{ending}"] = result.scores.flag_unscorable
    other = {"score": _OTHER_SCORE, "flag": SCORE_COLUMNS["flag_unscorable_nodia"]}
    schema = {name: SCORE_COLUMNS.get(name) or other[name.split("_")[0]] for name in columns}
    return make_table(schema, columns, len(scores))


def column_endings(classifiers: Sequence[Classifier]) -> list[str]:
    """Tell how the columns of each model's scores end in a table of several models' scores.

    Parameters
    ----------
    classifiers
        The models.

    Returns
    -------
    list of str
        One for each model, all different: ``dia`` or ``nodia``; where that is taken the model's name, then
        with its version, then with the start of its hash too.

    Raises
    ------
    InvalidInputError
        Raised if two of the models are one and the same.
    """
    endings: list[str] = []
    hashes: set[str] = set()
    for classifier in classifiers:
        contract = classifier.contract
        if classifier.content_hash and classifier.content_hash in hashes:
            raise InvalidInputError(f"the model {contract.name} {contract.version} is given twice")
        hashes.add(classifier.content_hash)
        named = f"{contract.name}_{contract.version}"
        choices = (
            "dia" if contract.uses_difference else "nodia",
            contract.name,
            named,
            f"{named}_{classifier.content_hash[:8]}",
        )
        endings.append(next((c for c in choices if c not in endings), f"{named}_{len(endings)}"))
    return endings
