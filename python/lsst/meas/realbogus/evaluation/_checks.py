"""Checks: a measured value with its interval, a limit, and what follows."""

from __future__ import annotations

__all__ = ("CHECKS", "Check", "Status", "check_value", "tabulate_checks")

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from ..tables import Column, Schema, make_table


class Status(enum.StrEnum):
    """What came of a check."""

    PASS = "pass"
    FAIL = "fail"
    UNCLEAR = "unclear"
    NOT_CHECKED = "not checked"


CHECKS: Schema = {
    "check": Column("U40", "name of the check"),
    "status": Column("str", "pass, fail, unclear or not checked"),
    "value": Column("float64", "what was measured, NaN for nothing"),
    "low": Column("float64", "its 95 % interval"),
    "high": Column("float64", "its 95 % interval"),
    "limit_low": Column("float64", "least value that passes, NaN for no limit"),
    "limit_high": Column("float64", "largest value that passes, NaN for no limit"),
    "n": Column("int64", "how many it was measured from"),
    "meaning": Column("U200", "what the value is"),
    "note": Column("U200", "why it is unclear or not checked, or where it is worst"),
}
"""The verdict as a table."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    name
        Short name, words with underscores.
    meaning
        What the value is.
    value, low, high
        What was measured, with its interval.
    limit_low, limit_high
        Limits, NaN for none.
    n
        From how many sources.
    status
        What came of it.
    note
        Why it is unclear or was not checked, or where it is worst.
    """

    name: str
    meaning: str
    value: float
    low: float
    high: float
    limit_low: float
    limit_high: float
    n: int
    status: Status
    note: str = ""

    @property
    def limit(self) -> str:
        """The limits in words."""
        low, high = self.limit_low, self.limit_high
        if math.isnan(low):
            return f"at most {high:g}"
        if math.isnan(high):
            return f"at least {low:g}"
        return f"within ±{high:g}" if low == -high else f"{low:g} to {high:g}"


def check_value(
    name: str,
    meaning: str,
    value: float,
    interval: tuple[float, float],
    limits: tuple[float, float],
    *,
    n: int,
    min_number: int = 1,
    note: str = "",
) -> Check:
    """Compare a value with its limits.

    It passes within them, and fails if its whole interval lies beyond; a value beyond them whose interval
    reaches back, or that too few sources give, leaves the check unclear.

    Parameters
    ----------
    name, meaning
        As for `Check`.
    value, interval
        What was measured.
    limits
        Least and largest value that passes, NaN for none.
    n, min_number
        How many sources gave the value, and how many are needed.
    note
        Said with the result.

    Returns
    -------
    Check
        The result.

    Examples
    --------
    >>> nan = float("nan")
    >>> [str(check_value("bias", "", x, (x - 1, x + 1), (-2, 2), n=9).status) for x in (0, 2.5, 4)]
    ['pass', 'unclear', 'fail']
    """
    low, high = interval
    if not math.isfinite(value):
        status, note = Status.NOT_CHECKED, note or "there is nothing to measure it from"
    elif n < min_number:
        status, note = Status.UNCLEAR, f"{n} of the {min_number} that are needed"
    elif not (value < limits[0] or value > limits[1]):
        status = Status.PASS
    elif low > limits[1] or high < limits[0]:
        status = Status.FAIL
    else:
        status, note = Status.UNCLEAR, note or "the interval reaches the limit"
    return Check(name, meaning, value, low, high, *limits, n, status, note)


def tabulate_checks(checks: Sequence[Check]) -> Table:
    """Make a table of checks.

    Parameters
    ----------
    checks
        The checks.

    Returns
    -------
    astropy.table.Table
        Table of schema `CHECKS`.
    """
    names = {"check": "name"} | {name: name for name in CHECKS if name != "check"}
    columns = {column: [getattr(check, name) for check in checks] for column, name in names.items()}
    columns["status"] = [str(check.status) for check in checks]
    return make_table(CHECKS, {name: np.array(values) for name, values in columns.items()} if checks else {})
