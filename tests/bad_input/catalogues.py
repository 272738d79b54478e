"""Catalogues of sources, hosts and fakes, and the files that hold them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from lsst.meas.realbogus.cutouts import read_dia_sources
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.injection import require_valid
from lsst.meas.realbogus.tables import read_table_file

from ._case import Act, Cases

N = 3


def columns(**changes: Any) -> dict[str, Any]:
    """Return the columns of a sound catalogue of DIA sources, or changed; None takes one away."""
    sound = {
        "diaSourceId": np.arange(N),
        "x": np.arange(N) * 10.0,
        "y": np.arange(N) * 5.0,
        "ra": np.full(N, 150.0),
        "dec": np.full(N, 2.0),
        "psfFlux": np.array([5.0, -5.0, 1.0]),
        "psfFluxErr": np.ones(N),
    }
    return {name: values for name, values in (sound | changes).items() if values is not None}


def sources(**changes: Any) -> Act:
    """Make the act of reading a catalogue of DIA sources."""
    return lambda folder: summary(read_dia_sources(Table(columns(**changes)), name="mine"))


def given(make: Callable[[], Any]) -> Act:
    return lambda folder: summary(read_dia_sources(make(), name="mine"))


def summary(table: Table) -> Any:
    return table["id"].tolist(), table["x"].tolist(), table["is_negative"].tolist()


def file(name: str, content: bytes | str | Callable[[], bytes]) -> Act:
    def act(folder: Path) -> Any:
        content_ = content() if callable(content) else content
        (folder / name).write_bytes(content_.encode() if isinstance(content_, str) else content_)
        return summary(read_dia_sources(read_table_file(folder / name), name=name))

    return act


def parquet(make: Callable[[], pyarrow.Table]) -> Act:
    def act(folder: Path) -> Any:
        pyarrow.parquet.write_table(make(), folder / "x.parquet")
        return summary(read_dia_sources(read_table_file(folder / "x.parquet"), name="x.parquet"))

    return act


def fakes(**changes: Any) -> Act:
    """Make the act of reading a catalogue of fakes."""
    sound = {"injection_id": [1, 2], "ra": [150.0] * 2, "dec": [2.0, 2.1], "mag": [20.0] * 2}
    table = {name: values for name, values in (sound | {"source_type": ["Star"] * 2} | changes).items()}
    return lambda folder: require_valid(
        Table({name: values for name, values in table.items() if values is not None}),
        name="mine",
        strict=True,
    )


def saved(table: Table, name: str) -> Callable[[], bytes]:
    def make() -> bytes:
        buffer = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table)]).writeto(buffer)
        return buffer.getvalue()

    return make


def arrow(**changes: Any) -> pyarrow.Table:
    return pyarrow.table({name: pyarrow.array(values) for name, values in columns(**changes).items()})


def flagged(**meta: Any) -> Table:
    """Return what looks like the catalogue of afw that was read as a plain table."""
    table = Table(columns())
    table["flags"] = np.zeros((N, 4), bool)
    table.meta.update(meta)
    return table


def large() -> Any:
    n = 1_000_000
    table = {"diaSourceId": np.arange(n), "x": np.zeros(n), "y": np.zeros(n), "psfFlux": np.ones(n)}
    return len(read_dia_sources(Table(table, copy=False)))


def repeated(folder: Path) -> Any:
    """Read a small file of one value, 40 million times."""
    part = pyarrow.table({"x": np.zeros(5_000_000)})
    with pyarrow.parquet.ParquetWriter(folder / "x.parquet", part.schema) as writer:
        for _ in range(8):
            writer.write_table(part)
    return len(read_table_file(folder / "x.parquet"))


GOOD = [0, 1, 2], [0.0, 10.0, 20.0], [False, True, False]
NOWHERE = [0, 1, 2], [0.0, np.nan, np.inf], [False, True, False]
CSV = "diaSourceId,x,y,psfFlux\n0,0,0,5\n1,10,5,-5\n2,20,10,1\n"
_cases = Cases()
_refused: list[tuple[str, Act, type[Exception], str]] = [
    ("no column at all", given(dict), InvalidCatalogError, "no id: none of diaSourceId, id, sourceId"),
    ("no identifier", sources(diaSourceId=None), InvalidCatalogError, "no id: none of diaSourceId, id, sourceId"),
    ("no position", sources(x=None, y=None, ra=None, dec=None), InvalidCatalogError, "no pixel position: neither x and y nor a centroid of afw's and no sky position"),
    ("sky positions, and no projection", sources(x=None), InvalidCatalogError, "it has sky positions: give a projection"),
    ("x misnamed X", sources(x=None, X=np.zeros(N), ra=None), InvalidCatalogError, "columns are diaSourceId, y, dec"),
    ("identifiers with a half", sources(diaSourceId=np.arange(N) + 0.5), InvalidCatalogError, "diaSourceId must be of integers (as floats below 2**53), not 0.5, 1.5, 2.5"),
    ("identifiers above 2⁵³ as floats", sources(diaSourceId=np.full(N, 2.0**60)), InvalidCatalogError, "must be of integers (as floats below 2**53)"),
    ("identifiers beyond int64", sources(diaSourceId=np.full(N, 2**64 - 1, np.uint64)), InvalidCatalogError, "does not fit int64"),
    ("infinite identifiers", sources(diaSourceId=np.full(N, np.inf)), InvalidCatalogError, "diaSourceId must be of integers"),
    ("masked identifiers", sources(diaSourceId=MaskedColumn([1, 2, 3], mask=[0, 1, 0])), InvalidCatalogError, "diaSourceId is missing (row 1)"),
    ("identifiers that are words", sources(diaSourceId=["a", "b", "c"]), InvalidCatalogError, "not 'a', 'b', 'c' (rows 0, 1, 2)"),
    ("identifiers that are times", sources(diaSourceId=np.zeros(N, "M8[s]")), InvalidCatalogError, "diaSourceId must be of integers, not datetime64[s]"),
    ("identifiers of two columns", sources(diaSourceId=np.zeros((N, 2), int)), InvalidCatalogError, "diaSourceId has values of shape (2,); it must have one a row"),
    ("positions of two columns", sources(x=np.zeros((N, 2))), InvalidCatalogError, "x has values of shape (2,); it must have one a row"),
    ("positions that are words", sources(x=["here", "there", "1"]), InvalidCatalogError, "x is not a number: 'here', 'there' (rows 0, 1)"),
    ("positions that are complex numbers", sources(x=np.zeros(N, complex)), InvalidCatalogError, "x is complex128, not numbers"),
    ("positions that are yes and no", sources(x=np.zeros(N, bool)), InvalidCatalogError, "x is bool, not numbers"),
    ("positions that are objects", sources(x=np.array([1.0, print, None], object)), InvalidCatalogError, "x is not a number: <built-in function print> (row 1)"),
    ("positions in seconds", sources(x=np.zeros(N) * u.s), InvalidCatalogError, "unit of x is s, not one of"),
    ("sky positions in metres", sources(ra=np.zeros(N) * u.m), InvalidCatalogError, "unit of ra is m, not one of angle"),
    ("a unit that nobody knows", sources(ra=u.Quantity(np.zeros(N), u.Unit("furlongs", parse_strict="silent"))), InvalidCatalogError, "unit of ra is furlongs"),
    ("signs that are none", sources(isNegative=["yes", "perhaps", "no"]), InvalidCatalogError, "isNegative is neither yes nor no: 'perhaps' (row 1)"),
    ("signs of 7", sources(isNegative=[1, 7, 0]), InvalidCatalogError, "isNegative is neither yes nor no: 7 (row 1)"),
    ("signs of two columns", sources(isNegative=np.zeros((N, 2), bool)), InvalidCatalogError, "values of isNegative for 3 sources"),
    ("an empty sign and no flux", sources(isNegative=MaskedColumn([1, 0, 1], mask=[0, 1, 0]), psfFlux=None), InvalidCatalogError, "isNegative is empty and no flux tells the sign (row 1)"),
    ("a list", given(lambda: [1, 2, 3]), InvalidInputError, "mine: a list is not a table"),
    ("text", given(lambda: "x.csv"), InvalidInputError, "mine: a str is not a table"),
    ("columns of different lengths", given(lambda: columns(x=np.zeros(7))), InvalidInputError, "mine cannot be read as a table: Inconsistent data column lengths"),
    ("a flag that there is not", given(lambda: flagged(TFLAG9="base_flag")), InvalidInputError, "TFLAG9 names one of 4 flags"),
    ("a file that is not there", lambda folder: read_table_file(folder / "no.csv"), InvalidInputError, "no table"),
    ("a file of no known kind", file("x.xlsx", b"PK"), InvalidInputError, "cannot tell the format of x.xlsx; known endings are .csv"),
    ("an empty csv", file("x.csv", ""), InvalidCatalogError, "no id: none of diaSourceId, id, sourceId"),
    ("a csv with a row too long", file("x.csv", CSV + "3,4,5,6,7\n"), InvalidInputError, "cannot be read as a ascii.csv table"),
    ("a csv that is no text", file("x.csv", b"id,x,y\n\xff\xfe,1,2\n"), InvalidInputError, "cannot be read as a ascii.csv table"),
    ("a csv with words among numbers", file("x.csv", CSV + "3,oops,1,1\n"), InvalidCatalogError, "x is not a number: 'oops' (row 3)"),
    ("an ecsv without its header", file("x.ecsv", CSV), InvalidInputError, "cannot be read as a ascii.ecsv table"),
    ("an ecsv that calls a Python function", file("x.ecsv", "# %ECSV 1.0\n# ---\n# datatype: !!python/object/apply:os.system [\"touch evil\"]\na\n1\n"), InvalidInputError, "cannot be read as a ascii.ecsv table"),
    ("an ecsv of a class of its own", file("x.ecsv", "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\n# meta: !!omap\n# - __serialized_columns__:\n#     a: {__class__: subprocess.Popen, args: ls}\na\n1\n"), InvalidInputError, "cannot be read as a ascii.ecsv table"),
    ("an empty parquet file", file("x.parquet", b""), InvalidInputError, "cannot be read as a parquet table"),
    ("a parquet file, cut off", file("x.parquet", b"PAR1" + bytes(40)), InvalidInputError, "cannot be read as a parquet table"),
    ("units noted in no YAML", parquet(lambda: arrow().replace_schema_metadata({"table_meta_yaml": "{: ["})), InvalidInputError, "x.parquet cannot be read as a table"),
    ("units noted as a list", parquet(lambda: arrow().replace_schema_metadata({"table_meta_yaml": "- 1"})), InvalidInputError, "x.parquet cannot be read as a table"),
    ("units noted by a Python function", parquet(lambda: arrow().replace_schema_metadata({"table_meta_yaml": "!!python/object/apply:os.system ['ls']"})), InvalidInputError, "x.parquet cannot be read as a table"),
    ("lists in a parquet file", parquet(lambda: arrow(x=[[1.0], [2.0, 3.0], []])), InvalidCatalogError, "x is not a number"),
    ("an empty FITS file", file("x.fits", b""), InvalidInputError, "cannot be read as a FITS file"),
    ("a FITS file without a table", file("x.fits", lambda: fits_image()), InvalidInputError, "no table in it"),
    ("a FITS table, cut off", file("x.fits", lambda: saved(Table(columns()), "x")()[:6000]), InvalidInputError, "cannot be read as a FITS file"),
    ("fakes without magnitudes", fakes(mag=None), InvalidCatalogError, "column mag is missing"),
    ("fakes in no band or visit that are twice", fakes(injection_id=[1, 1]), InvalidCatalogError, "injection_id"),
    ("fakes of NaN", fakes(mag=[np.nan, 20.0]), InvalidCatalogError, "mag"),
    ("fakes of negative identifiers", fakes(injection_id=[-1, 2]), InvalidCatalogError, "injection_id is below 0"),
    ("fakes at a declination of 100°", fakes(dec=[100.0, 2.0]), InvalidCatalogError, "dec"),
]  # fmt: skip


def fits_image() -> bytes:
    buffer = io.BytesIO()
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(buffer)
    return buffer.getvalue()


for _given, _act, _error, _says in _refused:
    _cases.refused(_given, _act, _error, _says)
_cases.refused(
    "40 million times one value in a small parquet file",
    repeated,
    InvalidInputError,
    "would grow to more than 268435456 bytes, which no data do",
    bomb=True,
)
_cases.taken("no rows", given(lambda: Table(columns())[:0]), "no rows come out", ([], [], []))
_cases.taken("a million rows", lambda folder: large(), "a million rows come out", 1_000_000)
_cases.taken(
    "positions NaN and infinite",
    sources(x=[0.0, np.nan, np.inf]),
    "the rows stay; their stamps have no pixels",
    NOWHERE,
)
_cases.taken(
    "masked positions",
    sources(x=MaskedColumn([0.0, 1.0, np.inf], mask=[0, 1, 0])),
    "they are NaN; the rows stay",
    NOWHERE,
)
_cases.taken(
    "identifiers twice", sources(diaSourceId=[7, 7, 7]), "every row comes out", ([7, 7, 7], GOOD[1], GOOD[2])
)
_cases.taken(
    "big-endian columns",
    given(lambda: Table({n: v.astype(v.dtype.newbyteorder(">")) for n, v in columns().items()})),
    "they are read",
    GOOD,
)
_cases.taken(
    "columns of objects",
    sources(x=np.array([0.0, "10", 20], object), diaSourceId=np.array([0, 1, 2], object)),
    "numbers among them are read",
    GOOD,
)
_cases.taken("identifiers as text", sources(diaSourceId=["0", "1", "2"]), "they are read exactly", GOOD)
_cases.taken(
    "pandas with a column of nullable integers",
    given(lambda: pd.DataFrame(columns()).astype({"diaSourceId": "Int64"})),
    "they are read",
    GOOD,
)
_cases.taken(
    "an arrow table with nulls",
    given(lambda: arrow(x=[0.0, None, np.inf])),
    "they are NaN; the rows stay",
    NOWHERE,
)
_cases.taken(
    "a column of HTML beside the others",
    sources(name=["<script>alert(1)</script>"] * N),
    "it is carried along; pages escape it",
    GOOD,
)
_cases.taken(
    "a csv with a column twice",
    file("x.csv", "id,x,x,y\n1,2,3,4\n"),
    "the first counts",
    ([1], [2.0], [False]),
)
_cases.taken("slots of afw that are numbers", given(lambda: flagged(ALIAS=[3])), "they are passed over", GOOD)
_cases.taken("a csv with Windows' line ends", file("x.csv", CSV.replace("\n", "\r\n")), "it is read", GOOD)

TABLE = _cases.table(
    "Catalogues",
    "every task and command that takes a table; `cutouts.read_dia_sources`, `tables.read_table_file`, `injection.require_valid`",
)
