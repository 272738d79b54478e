"""One schema idiom: what a column declares is applied, and everything wrong is told at once, with rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given
from hypothesis import strategies as st
from lsst.daf.butler.formatters.parquet import astropy_to_arrow

from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.tables import (
    Column,
    apply_schema,
    check_table,
    empty_table,
    magnitude_to_njy,
    make_table,
    njy_to_magnitude,
    read_table_file,
    write_table_file,
)

SCHEMA = {
    "id": Column("int64", "name", required=True, minimum=0),
    "twin": Column("int64", "other row", none=0),
    "ra": Column("float64", "position", "deg", required=True),
    "mag": Column("float32", "AB", "mag"),
    "flux": Column("float64", "light", "nJy"),
    "scale": Column("float64", "of pixels", "arcsec / pix"),
    "z": Column("float64", "redshift"),
    "good": Column("bool", "yes or no"),
    "band": Column("U4", "filter"),
}


def read(**columns: Any) -> Table:
    n = len(next(iter(columns.values())))
    base = {"id": np.arange(n), "ra": np.zeros(n)}
    return apply_schema(QTable({**base, **columns}), SCHEMA, name="mine")


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("ra", np.array([0.0, np.pi]) * u.rad, [0.0, 180.0]),
        ("ra", np.array([1.0, 2.0]) * u.hourangle, [15.0, 30.0]),
        ("ra", np.array([60.0, 120.0]) * u.arcmin, [1.0, 2.0]),
        ("mag", np.array([20000.0, 21000.0]) * u.mmag, [20.0, 21.0]),
        ("mag", np.array([20.0, 21.0]) * u.ABmag, [20.0, 21.0]),
        ("flux", np.array([1e-6, 2e-6]) * u.Jy, [1e3, 2e3]),
        ("scale", np.array([1.0, 2.0]) * u.deg / u.pix, [3600.0, 7200.0]),
        ("z", np.array([10.0, 20.0]) * u.percent, [0.1, 0.2]),
    ],
)
def test_defect_03_units_are_applied(name: str, values: u.Quantity, expected: list[float]) -> None:
    table = read(**{name: values})
    np.testing.assert_allclose(table[name], expected, rtol=1e-6)
    assert str(table[name].unit or "") == str(u.Unit(SCHEMA[name].unit or ""))
    without = read(**{name: np.array(expected)})[name]  # taken to be in the declared unit
    np.testing.assert_allclose(without, expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [
        ("ra", "Jy", "unit of ra is Jy, not one of angle"),
        ("mag", "nJy", "unit of mag is nJy"),
        ("mag", "mag(ST)", "unit of mag is mag"),
        ("flux", "ct", "unit of flux is ct"),
        ("z", "km / s", "not a number without unit"),
    ],
)
def test_defect_03_units_of_something_else_are_refused(name: str, unit: str, words: str) -> None:
    with pytest.raises(InvalidCatalogError, match=words):
        table = Table({"id": [1], "ra": [0.0], name: [1.0]})
        table[name].unit = unit
        apply_schema(table, SCHEMA, name="mine")


@pytest.mark.parametrize(
    "values",
    [
        np.array([5, 0, 2**53 - 1]),
        np.array([5, 0, 2**53 - 1], np.uint64),
        np.array([5, 0, 2**53 - 1], ">i8"),
        np.array([5.0, 0.0, 2.0**53 - 1]),
        np.array(["5", " 0", "9007199254740991"]),
        np.array([b"5", b"0", b"9007199254740991"]),
        np.array([5, "0", 2**53 - 1], object),
    ],
    ids=lambda v: v.dtype.str,
)
def test_defect_04_ids_are_read_exactly(values: np.ndarray) -> None:
    table = read(id=values)
    assert table["id"].dtype == np.dtype(np.int64) and table["id"].tolist() == [5, 0, 2**53 - 1]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.5, 3.0], r"must be of integers .* 2\.5 \(row 1\)"),
        ([1.0, 2.0**53, 3.0], r"below 2\*\*53\), not 9007199254740992\.0 \(row 1\)"),
        ([1.0, np.nan, np.inf], r"integers .* inf \(row 2\); id is missing \(row 1\)"),
        (np.array([1, 2**63, 3], np.uint64), r"does not fit int64: 9223372036854775808 \(row 1\)"),
        (
            ["1", "9223372036854775808", "x"],
            r"integers .* 'x' \(row 2\); id does not fit int64: .* \(row 1\)",
        ),
        ([True, False, True], "must be of integers, not bool"),
        (MaskedColumn([1, 2, 3], mask=[False, True, False]), r"id is missing \(row 1\)"),
        ([1, -2, 3], r"id is below 0: -2 \(row 1\)"),
        (["1", "-2", "3"], r"id is below 0: -2 \(row 1\)"),
        ([1 + 0j, 2, 3], "must be of integers, not complex128"),
    ],
    ids=str,
)
def test_defect_04_what_is_no_id_is_named_with_its_rows(values: Any, words: str) -> None:
    with pytest.raises(InvalidCatalogError, match=words):
        read(id=values)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5))
def test_defect_04_ids_survive_every_type_that_holds_them(ids: list[int]) -> None:
    for values in (np.array(ids), np.array(ids, np.uint64), np.array([str(i) for i in ids])):
        assert read(id=values)["id"].tolist() == ids


def test_what_is_masked_or_empty_is_none() -> None:
    mask = [False, True]
    table = read(
        twin=MaskedColumn([7, 8], mask=mask),
        mag=MaskedColumn([20.0, 21.0], mask=mask),
        good=MaskedColumn([True, True], mask=mask),
        band=MaskedColumn(["r", "i"], mask=mask),
        z=np.array(["0.5", ""]),
    )
    assert table["twin"].tolist() == [7, 0] and table["good"].tolist() == [True, False]
    assert table["band"].tolist() == ["r", ""] and table["z"][0] == 0.5
    assert np.isnan(table["mag"][1]) and np.isnan(table["z"][1])
    assert not any(hasattr(table[name], "mask") for name in table.colnames)
    assert read(twin=[3.0, np.nan])["twin"].tolist() == [3, 0]


def test_big_endian_numbers_and_bytes_are_fine() -> None:
    table = read(
        mag=np.array([20.0, 21.0], ">f4"), band=np.array([b"r ", b"i"]), good=np.array(["True", "False"])
    )
    assert table["mag"].dtype.isnative and table["mag"].tolist() == [20.0, 21.0]
    assert table["band"].tolist() == ["r", "i"] and table["good"].tolist() == [True, False]


def test_all_reasons_come_at_once_with_their_rows() -> None:
    table = Table(
        {"ra": ["1", "east", "3"], "twin": [1, 2, 3], "good": ["t", "f", "perhaps"], "other": [1, 2, 3]}
    )
    table["flux"], table["flux"].unit, table["band"] = 1.0, "K", "far too long"
    out, problems = check_table(table, SCHEMA)
    assert out.colnames == table.colnames and out["twin"].tolist() == [1, 2, 3]
    with pytest.raises(InvalidCatalogError) as error:
        apply_schema(table, SCHEMA, name="mine.csv")
    assert (
        error.value.reasons
        == tuple(map(str, problems))
        == (
            "column id is missing",
            "ra is not a number: 'east' (row 1)",
            "good is neither yes nor no: 'perhaps' (row 2)",
            "unit of flux is K, not one of spectral flux density",
            "band is longer than 4 characters: 'far too long' (rows 0, 1, 2)",
        )
    )


def test_the_table_that_was_given_is_not_changed() -> None:
    given_table = Table({"id": [1], "ra": [1.0]})
    given_table["ra"].unit = u.rad
    out = apply_schema(given_table, SCHEMA, name="mine")
    out["id"][0] = 9
    assert given_table["ra"][0] == 1.0 and given_table["ra"].unit == u.rad


def test_tables_are_made_of_their_schema() -> None:
    table = make_table(SCHEMA, {"id": [1, 2], "band": "r", "mag": [20.0, 21.0]})
    assert table.colnames == list(SCHEMA) and table["band"].tolist() == ["r", "r"]
    assert [table[name].dtype for name in SCHEMA] == [column.numpy_dtype for column in SCHEMA.values()]
    assert table["ra"].unit == u.deg and table["ra"].description == "position"
    assert np.isnan(table["z"]).all() and table["twin"].tolist() == [0, 0]
    assert len(empty_table(SCHEMA)) == 0 and empty_table(SCHEMA).colnames == list(SCHEMA)
    assert len(make_table(SCHEMA, {"band": "r"}, 3)) == 3
    with pytest.raises(KeyError, match="not columns of this table: .'magnitude'"):
        make_table(SCHEMA, {"magnitude": [1.0]})
    with pytest.raises(InvalidInputError, match="band 'sloan_r' is longer than 4"):
        make_table(SCHEMA, {"band": "sloan_r"}, 1)


@pytest.mark.parametrize("ending", ["csv", "ecsv", "parquet", "fits"])
def test_files_of_every_format_read_the_same(tmp_path: Path, ending: str) -> None:
    table = make_table(
        SCHEMA,
        {
            "id": [2**62 + 1, 0],
            "ra": [10.0, 20.0],
            "mag": [20.5, np.nan],
            "good": [True, False],
            "band": ["r", "i"],
        },
    )
    path = tmp_path / f"mine.{ending}"
    write_table_file(table, path)
    back = apply_schema(read_table_file(path), SCHEMA, name=path.name)
    assert back.colnames == table.colnames
    for name in table.colnames:
        assert back[name].dtype == table[name].dtype
        np.testing.assert_array_equal(back[name], table[name])


@pytest.mark.parametrize("ending", ["ecsv", "parquet", "fits"])
def test_defect_03_files_keep_units(tmp_path: Path, ending: str) -> None:
    table = Table({"id": [1], "ra": [np.pi]})
    table["ra"].unit = u.rad
    path = tmp_path / f"mine.{ending}"
    write_table_file(table, path)
    assert apply_schema(read_table_file(path), SCHEMA, name="mine")["ra"][0] == pytest.approx(180.0)


def test_defect_03_units_of_arrow_fields_are_read() -> None:
    field = pa.field("ra", pa.float64(), metadata={"unit": "rad"})
    table = pa.table(
        [pa.array([1]), pa.array([np.pi])], schema=pa.schema([pa.field("id", pa.int64()), field])
    )
    assert apply_schema(table, SCHEMA, name="mine")["ra"][0] == pytest.approx(180.0)


def test_defect_04_nulls_of_parquet_do_not_round_ids(tmp_path: Path) -> None:
    columns = {
        "id": [1, 2],
        "ra": [0.0, 1.0],
        "twin": [2**62 + 1, None],
        "band": ["r", None],
        "good": [None, True],
    }
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    table = apply_schema(read_table_file(tmp_path / "mine.parquet"), SCHEMA, name="mine")
    assert table["twin"].tolist() == [2**62 + 1, 0] and table["band"].tolist() == ["r", ""]
    assert table["good"].tolist() == [False, True]


@pytest.mark.parametrize("ending", ["parquet", "fits"])
def test_columns_may_have_an_array_in_each_row(tmp_path: Path, ending: str) -> None:
    table = Table({"a": [1, 2], "counts": np.arange(6).reshape(2, 3), "image": np.ones((2, 3, 4), "f4")})
    table["known"] = MaskedColumn(np.arange(4).reshape(2, 2), mask=[[0, 1], [0, 0]])
    table["counts"].unit = "nJy"
    for number, rows in enumerate((table, table[:0])):
        path = tmp_path / f"{number}.{ending}"
        write_table_file(rows, path)
        found = read_table_file(path)
        for name in table.colnames:
            assert found[name].shape == rows[name].shape and found[name].unit == rows[name].unit
            np.testing.assert_array_equal(np.ma.filled(found[name], -1), np.ma.filled(rows[name], -1))
    # As the Butler writes it.
    pq.write_table(astropy_to_arrow(table["a", "counts"]), tmp_path / "butler.parquet")
    np.testing.assert_array_equal(read_table_file(tmp_path / "butler.parquet")["counts"], table["counts"])


@pytest.mark.parametrize("ending", ["parquet", "fits"])
def test_damaged_files_are_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"mine.{ending}"
    write_table_file(Table({"a": np.arange(5000.0)}), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InvalidInputError, match=f"mine.{ending}"):
        read_table_file(path)


def test_the_zero_point_is_astropys() -> None:
    mag = np.linspace(10.0, 30.0, 50)
    np.testing.assert_array_equal(magnitude_to_njy(mag), 10.0 ** (-0.4 * (mag - 31.4)))
    np.testing.assert_array_equal(njy_to_magnitude(mag), 31.4 - 2.5 * np.log10(mag))
    np.testing.assert_allclose(magnitude_to_njy(mag), (mag * u.ABmag).to_value(u.nJy), rtol=1e-13)
    np.testing.assert_allclose(njy_to_magnitude(magnitude_to_njy(mag)), mag, rtol=1e-14)
    assert np.isnan(njy_to_magnitude([-1.0, 0.0, np.nan])).all() and np.isnan(magnitude_to_njy(np.nan))
