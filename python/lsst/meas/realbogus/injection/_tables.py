"""Users' own tables of fakes, brought into the form of our catalogues."""

from __future__ import annotations

__all__ = ("from_user_table",)

import numpy as np
from astropy.table import Table

from ..errors import InvalidCatalogError
from ..tables import apply_schema, make_table
from ._populations import image_columns
from ._schema import INJECTION_CATALOG
from ._sky import Footprint

_OWN = ("visit", "detector", "band", "mjd", "injection_id", "population")


def from_user_table(
    table: Table, footprint: Footprint, *, padding: int = 32, name: str = "user table"
) -> Table:
    """Pick the rows of a user's table that belong to an image.

    Parameters
    ----------
    table
        Columns ``ra``, ``dec``, ``mag``; others named as ours are kept. Units are applied, numbers without
        are taken to be in ours. A ``visit`` or ``band`` column restricts rows to that visit or band (0 and
        an empty string mean any).
    footprint
        The image.
    padding
        Pixels outside the image that still count.
    name
        What the table is called in messages.

    Returns
    -------
    astropy.table.Table
        Rows of population ``user``, without ids of their own (``injection_id`` is given anew).

    Raises
    ------
    InvalidCatalogError
        If columns are missing or hold what cannot be used: every reason, with the rows; or if no row has
        both a position and a magnitude. Some that have not are left out (`explain_losses` counts them).
    """
    table = apply_schema(table, INJECTION_CATALOG, name=name)
    whole = np.all([np.isfinite(np.asarray(table[c], float)) for c in ("ra", "dec", "mag")], axis=0)
    if len(table) and not whole.any():
        raise InvalidCatalogError(name, [f"none of {len(table)} rows has both a position and a magnitude"])
    table = table[whole]
    here = footprint.contains(np.asarray(table["ra"]), np.asarray(table["dec"]), padding)
    for column, wanted, any_value in (("visit", footprint.visit, 0), ("band", footprint.band, "")):
        if column in table.colnames:
            here &= np.isin(np.asarray(table[column]), [wanted, any_value])
    rows = table[here]
    kept = {c: rows[c] for c in INJECTION_CATALOG if c in rows.colnames and c not in _OWN}
    values = {**kept, **image_columns(footprint), "population": "user"}
    return make_table(INJECTION_CATALOG, values, len(rows))
