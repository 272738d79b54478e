"""Whether a source is negative in the difference image, in every spelling that catalogues have for it."""

from __future__ import annotations

__all__ = ("SIGN_COLUMNS", "read_signs", "sign_column")

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidCatalogError
from ._values import Problem, Severity, parse_flags, rows_where, some_of

if TYPE_CHECKING:
    from astropy.table import Table

SIGN_COLUMNS: Mapping[str, bool] = {
    "isNegative": True,
    "is_negative": True,
    "isdiffneg": True,
    "isdiffpos": False,
    "isPositive": False,
    "is_positive": False,
}
"""Columns that tell the sign, and whether yes means negative; the first that a table has counts."""


def sign_column(columns: Mapping[str, Any] | Table) -> str | None:
    """Return which column tells the sign of sources.

    Parameters
    ----------
    columns
        A table, or columns by name.

    Returns
    -------
    str or None
        One of `SIGN_COLUMNS`; None where the table has none of them.
    """
    names = frozenset(columns.keys())
    return next((name for name in SIGN_COLUMNS if name in names), None)


def read_signs(
    columns: Mapping[str, Any] | Table, n_rows: int, *, name: str, flux: npt.ArrayLike | None = None
) -> npt.NDArray[np.bool_]:
    """Read which sources are negative in the difference image.

    Parameters
    ----------
    columns
        A table, or columns by name, of which one of `SIGN_COLUMNS` is read (spellings: `parse_flags`).
    n_rows
        Number of sources.
    name
        What the table or file is called in messages.
    flux
        Fluxes of the sources in the difference, shape ``(n_rows,)``.

    Returns
    -------
    numpy.ndarray
        Bool, shape ``(n_rows,)``. A value that is masked, NaN or empty is neither sign: the flux decides. A
        table without a column of signs has the signs of the fluxes; a source is positive where nothing tells.

    Raises
    ------
    InvalidCatalogError
        With the rows whose value is no sign, and those whose value is empty and whose flux is not known.

    Examples
    --------
    >>> read_signs({"isdiffpos": ["t", "f", "1", "-1"]}, 4, name="alerts").tolist()
    [False, True, False, True]
    """
    with np.errstate(invalid="ignore"):
        fluxes = np.full(n_rows, np.nan) if flux is None else np.ma.filled(np.ma.asarray(flux, float), np.nan)
    by_flux = np.asarray(fluxes < 0.0)
    column = sign_column(columns)
    if column is None:
        return by_flux
    values = np.ma.asanyarray(columns[column])
    if values.shape != (n_rows,):
        raise InvalidCatalogError(name, [f"{values.shape} values of {column} for {n_rows} sources"])
    true, known, wrong = parse_flags(values)
    problems = []
    if wrong.any():
        reason = f"{column} is neither yes nor no: {some_of(np.ma.getdata(values)[wrong])}"
        problems.append(Problem(Severity.ERROR, reason, rows_where(wrong)))
    undecided = ~known & ~wrong & ~np.isfinite(fluxes)
    if undecided.any():
        reason = f"{column} is empty and no flux tells the sign"
        problems.append(Problem(Severity.ERROR, reason, rows_where(undecided)))
    if problems:
        raise InvalidCatalogError(name, map(str, problems))
    return np.where(known, true == SIGN_COLUMNS[column], by_flux)
