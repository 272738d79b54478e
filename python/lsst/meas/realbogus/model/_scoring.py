"""From images and positions to a table of scores, in bounded memory."""

from __future__ import annotations

__all__ = ("SCORE_COLUMNS", "SourceScores", "score_sources", "score_table")

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ._classifier import Classifier, Scores
from ._resampling import source_size

if TYPE_CHECKING:
    # Imported where they are used: who scores stamps need not wait for the image and table libraries.
    from astropy.table import Table

    from ..cutouts import PixelInput, PixelReader, Stamps

SCORE_COLUMNS: Mapping[str, str] = {
    "id": "Identifier of the DIA source.",
    "score": "Probability that the source is real; NaN if flag_unscorable.",
    "version": "Version of the model that gave the score.",
    "score_dia": "Score of the model that sees the difference image.",
    "score_nodia": "Score of the model that does not.",
    "fraction_missing": "Largest fraction of missing pixels in any stamp of the source.",
    "flag_edge": "A stamp reaches over the edge of its image.",
    "flag_nan": "A pixel of a stamp, on the image, is not finite or has no data.",
    "flag_degenerate": "A stamp has no contrast: its normalisation is undefined.",
    "flag_no_template": "The template has no valid pixel around the source.",
    "flag_unscorable": "There is no score: a stamp is degenerate or misses too many pixels.",
}
"""Columns of a score table and what they mean."""

_BLOCK = 256


@dataclasses.dataclass(frozen=True, slots=True)
class SourceScores:
    """Scores of one model with what is known of the stamps' place on the images.

    Parameters
    ----------
    classifier
        The model.
    scores
        One entry for each source.
    flag_edge
        A stamp reaches over the edge of its image, shape ``(n,)``.
    """

    classifier: Classifier
    scores: Scores
    flag_edge: npt.NDArray[np.bool_]


def score_sources(
    classifiers: Sequence[Classifier],
    images: Mapping[str, PixelInput],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    is_negative: npt.ArrayLike | None = None,
    *,
    bad_planes: Sequence[str] | None = None,
    pixel_scale: float | None = None,
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

    Returns
    -------
    list of SourceScores
        One for each model, every source once and in order. What a source gets does not depend on the others.

    Raises
    ------
    InvalidInputError
        Raised if an image that a model needs is absent.
    """
    from ..cutouts import DEFAULT_BAD_PLANES, open_pixels

    planes = DEFAULT_BAD_PLANES if bad_planes is None else tuple(bad_planes)
    x, y = np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))
    negative = np.zeros(len(x), bool) if is_negative is None else np.asarray(is_negative, bool)
    needed: set[str] = {name for c in classifiers for name in c.contract.inputs}
    if absent := sorted(needed - set(images)):
        raise InvalidInputError(f"the models need the images {sorted(needed)}; {absent} are absent")
    cut_sizes = [_cut_size(classifier, pixel_scale) for classifier in classifiers]
    readers: dict[str, PixelReader] = {
        name: open_pixels(images[name], len(x), max(cut_sizes)) for name in sorted(needed)
    }
    parts: list[list[Scores]] = [[] for _ in classifiers]
    edges: list[list[npt.NDArray[np.bool_]]] = [[] for _ in classifiers]
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, start + _BLOCK)
        for size in sorted(set(cut_sizes)):
            stamps: dict[str, Stamps] = {
                name: reader.extract(x[rows], y[rows], size, bad_planes=planes)
                for name, reader in readers.items()
            }
            for i, classifier in enumerate(classifiers):
                if cut_sizes[i] == size:
                    scores, edge = _score_block(classifier, stamps, readers, negative[rows], pixel_scale)
                    parts[i].append(scores)
                    edges[i].append(edge)
    return [
        SourceScores(classifier, Scores.concatenate(parts[i]), np.concatenate([np.empty(0, bool), *edges[i]]))
        for i, classifier in enumerate(classifiers)
    ]


def _cut_size(classifier: Classifier, pixel_scale: float | None) -> int:
    size = classifier.contract.stamp_size
    return size if pixel_scale is None else source_size(size, classifier.resampling_factor(pixel_scale))


def _score_block(
    classifier: Classifier,
    stamps: Mapping[str, Stamps],
    readers: Mapping[str, PixelReader],
    is_negative: npt.NDArray[np.bool_],
    pixel_scale: float | None,
) -> tuple[Scores, npt.NDArray[np.bool_]]:
    names = classifier.contract.inputs
    scores = classifier.score(
        {name: stamps[name].pixels for name in names},
        {name: stamps[name].missing for name in names if stamps[name].fraction_missing.any()},
        is_negative,
        pixel_scale=pixel_scale,
    )
    edge = np.any([stamps[name].leaves_image for name in names], axis=0)
    # Pixels off the image are NaN in a stamp, but it is the edge that they tell of.
    nan = np.any([_missing_inside(stamps[name], readers[name]) for name in names], axis=0)
    return dataclasses.replace(scores, flag_nan=nan), edge


def _missing_inside(stamps: Stamps, reader: PixelReader) -> npt.NDArray[np.bool_]:
    """Return which stamps miss pixels that lie on the image."""
    found = np.zeros(len(stamps), bool)
    rows = np.flatnonzero(stamps.fraction_missing)
    if rows.size:
        shape = np.asarray(stamps.pixels.shape[1:])
        first = np.maximum(stamps.start[rows], reader.box.start)
        last = np.minimum(stamps.start[rows] + shape, reader.box.stop)
        on_image = np.maximum(last - first, 0).prod(axis=1)
        found[rows] = stamps.missing[rows].sum(axis=(1, 2)) > shape.prod() - on_image
    return found


def score_table(ids: npt.ArrayLike, results: Sequence[SourceScores]) -> Table:
    """Put scores into the table that `RbClassifierTask` writes.

    Parameters
    ----------
    ids
        Identifiers, int64, shape ``(n,)``.
    results
        One or two models' scores of these sources. The first gives ``score`` and ``version``; where there are
        two, both scores stand beside it (two of one kind: the second by the name of its model).

    Returns
    -------
    astropy.table.Table
        See `SCORE_COLUMNS`; ``fraction_missing`` and the flags are those of the first model.
    """
    from astropy.table import Table

    first = results[0]
    scores, contract = first.scores, first.classifier.contract
    columns: dict[str, npt.NDArray[np.generic]] = {
        "id": np.asarray(ids, np.int64),
        "score": scores.score,
        "version": np.full(len(scores), contract.version, dtype="U7"),
    }
    if len(results) > 1:
        for result in results:
            model = result.classifier.contract
            column = "score_dia" if model.uses_difference else "score_nodia"
            columns[f"score_{model.name}" if column in columns else column] = result.scores.score
    columns |= {
        "fraction_missing": scores.fraction_missing,
        "flag_edge": first.flag_edge,
        "flag_nan": scores.flag_nan,
        "flag_degenerate": scores.flag_degenerate,
        "flag_no_template": scores.flag_no_template,
        "flag_unscorable": scores.flag_unscorable,
    }
    table = Table(columns)
    for name in table.colnames:
        table[name].description = SCORE_COLUMNS.get(name, "Score of the model of that name.")
    return table
