"""Bias, scatter and pulls of recovered fluxes and positions, in bins."""

from __future__ import annotations

__all__ = ("RECOVERY_BINS", "bin_recovery", "is_comparable", "is_placed")

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..tables import Column, Schema, make_table
from ..truth import Fate
from ._intervals import fraction_intervals
from ._pulls import Pull, measure_pull
from ._validation_options import ValidationOptions

type Bools = npt.NDArray[np.bool_]

_FEWEST = 3
"""Least number of fakes from which a scatter, and so an error, is told."""

RECOVERY_BINS: Schema = {
    "quantity": Column("str", "what the bins are of: all, magnitude, host_sb, detector, …"),
    "label": Column("str", "the bin"),
    "low": Column("float64", "lower edge, or the number of the detector; NaN for none"),
    "high": Column("float64", "upper edge; the last bin holds it"),
    "n_drawn": Column("int64", "fakes that were drawn on good pixels"),
    "n_found": Column("int64", "of them found"),
    "found": Column("float64", "fraction found, NaN without any"),
    "found_low": Column("float64", "its 95 % interval"),
    "found_high": Column("float64", "its 95 % interval"),
    "n": Column("int64", "found fakes whose measurements are compared"),
    "flux_bias": Column("float64", "median of measured / injected flux - 1"),
    "flux_bias_error": Column("float64", "its standard error"),
    "flux_scatter": Column("float64", "robust scatter of that ratio"),
    "flux_pull": Column("float64", "median of (measured - injected flux) / error"),
    "flux_pull_error": Column("float64", "its standard error"),
    "flux_pull_width": Column("float64", "robust width of those pulls"),
    "dx": Column("float64", "median of measured - injected x", "pix"),
    "dx_error": Column("float64", "its standard error", "pix"),
    "dy": Column("float64", "median of measured - injected y", "pix"),
    "dy_error": Column("float64", "its standard error", "pix"),
    "position_scatter": Column("float64", "robust scatter of x and y, their root mean square", "pix"),
    "position_pull_width": Column("float64", "robust width of the pulls of x and y together"),
}
"""What `bin_recovery` makes."""


def is_placed(recovery: Table) -> Bools:
    """Tell which fakes could be found: drawn, on the image, and not on masked pixels or the border.

    Parameters
    ----------
    recovery
        Table of schema `INJECTED_RECOVERY`.

    Returns
    -------
    numpy.ndarray
        Bool, one a row.
    """
    kept_out = (Fate.NOT_DRAWN.value, Fate.OFF_IMAGE.value, Fate.MASKED.value, Fate.EDGE.value)
    return np.asarray(~np.isin(np.asarray(recovery["fate"]), kept_out))


def is_comparable(recovery: Table, min_snr: float) -> Bools:
    """Tell which fakes have a measured flux and the expected SNR.

    Parameters
    ----------
    recovery
        Table of schema `INJECTED_RECOVERY`.
    min_snr
        Least expected SNR.

    Returns
    -------
    numpy.ndarray
        Bool, one a row.
    """
    bright = np.asarray(recovery["snr_expected"]) >= min_snr
    return np.asarray(bright & np.isfinite(np.asarray(recovery["psfFlux"])))


def relative_fluxes(recovery: Table) -> Pull:
    """Compare measured and injected fluxes: the centre is the bias, the width the scatter, both relative."""
    return measure_pull(recovery["psfFlux"], recovery["flux"], np.abs(np.asarray(recovery["flux"])))


def flux_pulls(recovery: Table) -> Pull:
    """Compare measured and injected fluxes in units of the stated errors."""
    return measure_pull(recovery["psfFlux"], recovery["flux"], recovery["psfFluxErr"])


def position_offsets(recovery: Table, axis: str) -> Pull:
    """Compare measured and injected positions along ``x`` or ``y``, in pixels."""
    return measure_pull(recovery[f"{axis}_measured"], recovery[axis], np.ones(len(recovery)))


