"""Catalogues of every pipeline generation give the same columns, every row of them."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, QTable, Table
from astropy.wcs import WCS
from lsst.images import GeneralFrame, SkyProjection

from lsst.meas.realbogus.cutouts import STANDARD_COLUMNS, read_dia_sources, read_sources
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError

PLAIN = {
    "diaSourceId": np.array([11, 12, 13], np.int64),
    "x": np.array([100.0, np.nan, 130.5]),
    "y": np.array([50.0, 60.0, 70.5]),
    "ra": np.array([10.0, 10.1, np.nan]),
    "dec": np.array([-5.0, -5.1, -5.2]),
    "isNegative": np.array([False, True, False]),
    "psfFlux": np.array([100.0, -50.0, 30.0]),
    "psfFluxErr": np.array([10.0, 10.0, 10.0]),
}


def projection() -> SkyProjection:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [10.0, -5.0], [100.0, 50.0]
    wcs.wcs.cd = np.array([[-0.8, 0.6], [0.6, 0.8]]) * 0.2 / 3600
    return SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=u.pix))


@pytest.mark.parametrize(
    "make",
    [
        lambda c: c,
        Table,
        lambda c: QTable({**c, "ra": c["ra"] * u.deg, "dec": c["dec"] * u.deg}),
        lambda c: pa.table(c),
        lambda c: Table(c).to_pandas(),
        lambda c: Table(c).to_pandas().set_index("diaSourceId"),
        lambda c: Table(c).as_array(),
        lambda c: QTable({**c, "ra": np.radians(c["ra"]) * u.rad, "dec": np.radians(c["dec"]) * u.rad}),
        lambda c: _renamed(
            c,
            diaSourceId="id",
            x="slot_Centroid_x",
            y="slot_Centroid_y",
            ra="coord_ra",
            dec="coord_dec",
            isNegative="is_negative",
            psfFlux="slot_PsfFlux_instFlux",
            psfFluxErr="slot_PsfFlux_instFluxErr",
        ),
    ],
)  # fmt: skip
def test_every_make_of_table_reads_the_same(make) -> None:
    pytest.importorskip("pandas")
    read = read_dia_sources(make(PLAIN))
    assert read.colnames == list(STANDARD_COLUMNS)
    for name, column in zip(
        list(STANDARD_COLUMNS)[:6], ("diaSourceId", "x", "y", "ra", "dec", "isNegative"), strict=True
    ):
        np.testing.assert_allclose(read[name], PLAIN[column], rtol=1e-14)
    np.testing.assert_allclose(read["snr"], [10, 5, 3])


def _renamed(columns, **names) -> Table:
    """As in an afw catalogue: other names, and angles in radians."""
    angles = {"ra": np.radians, "dec": np.radians}
    return Table({names[c]: angles.get(c, lambda v: v)(v) for c, v in columns.items()})


def test_sky_positions_are_projected() -> None:
    sky = {name: PLAIN[name] for name in ("diaSourceId", "ra", "dec")}
    read = read_dia_sources(sky, projection())
    back = projection().pixel_to_sky(x=read["x"][:2], y=read["y"][:2])
    np.testing.assert_allclose(back.ra.deg, PLAIN["ra"][:2], atol=1e-10)
    assert len(read) == 3 and np.isnan(read["x"][2])
    with pytest.raises(InvalidCatalogError, match="give a projection"):
        read_dia_sources(sky)


def test_sign_comes_from_the_flux_where_there_is_no_flag() -> None:
    columns = {name: PLAIN[name] for name in ("diaSourceId", "x", "y", "psfFlux")}
    assert read_dia_sources(columns)["is_negative"].tolist() == [False, True, False]
    assert not read_sources({**columns, "sourceId": [1, 2, 3]})["is_negative"].any()


def test_science_catalogue_is_known_by_its_own_id() -> None:
    both = {**PLAIN, "sourceId": [1, 2, 3]}
    assert read_sources(both)["id"].tolist() == [1, 2, 3]
    assert read_dia_sources(both)["id"].tolist() == [11, 12, 13]


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InvalidCatalogError, match="no id.*no pixel position.*columns are flux"):
        read_dia_sources({"flux": [1.0]}, name="mine.fits")
    ids = MaskedColumn([1, 2], mask=[False, True])
    with pytest.raises(InvalidCatalogError, match=r"id is missing \(row 1\)"):
        read_dia_sources(Table({"id": ids, "x": [1.0, 2.0], "y": [1.0, 2.0]}))
    with pytest.raises(InvalidCatalogError, match="integers"):
        read_dia_sources({"id": [1.5], "x": [1.0], "y": [1.0]})
    with pytest.raises(InvalidInputError, match="is not a table"):
        read_dia_sources("dia_sources.parquet")


def test_masked_positions_are_nan() -> None:
    x = MaskedColumn([1.0, 2.0], mask=[False, True])
    read = read_dia_sources(Table({"id": [1, 2], "x": x, "y": [1.0, 2.0]}))
    assert np.isnan(read["x"][1]) and read["x"][0] == 1


def test_empty_catalogue_reads() -> None:
    assert len(read_dia_sources({name: values[:0] for name, values in PLAIN.items()})) == 0


@pytest.mark.parametrize("visit", ["", "_43"])
def test_real_catalogues_agree_between_generations(stack_data: Path, visit: str) -> None:
    """The same DIA sources as afw wrote them, as the Butler gives them, and as the pipeline tidies them."""
    folder = stack_data / "diffim"
    afw = read_dia_sources(Table.read(folder / f"dia_source_unstandardized{visit}.fits", hdu=1))
    butler = read_dia_sources(Table.read(folder / f"dia_source_unstandardized{visit}.parquet"))
    standard = read_dia_sources(pq.read_table(folder / f"dia_source_detector{visit}.parquet"))
    assert len(afw) == len(butler) == len(standard) > 20
    for name in STANDARD_COLUMNS:
        np.testing.assert_array_equal(afw[name], butler[name])
    for name in ("id", "ra", "dec", "is_negative"):
        np.testing.assert_allclose(standard[name], butler[name], rtol=1e-14)
    for name in ("x", "y"):
        np.testing.assert_allclose(standard[name], butler[name], atol=1e-4)  # float32 there
    assert np.isfinite(butler["snr"]).all() and (butler["snr"] > 3).all()


def test_defect_03_units_of_catalogues_are_applied() -> None:
    other = Table(PLAIN)
    for name, factor, unit in (
        ("ra", np.pi / 180, "rad"), ("dec", 60.0, "arcmin"),
        ("psfFlux", 1e-3, "uJy"), ("psfFluxErr", 1e-3, "uJy"),
    ):  # fmt: skip
        other[name] *= factor
        other[name].unit = unit
    ours, theirs = read_dia_sources(PLAIN), read_dia_sources(other)
    for name in ours.colnames:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-13)
    wrong = Table(PLAIN)
    wrong["ra"].unit = "K"
    with pytest.raises(InvalidCatalogError, match="unit of ra is K, not one of angle"):
        read_dia_sources(wrong)


@pytest.mark.parametrize("ids", [["1", "2", "3"], [1.0, 2.0, 3.0], np.array([1, 2, 3], np.uint64)])
def test_defect_04_ids_of_catalogues_are_exact(ids: object) -> None:
    read = read_dia_sources({**PLAIN, "diaSourceId": ids})
    assert read["id"].dtype == np.int64 and read["id"].tolist() == [1, 2, 3]
    for wrong, words in (([1.0, np.nan, 3.0], "is missing"), ([1, 2**53 + 0.0, 3], "integers")):
        with pytest.raises(InvalidCatalogError, match=rf"diaSourceId .*{words}.* \(row 1\)"):
            read_dia_sources({**PLAIN, "diaSourceId": np.array(wrong)})
