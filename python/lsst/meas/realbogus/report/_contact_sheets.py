"""Contact sheets: the stamps of the hardest cases, as figures."""

from __future__ import annotations

__all__ = ("contact_sheets", "visible_stamps")

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from matplotlib.figure import Figure

from ..cutouts import ROLES, StampBatch
from ..explanation import find_hardest
from ._figures import figure_panels
from ._stamps import stretch_triplet

type Rows = npt.NDArray[np.intp]
type Stamps = Mapping[str, npt.NDArray[np.floating]]

_COLUMNS = 4
_GAP = 2
"""White pixels between the images of a source."""


def contact_sheets(
    table: Table, batches: Iterable[StampBatch], n: int, threshold: float = 0.5
) -> dict[str, Figure]:
    """Draw the most confident errors and the sources of which the model is least sure.

    Parameters
    ----------
    table
        As from `~lsst.meas.realbogus.explanation.explain_stamps`.
    batches
        The stamps, in the order of its rows; one batch at a time is held.
    n
        Largest number of sources on a sheet.
    threshold
        Score from which a source is called real.

    Returns
    -------
    dict
        Figures by name, ``false_positives``, ``false_negatives`` and ``unsure``, of those that have any
        source: science image, template and difference beside each other, each on its own scale, with score,
        label or kind, SNR and identifier.
    """
    hardest = find_hardest(table, n, threshold)
    sheets = {
        "false_positives": (
            hardest.false_positives,
            f"Bogus, called real: {hardest.n_false_positives} in all",
        ),
        "false_negatives": (
            hardest.false_negatives,
            f"Real, called bogus: {hardest.n_false_negatives} in all",
        ),
        "unsure": (hardest.unsure, f"Scores nearest to {threshold:g}"),
    }
    stamps = _pick(batches, np.unique(np.concatenate([rows for rows, _ in sheets.values()])))
    return {
        name: _sheet(table, rows, stamps, f"{table.meta['model']}. {title}")
        for name, (rows, title) in sheets.items()
        if rows.size
    }


def visible_stamps(batch: StampBatch) -> dict[str, npt.NDArray[np.floating]]:
    """Return the stamps of a batch as they are shown: in the usual order, NaN where pixels are missing.

    Parameters
    ----------
    batch
        The stamps.

    Returns
    -------
    dict
        Stamps by role, of shape ``(n, h, w)``.
    """
    roles = sorted(batch.stamps, key=ROLES.index)
    return {
        role: np.where(batch.missing[role], np.nan, batch.stamps[role])
        if role in batch.missing
        else batch.stamps[role]
        for role in roles
    }


def _pick(batches: Iterable[StampBatch], rows: Rows) -> dict[int, Stamps]:
    """Return the stamps of some rows of all batches."""
    picked: dict[int, Stamps] = {}
    first = 0
    for batch in batches:
        here = rows[(rows >= first) & (rows < first + len(batch))]
        if here.size:
            chosen = visible_stamps(batch[here - first])
            for i, row in enumerate(here.tolist()):
                picked[row] = {role: pixels[i] for role, pixels in chosen.items()}
        first += len(batch)
    return picked


def _sheet(table: Table, rows: Rows, stamps: Mapping[int, Stamps], title: str) -> Figure:
    n_rows = -(-rows.size // _COLUMNS)
    with figure_panels(_COLUMNS, 13.6, 1.42 * n_rows + 0.5, rows=n_rows) as (figure, axes):
        for axis in axes:
            axis.set_axis_off()
        for axis, row in zip(axes, rows.tolist(), strict=False):
            axis.imshow(
                _side_by_side(stamps[row]), cmap="gray", vmin=0, vmax=1, origin="lower", interpolation="none"
            )
            source = table[row]
            kind = str(source["kind"]).replace("_", " ") or "no label"
            snr = f", SNR {source['snr']:.1f}" if np.isfinite(source["snr"]) else ""
            axis.set_title(
                f"{source['score']:.3f}  {kind}{snr}\n{source['diaSourceId']}",
                fontsize=8,
                fontweight="normal",
            )
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        return figure


def _side_by_side(stamps: Stamps) -> npt.NDArray[np.float64]:
    panels = [np.asarray(panel, np.float64) for panel in stretch_triplet(stamps)]
    gap = np.full((panels[0].shape[0], _GAP), np.nan)
    return np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)
