"""A second label, of the pixels alone: is there injected light under a source?"""

from __future__ import annotations

__all__ = ("CORE_PLANES", "STAMP_PLANES", "compare_labels", "flag_labels", "labels_differ", "mask_labels")

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from astropy.table import Table

from ..imaging import any_plane, dilate_bits
from ._schema import Label, Reason

if TYPE_CHECKING:
    from lsst.images import Mask

Labels = npt.NDArray[np.int8]

#: Planes of the 3 x 3 pixels around what was injected, into the image or the template.
CORE_PLANES = ("INJECTED_CORE", "INJECTED_CORE_TEMPLATE")

#: Planes of the whole stamps that were drawn, where there are none of their cores.
STAMP_PLANES = ("INJECTED", "INJECTED_TEMPLATE")

_FOOTPRINT = ("DETECTED", "DETECTED_NEGATIVE")
_CENTRE_FLAGS = ("pixelFlags_injectedCenter", "pixelFlags_injected_templateCenter")


def mask_labels(x: npt.ArrayLike, y: npt.ArrayLike, mask: Mask) -> Labels:
    """Label sources by the mask of the difference image, without regard to any catalogue.

    Parameters
    ----------
    x, y
        Positions in parent pixels, shape ``(n,)``.
    mask
        Mask of the difference image.

    Returns
    -------
    numpy.ndarray
        Int8: 1 where the 3 x 3 pixels at the centre touch the core of an injected source; 0 where the
        footprint, the connected detected pixels under the centre, touches none; -1 where only the footprint
        does, where the centre is not on the image, and everywhere if the mask has no plane of injected light.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    label = np.full(xs.size, Label.UNDECIDED, np.int8)
    planes = next((p for p in (CORE_PLANES, STAMP_PLANES) if set(p) & set(mask.schema.names)), None)
    if planes is None:
        return label
    core = any_plane(mask, planes)
    footprint, _ = scipy.ndimage.label(any_plane(mask, _FOOTPRINT), np.ones((3, 3)))
    has_core = np.zeros(footprint.max() + 1, bool)
    has_core[np.unique(footprint[core])] = True
    has_core[0] = False
    near = dilate_bits(core.astype(np.uint8), 1) > 0
    height, width = core.shape
    known = np.isfinite(xs) & np.isfinite(ys)
    row = np.rint(np.where(known, ys, -1)).astype(int) - mask.bbox.y.start
    column = np.rint(np.where(known, xs, -1)).astype(int) - mask.bbox.x.start
    known &= (row >= 0) & (row < height) & (column >= 0) & (column < width)
    at = row[known], column[known]
    label[known] = np.select(
        [near[at], has_core[footprint[at]]], [Label.REAL, Label.UNDECIDED], default=Label.BOGUS
    )
    return label


def flag_labels(dia_sources: Table) -> Labels:
    """Label sources by their flags of injected pixels, where there is no mask.

    Parameters
    ----------
    dia_sources
        DIA sources, as `read_matched_sources` returns them.

    Returns
    -------
    numpy.ndarray
        Int8: 1 where a drawn stamp touches the centre, 0 where none does; -1 everywhere if there are no such
        flags. Stamps are wide, so sources beside what was injected have 1 too.
    """
    flags = [name for name in _CENTRE_FLAGS if name in dia_sources.colnames]
    if not flags:
        return np.full(len(dia_sources), Label.UNDECIDED, np.int8)
    touched = np.logical_or.reduce([np.asarray(dia_sources[name], bool) for name in flags])
    return np.where(touched, Label.REAL, Label.BOGUS).astype(np.int8)


def labels_differ(sources: Table) -> npt.NDArray[np.bool_]:
    """Find the sources whose two labels contradict each other.

    Parameters
    ----------
    sources
        Columns ``label_reason`` and ``mask_label`` of `DIA_SOURCE_MATCH`.

    Returns
    -------
    numpy.ndarray
        Bool: matched with an injected source but without injected light under the centre, or the reverse.
        Sources that the mask leaves undecided do not differ.
    """
    matched = np.asarray(sources["label_reason"]) == Reason.INJECTED
    mask = np.asarray(sources["mask_label"])
    return np.asarray((mask != Label.UNDECIDED) & (matched != (mask == Label.REAL)))


def compare_labels(sources: Table) -> Table:
    """Count sources by the label of their position and the label of the mask.

    Parameters
    ----------
    sources
        Columns ``label_reason`` and ``mask_label`` of `DIA_SOURCE_MATCH`.

    Returns
    -------
    astropy.table.Table
        ``label_reason``, ``mask_label``, ``n`` and ``differ``, one row for each pair that occurs, matched
        ones first and then the most frequent; ``n`` adds up to the number of sources.
    """
    reason, mask = np.asarray(sources["label_reason"]).astype(str), np.asarray(sources["mask_label"], np.int8)
    pairs, counts = np.unique(np.rec.fromarrays([reason, mask], names=["r", "m"]), return_counts=True)
    table = Table(
        {
            "label_reason": np.asarray(pairs["r"]).astype(str),
            "mask_label": np.asarray(pairs["m"], np.int8),
            "n": np.asarray(counts, int),
        }
    )
    table["differ"] = labels_differ(table)
    order = np.lexsort((table["label_reason"], -table["n"], table["label_reason"] != Reason.INJECTED))
    return table[order]
