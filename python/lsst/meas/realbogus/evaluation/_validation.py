"""Whether a campaign of injections does what it should: checks with limits, and a verdict."""

from __future__ import annotations

__all__ = ("Validation", "validate_injection")

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from scipy.stats import norm

from ..tables import empty_table
from ..truth import Fate
from ._added_light import ADDED_LIGHT
from ._checks import Check, Status, check_value, tabulate_checks
from ._intervals import CONFIDENCE, Fraction, fraction
from ._pulls import Pull, measure_pull
from ._recovery_bins import (
    bin_recovery,
    flux_pulls,
    is_comparable,
    is_placed,
    position_offsets,
    position_pulls,
    relative_fluxes,
)
from ._validation_options import ValidationOptions

_NAN = float("nan")
_Z = float(norm.ppf((1 + CONFIDENCE) / 2))
_BINNED = {
    "magnitude": "magnitude",
    "host_sb": "host surface brightness",
    "edge_distance": "distance to the edge",
    "band": "band",
    "detector": "detector",
}
"""Quantities whose bins must not be biased, and what they are called."""


@dataclasses.dataclass(frozen=True)
class Validation:
    """What came of the validation of a campaign.

    Parameters
    ----------
    checks
        In the order of the way from catalogue to measurement.
    recovery
        Table of schema `INJECTED_RECOVERY`, a row for every injected source.
    bins
        Table of schema `RECOVERY_BINS`.
    added
        Table of schema `ADDED_LIGHT`; empty where no pixels were compared.
    options
        Limits and bins.
    """

    checks: Sequence[Check]
    recovery: Table
    bins: Table
    added: Table
    options: ValidationOptions

    @property
    def verdict(self) -> Status:
        """`FAIL` if a check failed, else `UNCLEAR` if one is unclear, or nothing was checked; else `PASS`."""
        counts = self.count()
        if counts[Status.FAIL]:
            return Status.FAIL
        return Status.PASS if counts[Status.PASS] and not counts[Status.UNCLEAR] else Status.UNCLEAR

    @property
    def table(self) -> Table:
        """The checks as a table of schema `CHECKS`."""
        return tabulate_checks(self.checks)

    @property
    def metrics(self) -> dict[str, float | int | str]:
        """Verdict, counts and values by name, as for a ``StructuredDataDict``; NaN is left out."""
        values: dict[str, float | int | str] = {
            f"injectionValidation_{check.name}": check.value
            for check in self.checks
            if math.isfinite(check.value)
        }
        counts = {f"injectionValidation_n_{k.name.lower()}": n for k, n in self.count().items()}
        return {"injectionValidation_verdict": str(self.verdict), **counts, **values}

    def count(self) -> Mapping[Status, int]:
        """Count the checks by what came of them.

        Returns
        -------
        dict
            Number of checks of each status.
        """
        return {status: sum(check.status is status for check in self.checks) for status in Status}


def validate_injection(
    recovery: Table, added: Table | None = None, options: ValidationOptions | None = None
) -> Validation:
    """Check a campaign of injections from catalogue to measurement.

    Parameters
    ----------
    recovery
        What `recover_injected` makes of a campaign.
    added
        What `measure_added_light` makes of some of its images, together.
    options
        Limits and bins.

    Returns
    -------
    Validation
        Checks, tables and verdict.
    """
    options = options or ValidationOptions()
    added = empty_table(ADDED_LIGHT) if added is None else added
    bins = bin_recovery(recovery, options)
    checks = [
        *_check_drawing(recovery, options),
        *_check_pixels(added, options),
        *_check_fluxes(recovery, options),
        *_check_positions(recovery, options),
        *_check_bins(bins, options),
    ]
    return Validation(checks, recovery, bins, added, options)


def _check_drawing(recovery: Table, options: ValidationOptions) -> list[Check]:
    on_image = np.asarray(recovery["on_image"], bool)
    drawn = on_image & (np.asarray(recovery["fate"]) != Fate.NOT_DRAWN)
    meant = is_placed(recovery) & (np.asarray(recovery["snr_expected"]) >= options.min_snr)
    found = meant & (np.asarray(recovery["fate"]) == Fate.FOUND)
    return [
        _check_fraction(
            "drawn",
            "fraction of the rows on an image whose light was drawn",
            fraction(int(drawn.sum()), int(on_image.sum())),
            (options.min_drawn, _NAN),
            options,
        ),
        _check_fraction(
            "found",
            f"fraction found of the fakes on good pixels with an expected SNR of {options.min_snr:g} or more",
            fraction(int(found.sum()), int(meant.sum())),
            (options.min_found, _NAN),
            options,
        ),
    ]


def _check_pixels(added: Table, options: ValidationOptions) -> list[Check]:
    note = "" if len(added) else "no pixels were compared before and after injection"
    ratio = measure_pull(added["flux_added"], added["flux"], added["flux"])
    has_variance = np.asarray(added["variance_added"], np.float64) > 0
    return [
        _check_centre(
            "added_flux_bias",
            "median of flux added to the pixels / flux of the catalogue - 1",
            ratio,
            options.max_added_flux_bias,
            options,
            note,
        ),
        _check_fraction(
            "variance_added",
            "fraction of the drawn fakes whose light raised the variance plane",
            fraction(int(has_variance.sum()), len(added)),
            (options.min_drawn, _NAN),
            options,
            note,
        ),
        _check_noise(added, options, note),
    ]