def position_pulls(recovery: Table) -> Pull:
    """Compare measured and injected positions of both axes in units of the stated errors."""
    measured, true, error = (
        np.concatenate([np.asarray(recovery[name.format(axis)], np.float64) for axis in "xy"])
        for name in ("{}_measured", "{}", "{}Err")
    )
    return measure_pull(measured, true, error)


def bin_recovery(recovery: Table, options: ValidationOptions) -> Table:
    """Measure bias, scatter and pulls of fluxes and positions in bins.

    Parameters
    ----------
    recovery
        Table of schema `INJECTED_RECOVERY`.
    options
        Edges of the bins, and the SNR from which fakes are compared. The bins of SNR themselves hold fakes of
        any SNR: near the threshold those that noise has brightened are found, which shows as a bias.

    Returns
    -------
    astropy.table.Table
        Table of schema `RECOVERY_BINS`: one row for all, and one for each bin that has a drawn fake.
    """
    rows = []
    for quantity, label, low, high, here in _bins(recovery, options):
        if here.any():
            min_snr = 0.0 if quantity == "snr" else options.min_snr
            rows.append(
                {"quantity": quantity, "label": label, "low": low, "high": high}
                | _measure(recovery[here], min_snr)
            )
    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    return make_table(RECOVERY_BINS, columns)


def _bins(recovery: Table, options: ValidationOptions) -> Iterator[tuple[str, str, float, float, Bools]]:
    nan = float("nan")
    yield "all", "all", nan, nan, np.ones(len(recovery), bool)
    for quantity, column, edges in (
        ("snr", "snr_expected", options.snr),
        ("magnitude", "mag", options.magnitudes),
        ("host_sb", "host_sb", options.surface_brightness),
        ("edge_distance", "edge_distance", options.edge_distances),
    ):
        yield from _edged(quantity, np.asarray(recovery[column], np.float64), edges)
        if quantity == "host_sb":
            yield quantity, "no host", nan, nan, ~np.isfinite(np.asarray(recovery["host_sb"]))
    bands = np.asarray(recovery["band"]).astype(str)
    for band in np.unique(bands[bands != ""]).tolist():
        yield "band", band, nan, nan, bands == band
    detectors = np.asarray(recovery["detector"])
    for detector in np.unique(detectors).tolist():
        yield "detector", str(detector), float(detector), nan, detectors == detector


def _edged(
    quantity: str, values: npt.NDArray[np.float64], edges: Sequence[float]
) -> Iterator[tuple[str, str, float, float, Bools]]:
    for i, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        is_last = i == len(edges) - 2
        here = (values >= low) & ((values <= high) if is_last else (values < high))
        yield quantity, f"{low:g} to {high:g}", low, high, here


def _measure(part: Table, min_snr: float) -> dict[str, float]:
    placed = is_placed(part)
    found = int(np.sum(np.asarray(part["fate"])[placed] == Fate.FOUND))
    low, high = fraction_intervals(found, int(placed.sum()))
    compared = part[is_comparable(part, min_snr)]
    ratio, pull, both = relative_fluxes(compared), flux_pulls(compared), position_pulls(compared)
    dx, dy = (position_offsets(compared, axis) for axis in "xy")
    is_enough = len(compared) >= _FEWEST
    return {
        "n_drawn": int(placed.sum()),
        "n_found": found,
        "found": found / placed.sum() if placed.any() else np.nan,
        "found_low": float(low),
        "found_high": float(high),
        "n": len(compared),
        "flux_bias": ratio.centre,
        "flux_bias_error": ratio.centre_error if is_enough else np.nan,
        "flux_scatter": ratio.width,
        "flux_pull": pull.centre,
        "flux_pull_error": pull.centre_error if is_enough else np.nan,
        "flux_pull_width": pull.width,
        "dx": dx.centre,
        "dx_error": dx.centre_error if is_enough else np.nan,
        "dy": dy.centre,
        "dy_error": dy.centre_error if is_enough else np.nan,
        "position_scatter": float(np.hypot(dx.width, dy.width) / np.sqrt(2)),
        "position_pull_width": both.width,
    }
