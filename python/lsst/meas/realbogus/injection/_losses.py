"""Rows of which no fake is made, and why: said before anybody wonders."""

from __future__ import annotations

__all__ = ("Losses", "explain_losses")

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..tables import apply_schema, njy_to_magnitude
from ._hosts import read_host_table, usable_rows
from ._options import CatalogOptions
from ._schema import INJECTION_CATALOG
from ._sky import Footprint

type Bools = npt.NDArray[np.bool_]

_DEFAULT = CatalogOptions()


@dataclasses.dataclass(frozen=True)
class Losses:
    """Rows of one table that are of no use.

    Parameters
    ----------
    n_rows, n_left_out
        Rows in all, and those of no use.
    text
        A sentence with the reasons.
    """

    n_rows: int
    n_left_out: int
    text: str


def explain_losses(
    sources: Table,
    footprint: Footprint,
    options: CatalogOptions = _DEFAULT,
    *,
    user_table: Table | None = None,
    name: str = "source table",
    user_name: str = "user table",
) -> list[Losses]:
    """Say how many rows of the tables of `make_catalog` are of no use on an image, and why.

    Parameters
    ----------
    sources, footprint, options, user_table
        As for `make_catalog`.
    name, user_name
        What the tables are called.

    Returns
    -------
    list of Losses
        One for each table, the user's last; every row counts once, for the first reason.

    Raises
    ------
    InvalidCatalogError
        If a table lacks columns or holds what cannot be used.
    """
    host = options.host
    table = read_host_table(sources, host, name=name)
    mag = njy_to_magnitude(table[host.flux_column])
    reasons: dict[str, Bools] = {
        **_places(table, footprint, options.padding),
        f"without a positive {host.flux_column}": ~np.isfinite(mag),
        f"not between magnitude {host.mag_min:g} and {host.mag_max:g}": (mag < host.mag_min)
        | (mag > host.mag_max),
        f"of extendedness below {host.extendedness_min:g} (stars)": ~(
            np.asarray(table["extendedness"]) >= host.extendedness_min
        ),
        "with a bad flag, or without a needed one": ~usable_rows(table, host),
    }
    losses = [_count(name, "are no hosts", len(table), reasons)]
    if user_table is not None:
        rows = apply_schema(user_table, INJECTION_CATALOG, name=user_name)
        reasons = _places(rows, footprint, options.padding)
        reasons["without a magnitude"] = ~np.isfinite(np.asarray(rows["mag"], float))
        for column, wanted, any_value in (("visit", footprint.visit, 0), ("band", footprint.band, "")):
            if column in rows.colnames:
                reasons[f"of another {column} than {wanted}"] = ~np.isin(
                    np.asarray(rows[column]), [wanted, any_value]
                )
        losses.append(_count(user_name, "are left out", len(rows), reasons))
    return losses


def _places(table: Table, footprint: Footprint, padding: int) -> dict[str, Bools]:
    ra, dec = (np.asarray(table[column], float) for column in ("ra", "dec"))
    known = np.isfinite(ra) & np.isfinite(dec)
    here = np.zeros(len(table), bool)
    here[known] = footprint.contains(ra[known], dec[known], padding)
    return {"without a position": ~known, "off the image": known & ~here}


def _count(name: str, what: str, n: int, reasons: Mapping[str, Bools]) -> Losses:
    """Count each row for its first reason."""
    left, counts = np.ones(n, bool), []
    for reason, rows in reasons.items():
        if number := int((rows & left).sum()):
            counts.append(f"{number} {reason}")
        left &= ~rows
    n_left_out = n - int(left.sum())
    text = f"{name}: {n_left_out} of {n} rows {what}" + (f": {', '.join(counts)}" if counts else "")
    return Losses(n, n_left_out, text)