def _check_noise(added: Table, options: ValidationOptions, note: str) -> Check:
    freedom = np.asarray(added["n_pixels"], np.float64) - 1
    good = freedom > 0
    chi2, freedom = np.asarray(added["chi2"])[good], freedom[good]
    ratio = float(chi2.sum() / freedom.sum()) if good.any() else _NAN
    spread = np.sqrt(np.sum((chi2 - ratio * freedom) ** 2)) / freedom.sum() if good.any() else _NAN
    return check_value(
        "noise_over_variance",
        "variance of the noise seen in the added light / variance added to the variance plane",
        ratio,
        (ratio - _Z * spread, ratio + _Z * spread),
        options.noise_ratio,
        n=int(good.sum()),
        min_number=options.min_fakes,
        note=note,
    )


def _check_fluxes(recovery: Table, options: ValidationOptions) -> list[Check]:
    compared = recovery[is_comparable(recovery, options.min_snr)]
    ratio, pull = relative_fluxes(compared), flux_pulls(compared)
    outliers = int(np.sum(np.abs(pull.values) > options.outlier_pull))
    return [
        _check_centre(
            "flux_bias", "median of measured / injected flux - 1", ratio, options.max_flux_bias, options
        ),
        _check_centre(
            "flux_pull",
            "median of (measured - injected flux) / error",
            pull,
            options.max_flux_pull,
            options,
        ),
        _check_width(
            "flux_pull_width", "robust width of those pulls", pull, options.flux_pull_width, options
        ),
        _check_fraction(
            "flux_outliers",
            f"fraction of the fluxes more than {options.outlier_pull:g} errors from the truth",
            fraction(outliers, pull.values.size),
            (_NAN, options.max_outliers),
            options,
        ),
    ]


def _check_positions(recovery: Table, options: ValidationOptions) -> list[Check]:
    compared = recovery[is_comparable(recovery, options.min_snr)]
    checks = [
        _check_centre(
            f"{axis}_bias",
            f"median of measured - injected {axis} (pixels)",
            position_offsets(compared, axis),
            options.max_position_bias,
            options,
        )
        for axis in "xy"
    ]
    width = _check_width(
        "position_pull_width",
        "robust width of (measured - injected) / error of x and y",
        position_pulls(compared),
        options.position_pull_width,
        options,
    )
    return [*checks, width]


def _check_bins(bins: Table, options: ValidationOptions) -> list[Check]:
    """Check the worst bin of each quantity, with an interval for all bins together (Bonferroni)."""
    checks = []
    for quantity, name in _BINNED.items():
        here = np.asarray(bins["quantity"]) == quantity
        rows = bins[here & (np.asarray(bins["n"]) >= options.min_fakes)]
        bias, error = (np.asarray(rows[column]) for column in ("flux_bias", "flux_bias_error"))
        z = float(norm.isf((1 - CONFIDENCE) / 2 / max(len(rows), 1)))
        excess = np.abs(bias) - options.max_bin_flux_bias - z * error
        worst = int(np.argmax(excess)) if len(rows) else -1
        note = f"none of its bins has {options.min_fakes} fakes"
        value, reach, n = _NAN, _NAN, 0
        if worst >= 0:
            value, reach, n = float(bias[worst]), z * float(error[worst]), int(rows["n"][worst])
            note = f"worst of {len(rows)}: {rows['label'][worst]}"
        limits = (-options.max_bin_flux_bias, options.max_bin_flux_bias)
        checks.append(
            check_value(
                f"flux_by_{quantity}",
                f"median of measured / injected flux - 1 in the worst bin of {name}",
                value,
                (value - reach, value + reach),
                limits,
                n=n,
                note=note,
            )
        )
    return checks


def _check_fraction(
    name: str,
    meaning: str,
    part: Fraction,
    limits: tuple[float, float],
    options: ValidationOptions,
    note: str = "",
) -> Check:
    return check_value(
        name,
        meaning,
        part.value,
        (part.low, part.high),
        limits,
        n=part.trials,
        min_number=options.min_fakes,
        note=note,
    )


def _check_centre(
    name: str, meaning: str, pull: Pull, limit: float, options: ValidationOptions, note: str = ""
) -> Check:
    reach = _Z * pull.centre_error
    return check_value(
        name,
        meaning,
        pull.centre,
        (pull.centre - reach, pull.centre + reach),
        (-limit, limit),
        n=pull.values.size,
        min_number=options.min_fakes,
        note=note,
    )


def _check_width(
    name: str, meaning: str, pull: Pull, limits: tuple[float, float], options: ValidationOptions
) -> Check:
    reach = _Z * pull.width_error
    return check_value(
        name,
        meaning,
        pull.width,
        (pull.width - reach, pull.width + reach),
        limits,
        n=pull.values.size,
        min_number=options.min_fakes,
    )
