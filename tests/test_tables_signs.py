"""The sign of a source is read right, however a file spells it."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import astropy.io.fits
import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table

from lsst.meas.realbogus.cutouts import open_stamp_file, read_alerts, read_dia_sources
from lsst.meas.realbogus.errors import InvalidCatalogError
from lsst.meas.realbogus.tables import read_signs
from lsst.meas.realbogus.truth import label_dia_sources

NEGATIVE = [True, False, False, True]
YES_NO = [
    [True, False, False, True],
    ["True", "False", "False", "True"],
    ["t", "f", "F", "T"],
    ["1", "0", " 0", "1"],
    ["+1", "-1", "-1", "1.0"],
    [1, 0, 0, 1],
    [1, -1, -1, 1],
    [1.0, 0.0, -1.0, 1.0],
    [b"t", b"f", b"false", b"TRUE"],
    [np.True_, 0, "f", b"1"],
]
POSITIVE_COLUMNS = ("isdiffpos", "isPositive", "is_positive")


def column(values: list[Any]) -> np.ndarray:
    return np.array(values, object) if len({type(v) for v in values}) > 1 else np.array(values)


def catalogue(name: str, values: Any, **others: Any) -> Table:
    n = len(values)
    return Table({"diaSourceId": np.arange(n), "x": np.ones(n), "y": np.ones(n), name: values, **others})


@pytest.mark.parametrize("values", YES_NO, ids=str)
@pytest.mark.parametrize("name", ["isNegative", "is_negative", "isdiffneg", *POSITIVE_COLUMNS])
def test_defect_01_signs_in_every_spelling(name: str, values: list[Any]) -> None:
    expected = ~np.array(NEGATIVE) if name in POSITIVE_COLUMNS else np.array(NEGATIVE)
    assert read_signs({name: column(values)}, 4, name="mine").tolist() == expected.tolist()
    assert read_dia_sources(catalogue(name, column(values)))["is_negative"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    "values",
    [
        MaskedColumn([True, False, False, True], mask=[True, False, True, False]),
        [np.nan, 0.0, np.nan, 1.0],
        ["", "f", "nan", "t"],
        np.array([None, False, None, True], object),
    ],
    ids=["masked", "nan", "empty", "none"],
)
def test_defect_01_an_empty_sign_is_that_of_the_flux_or_an_error(values: Any) -> None:
    assert read_signs({"isNegative": values}, 4, name="mine", flux=[-3.0, 5.0, 3.0, 5.0]).tolist() == [
        True, False, False, True,
    ]  # fmt: skip
    with pytest.raises(InvalidCatalogError, match=r"mine: isNegative is empty and no flux .* \(rows 0, 2\)"):
        read_signs({"isNegative": values}, 4, name="mine")
    with pytest.raises(InvalidCatalogError, match=r"\(row 2\)"):
        read_dia_sources(catalogue("isNegative", values, psfFlux=[-1.0, np.nan, np.nan, 1.0]))


@pytest.mark.parametrize("values", [["t", "maybe", "f"], [1, 7, 0], [1.0, 0.5, 0.0]])
def test_defect_01_what_is_no_sign_is_named_with_its_row(values: Any) -> None:
    with pytest.raises(InvalidCatalogError, match=r"isdiffpos is neither yes nor no: .* \(row 1\)"):
        read_signs({"isdiffpos": np.array(values)}, 3, name="mine", flux=[1.0, 1.0, 1.0])


@pytest.mark.parametrize("ending", ["csv", "ecsv", "fits", "parquet"])
def test_defect_01_our_own_tables_come_back_with_the_right_signs(tmp_path: Path, ending: str) -> None:
    flux = np.where(NEGATIVE, 50.0, -50.0)  # against the sign: only the column tells
    path = tmp_path / f"sources.{ending}"
    catalogue("isNegative", NEGATIVE, psfFlux=flux).write(path)
    assert read_dia_sources(Table.read(path))["is_negative"].tolist() == NEGATIVE


def stamps(n: int = 4) -> np.ndarray:
    return np.ones((n, 5, 5), np.float32)


@pytest.mark.parametrize("values", YES_NO[:-1], ids=str)
@pytest.mark.parametrize("name", ["isNegative", "isdiffpos"])
def test_defect_01_signs_of_stamp_files(tmp_path: Path, name: str, values: list[Any]) -> None:
    expected = [not v for v in NEGATIVE] if name == "isdiffpos" else NEGATIVE
    np.savez(tmp_path / "s.npz", difference=stamps(), **{name: np.array(values)})
    flat = pa.FixedSizeListArray.from_arrays(pa.array(stamps().ravel()), 25)
    pq.write_table(pa.table({"difference": flat, name: pa.array(values)}), tmp_path / "s.parquet")
    hdus = [
        astropy.io.fits.PrimaryHDU(),
        astropy.io.fits.ImageHDU(stamps(), name="DIFFERENCE"),
        astropy.io.fits.table_to_hdu(Table({name: np.array(values)})),
    ]
    astropy.io.fits.HDUList(hdus).writeto(tmp_path / "s.fits")
    for path in sorted(tmp_path.iterdir()):
        with open_stamp_file(path) as file:
            assert next(file.batches(4)).is_negative.tolist() == expected, path.suffix
            rest = [sign for batch in file.batches(2, 1) for sign in batch.is_negative.tolist()]
            assert rest == expected[1:], path.suffix


@pytest.mark.parametrize(
    ("value", "negative"), [("t", False), ("f", True), ("1", False), ("0", True), ("-1", True)]
)
def test_defect_01_signs_of_alert_packets(tmp_path: Path, value: str, negative: bool) -> None:
    buffer = io.BytesIO()
    astropy.io.fits.PrimaryHDU(stamps()[0]).writeto(buffer)
    fields = [{"name": "isdiffpos", "type": "string"}, {"name": "candid", "type": "long"}]
    schema = {
        "type": "record",
        "name": "alert",
        "fields": [
            {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": fields}},
            {"name": "cutoutDifference", "type": "bytes"},
        ],
    }
    record = {
        "candidate": {"isdiffpos": value, "candid": 5},
        "cutoutDifference": gzip.compress(buffer.getvalue()),
    }
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, schema, [record])
    (alert,) = read_alerts(tmp_path / "a.avro")
    assert alert.is_negative is (value not in ("t", "1"))


def test_defect_01_matching_reads_signs_as_text() -> None:
    x = np.array([100.0, 200.0])
    sky = {"ra": 50 + x / 18000, "dec": np.zeros(2), "x": x, "y": x}
    sources = Table(
        {
            **sky,
            "diaSourceId": [1, 2],
            "psfFlux": [900.0, -900.0],
            "psfFluxErr": [10.0, 10.0],
            "isNegative": ["f", "t"],
        }
    )
    injected = Table({**sky, "injection_id": [1, 2], "flux": [900.0, -900.0], "injection_flag": [0, 0]})
    assert label_dia_sources(sources, injected).table["label"].tolist() == [1, 1]
