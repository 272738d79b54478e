"""Values of one column out of whatever a file or another pipeline made of them."""

from __future__ import annotations

__all__ = ("Problem", "Severity", "is_nothing", "parse_flags", "plain", "rows_where", "some_of", "text_of")

import dataclasses
import enum
from typing import Any

import numpy as np
import numpy.typing as npt

type BoolArray = npt.NDArray[np.bool_]

_SHOWN_ROWS = 5
_TRUE = frozenset({"true", "t", "yes", "y"})
_FALSE = frozenset({"false", "f", "no", "n"})
_NOTHING = frozenset({"", "nan", "none", "null", "--", "<na>"})


class Severity(enum.StrEnum):
    """Whether a fault stops the use of a table."""

    ERROR = "error"
    WARNING = "warning"


@dataclasses.dataclass(frozen=True)
class Problem:
    """One fault of a table.

    Parameters
    ----------
    severity
        An error stops the use of the table; rows of a warning are flagged, or used as they are.
    reason
        What is wrong.
    rows
        Numbers of the rows at fault, from 0; empty for a fault of the whole table.
    column
        The column at fault, where it is one.
    """

    severity: Severity
    reason: str
    rows: tuple[int, ...] = ()
    column: str | None = None

    def __str__(self) -> str:
        if not self.rows:
            return self.reason
        shown = ", ".join(str(row) for row in self.rows[:_SHOWN_ROWS])
        more = f" and {len(self.rows) - _SHOWN_ROWS} more" if len(self.rows) > _SHOWN_ROWS else ""
        return f"{self.reason} (row{'s' if len(self.rows) > 1 else ''} {shown}{more})"


def rows_where(at_fault: BoolArray) -> tuple[int, ...]:
    """Return the numbers of the rows at fault.

    Parameters
    ----------
    at_fault
        Shape ``(n,)``.

    Returns
    -------
    tuple of int
        Row numbers from 0.
    """
    return tuple(int(row) for row in np.flatnonzero(at_fault))


def parse_flags(values: Any) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Read a column of yes and no in any spelling.

    Parameters
    ----------
    values
        Booleans; the numbers 1 (yes), 0 and -1 (no); or text or bytes that spell them (``True``, ``t``,
        ``yes``, ``1``, ``+1``, ``1.0``, their opposites, in capitals or not); shape ``(n,)``, perhaps masked.

    Returns
    -------
    true
        Where the answer is yes.
    known
        Where there is an answer: false where the value is masked, NaN, empty or None.
    wrong
        Where the value is something else, such as 7 or ``maybe``.
    """
    data, masked = plain(values)
    if data.dtype.kind == "b":
        return np.asarray(data & ~masked), np.asarray(~masked), np.zeros(len(data), bool)
    if data.dtype.kind in "iuf":
        numbers, nothing = data.astype(np.float64), masked
    else:
        numbers, nothing = _numbers_of_words(data)
        nothing = nothing | masked
    nothing = nothing | np.isnan(numbers)
    true = (numbers == 1.0) & ~nothing
    wrong = ~nothing & ~true & (numbers != 0.0) & (numbers != -1.0)
    return true, ~nothing & ~wrong, wrong


def _numbers_of_words(data: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], BoolArray]:
    """Return 1 for yes, 0 for no, other numbers as they are, infinity for other words; and what is none."""
    answers: dict[Any, float] = {}
    out = np.empty(len(data))
    for row, value in enumerate(data.tolist()):
        if value not in answers:
            answers[value] = _number_of_word(value)
        out[row] = answers[value]
    return out, np.isnan(out)


def plain(values: Any) -> tuple[npt.NDArray[Any], BoolArray]:
    """Take a column apart.

    Parameters
    ----------
    values
        An array, masked array or column of a table.

    Returns
    -------
    data
        A plain array, a view where there is one.
    masked
        Which values are masked.
    """
    return np.asarray(np.ma.getdata(values)), np.ma.getmaskarray(values)


def text_of(value: Any) -> str:
    """Return a value as text, bytes decoded.

    Parameters
    ----------
    value
        One value of a column.

    Returns
    -------
    str
        Its text.
    """
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def is_nothing(value: Any) -> bool:
    """Return whether a value says that there is none: None, NaN, an empty string, and how they are written.

    Parameters
    ----------
    value
        One value of a column of text or objects.

    Returns
    -------
    bool
        Whether it is nothing.
    """
    return text_of(value).strip().casefold() in _NOTHING


def some_of(values: npt.NDArray[Any], most: int = 3) -> str:
    """Show a few different values of a column.

    Parameters
    ----------
    values
        The values.
    most
        How many are shown.

    Returns
    -------
    str
        The first of them, different ones, as Python writes them.
    """
    shown = list(dict.fromkeys(repr(value) for value in values.tolist()))
    return ", ".join(shown[:most]) + (", …" if len(shown) > most else "")


def _number_of_word(value: Any) -> float:
    word = text_of(value).strip().casefold()
    if word in _TRUE:
        return 1.0
    if word in _FALSE:
        return 0.0
    if word in _NOTHING:
        return np.nan
    try:
        return float(word)
    except ValueError:
        return np.inf
