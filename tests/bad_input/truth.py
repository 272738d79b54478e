"""Tables of what is true: DC2's, those of injected sources, labels by hand, light curves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from lsst.meas.realbogus.association import LightCurveOptions, read_epochs
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.tables import write_table_file
from lsst.meas.realbogus.training import read_hand_labels
from lsst.meas.realbogus.truth import (
    match,
    read_dc2_summary,
    read_dc2_tables,
    read_dc2_truth,
    read_dc2_variability,
    read_injected,
    read_truth,
)

from ._case import Act, Cases

SUMMARY = {
    "id": ["41", "42"],
    "ra": [55.0, 55.1],
    "dec": [-30.0, -30.0],
    "host_galaxy": [-1, 7],
    "flux_r": [1.0, 2.0],
}
CURVES = {
    "id": ["41", "42"],
    "obsHistID": [7, 7],
    "MJD": [6e4, 6e4],
    "bandpass": ["r", "r"],
    "delta_flux": [1.0, 2.0],
}
SUPERNOVAE = {
    "snid": ["a"],
    "x0": [1e-4],
    "t0": [6e4],
    "x1": [0.0],
    "c": [0.0],
    "z": [0.1],
    "snra": [55.0],
    "sndec": [-30.0],
}
SOURCES = {
    "diaSourceId": [1, 2],
    "x": [1.0, 50.0],
    "y": [1.0, 50.0],
    "ra": [150.0, 150.01],
    "dec": [2.0, 2.0],
    "psfFlux": [50.0, -9.0],
    "psfFluxErr": [1.0, 1.0],
}
INJECTED = {
    "injection_id": [4],
    "ra": [150.0],
    "dec": [2.0],
    "x": [1.0],
    "y": [1.0],
    "flux": [50.0],
    "injection_flag": [0],
}
TRUTH = {
    "truth_id": [3],
    "kind": ["star"],
    "ra": [150.0],
    "dec": [2.0],
    "flux": [1.0],
    "template_flux": [1.0],
}


def changed(sound: dict[str, Any], **changes: Any) -> Table:
    """Return a table with other columns; None takes one away."""
    return Table({name: values for name, values in (sound | changes).items() if values is not None})


def dc2(read: Callable[..., Any], sound: dict[str, Any], ending: str = "csv", **changes: Any) -> Act:
    def act(folder: Path) -> Any:
        write_table_file(changed(sound, **changes), folder / f"x.{ending}")
        return len(read(folder / f"x.{ending}"))

    return act


def bytes_of(name: str, content: bytes, read: Callable[..., Any] = read_dc2_summary) -> Act:
    def act(folder: Path) -> Any:
        (folder / name).write_bytes(content)
        return len(read(folder / name))

    return act


def sqlite(*statements: str, read: Callable[..., Any] = read_dc2_summary, cut: int | None = None) -> Act:
    def act(folder: Path) -> Any:
        path = folder / "x.db"
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
        path.write_bytes(path.read_bytes()[:cut])
        return len(read(path))

    return act


def labels(text: str) -> Act:
    def act(folder: Path) -> Any:
        (folder / "labels.csv").write_text(text)
        return read_hand_labels(folder / "labels.csv").of([1, 2]).tolist()

    return act


def matched(sources: dict[str, Any] | None = None, injected: dict[str, Any] | None = None) -> Act:
    """Match with other columns; return labels and fates."""

    def act(folder: Path) -> Any:
        result = match(changed(SOURCES, **(sources or {})), changed(INJECTED, **(injected or {})))
        return result.sources["label"].tolist(), result.fates["fate"].tolist()

    return act


def epochs(scores: Any = None, **changes: Any) -> Act:
    sound = SOURCES | {"visit": [1, 1], "detector": [0, 0], "band": ["r", "r"], "midpointMjdTai": [6e4, 6e4]}
    return lambda folder: len(read_epochs(changed(sound, **changes), scores, name="mine"))


ROWS = "SELECT 1 AS id, 2.0 AS ra, 3.0 AS dec"
ENDLESS = f"WITH RECURSIVE c(id, ra, dec) AS ({ROWS} UNION ALL SELECT id + 1, ra, dec FROM c) SELECT * FROM c"
_catalog, _input = InvalidCatalogError, InvalidInputError
_cases = Cases()
_refused: list[tuple[str, Act, type[Exception], str]] = [
    ("DC2: a file that is not there", lambda folder: read_dc2_truth(folder / "no.csv"), _input, "no truth table"),
    ("DC2: an empty csv", bytes_of("x.csv", b""), _catalog, "column id is missing; column ra is missing"),
    ("DC2: half a parquet file", bytes_of("x.parquet", b"PAR1" + bytes(9)), _input, "cannot be read as a parquet table"),
    ("DC2: half a parquet file, some visits", bytes_of("x.parquet", b"PAR1" + bytes(9), lambda path: read_dc2_variability(path, {7})), _input, "cannot be read as a parquet table"),
    ("DC2: text as a database", bytes_of("x.db", b"hello" * 300), _input, "is not a truth table of DC2: file is not a database"),
    ("DC2: an empty file as a database", bytes_of("x.db", b""), _input, "has no table truth_summary"),
    ("DC2: a database, cut off", sqlite("CREATE TABLE truth_summary (id, ra, dec)", *["INSERT INTO truth_summary VALUES (1, 2, zeroblob(999))"] * 9, cut=5000), _input, "is not a truth table of DC2"),
    ("DC2: a database of other tables", sqlite("CREATE TABLE other (id)"), _input, "has no table truth_summary; has other"),
    ("DC2: a table of other columns", sqlite("CREATE TABLE truth_summary (a, b)"), _input, "has none of the columns id, ra, dec"),
    ("DC2: a table without ra", sqlite("CREATE TABLE truth_summary (id, dec)", "INSERT INTO truth_summary VALUES (1, 2)"), _catalog, "column ra is missing"),
    ("DC2: bytes where numbers should be", sqlite("CREATE TABLE truth_summary (id, ra, dec)", "INSERT INTO truth_summary VALUES (1, x'ff00', 3)"), _catalog, "ra is not a number"),
    ("DC2: no summary of a light curve", lambda folder: no_summary(folder), _catalog, "1 objects are not in the summary, the first 43"),
    ("DC2: light curves of another band", lambda folder: other_band(folder), _catalog, "bandpass is g, the visit's band is r"),
    ("DC2: positions in words", dc2(read_dc2_summary, SUMMARY, ra=["here", "there"]), _catalog, "ra is not a number: 'here', 'there' (rows 0, 1)"),
    ("DC2: hosts that are no integers", dc2(read_dc2_summary, SUMMARY, host_galaxy=[0.5, 1.0]), _catalog, "host_galaxy must be of integers"),
    ("DC2: visits that are no integers", dc2(read_dc2_variability, CURVES, obsHistID=["a", "b"]), _catalog, "obsHistID must be of integers"),
    ("DC2: identifiers of 50 characters", dc2(read_dc2_summary, SUMMARY, id=["a" * 50, "b"]), _catalog, "id is longer than 40 characters"),
    ("DC2: supernovae without a redshift", dc2(read_dc2_truth, SUPERNOVAE, z=None), _catalog, "column z is missing"),
    ("labels by hand: an empty file", labels(""), _catalog, "column diaSourceId is missing; column label is missing"),
    ("labels by hand: words", labels("diaSourceId,label\n1,real\n"), _catalog, "label must be of integers"),
    ("labels by hand: 7", labels("diaSourceId,label\n1,7\n"), _catalog, "labels are 1 real, 0 bogus and -1 undecided; got [7]"),
    ("labels by hand: 1000", labels("diaSourceId,label\n1,1000\n"), _catalog, "label does not fit int8: 1000 (row 0)"),
    ("labels by hand: none given", labels("diaSourceId,label\n1,\n2,1\n"), _catalog, "label is missing (row 0)"),
    ("labels by hand: two of one source", labels("diaSourceId,label\n1,1\n1,0\n"), _catalog, "two labels of the sources [1]"),
    ("DIA sources to match without fluxes", matched({"psfFlux": None}), _catalog, "column psfFlux is missing"),
    ("DIA sources to match without positions", matched({"ra": None}), _catalog, "column ra is missing"),
    ("injected sources without flux and magnitude", matched(injected={"flux": None}), _catalog, "column flux is missing, and there is no mag either"),
    ("injected sources with identifiers below 0", matched(injected={"injection_id": [-4]}), _catalog, "injection_id is below 0: -4 (row 0)"),
    ("injected sources with masked identifiers", lambda folder: read_injected(changed(INJECTED, injection_id=MaskedColumn([4], mask=[1]))), _catalog, "injection_id is missing (row 0)"),
    ("injected sources of which nothing says where", matched(injected={"ra": ["?"]}), _catalog, "ra is not a number: '?' (row 0)"),
    ("a truth table of kinds of 40 letters", lambda folder: read_truth(changed(TRUTH, kind=["k" * 40])), _catalog, "kind is longer than 32 characters"),
    ("a truth table without fluxes", lambda folder: read_truth(changed(TRUTH, flux=None)), _catalog, "column flux is missing"),
    ("light curves of sources without a time", epochs(midpointMjdTai=None), _catalog, "column midpointMjdTai is missing"),
    ("light curves of sources with scores of others", epochs({"id": [1, 3], "score": [0.5, 0.5]}), _catalog, "scores are of other sources, or in another order"),
    ("light curves of sources with too few scores", epochs({"id": [1], "score": [0.5]}), _catalog, "scores are of other sources"),
    ("light curves of sources with scores that are words", epochs({"id": [1, 2], "score": ["good", "bad"]}), _catalog, "score is not a number: 'good', 'bad'"),
    ("light curves joined within −1 arcsec", lambda folder: LightCurveOptions(radius=-1.0), _input, "radius"),
]  # fmt: skip


def no_summary(folder: Path) -> Any:
    """Ask for the change of an object that the summary lacks."""
    write_table_file(changed(SUMMARY), folder / "s.csv")
    write_table_file(changed(CURVES, id=["41", "43"]), folder / "c.csv")
    return read_dc2_tables(summaries=[folder / "s.csv"], variability=[folder / "c.csv"]).changes(7, "r", 6e4)


def other_band(folder: Path) -> Any:
    """Ask for the changes of a visit in r whose light curves are in g."""
    write_table_file(changed(SUMMARY), folder / "s.csv")
    write_table_file(changed(CURVES, bandpass=["g", "g"]), folder / "c.csv")
    return read_dc2_tables(summaries=[folder / "s.csv"], variability=[folder / "c.csv"]).changes(7, "r", 6e4)


for _given, _act, _error, _says in _refused:
    _cases.refused(_given, _act, _error, _says)
_cases.refused(
    "DC2: a view without end",
    sqlite(f"CREATE VIEW truth_summary AS {ENDLESS}"),
    _input,
    "has no table truth_summary",
    bomb=True,
)
_cases.taken(
    "DC2: no rows",
    dc2(read_dc2_summary, {name: values[:0] for name, values in SUMMARY.items()}, "parquet"),
    "no rows come out",
    0,
)
_cases.taken(
    "labels by hand with a column of HTML",
    labels("diaSourceId,label,note\n1,1,<script>\n"),
    "the column is not looked at",
    [1, -1],
)
_cases.taken(
    "DIA sources at no position",
    matched({"ra": [np.nan, 150.01], "x": [np.nan, 50.0]}),
    "they match nothing and stay undecided",
    ([-1, -1], ["undetected"]),
)
_cases.taken(
    "injected sources at no position",
    matched(injected={"ra": [np.nan], "x": [np.nan]}),
    "they match nothing",
    ([-1, -1], ["undetected"]),
)
_cases.taken(
    "no DIA sources",
    lambda folder: list(match(changed(SOURCES)[:0], changed(INJECTED)).fates["fate"]),
    "every injected source is undetected",
    ["undetected"],
)
_cases.taken(
    "no injected sources",
    lambda folder: list(match(changed(SOURCES), changed(INJECTED)[:0]).sources["label"]),
    "every source is undecided",
    [-1, -1],
)

TABLE = _cases.table(
    "Truth, labels and light curves",
    "`rb.match`, `rb.read_dc2_tables`, `realbogus truth`, `realbogus train --labels`, `associateLightCurves`",
)
