"""Users' tables and the command line: every fault is told with its rows, every format comes back the same."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable, Table, vstack
from astropy.wcs import WCS
from click.testing import CliRunner
from lsst.images import Box, DetectorFrame, SkyProjection

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.injection import (
    INJECTION_CATALOG,
    SELECTION,
    CatalogOptions,
    Footprint,
    HostOptions,
    ValidationRules,
    check_fakes,
    require_valid,
    select_hosts,
    shard,
    stack_catalogs,
    to_source_injection,
    to_visit_detector_fakes,
    trixels,
)
from lsst.meas.realbogus.injection._ids import supernova_ids
from lsst.meas.realbogus.injection._tables import from_user_table
from lsst.meas.realbogus.options import from_settings
from lsst.meas.realbogus.tables import (
    Severity,
    empty_table,
    make_table,
    read_table_file,
    write_table_file,
)

BBOX = Box.factory[0:1000, 0:1000]


@pytest.fixture
def footprint() -> Footprint:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [500.0, 500.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    frame = DetectorFrame(instrument="ToyCam", visit=5, detector=1, bbox=BBOX)
    return Footprint(5, 1, "r", 60000.0, BBOX, SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=BBOX))


def _table(n: int = 4) -> Table:
    ra = 150.0 + 0.005 * np.arange(n)
    return Table(
        {"injection_id": np.arange(1, n + 1), "ra": ra, "dec": np.full(n, 2.0), "mag": np.full(n, 21.0)}
    )


def _reasons(table: Table, **rules: float) -> dict[str, tuple[Severity, tuple[int, ...]]]:
    return {p.reason: (p.severity, p.rows) for p in check_fakes(table, ValidationRules(**rules))}


def test_a_good_table_has_no_faults() -> None:
    assert check_fakes(_table()) == []
    assert check_fakes(empty_table(INJECTION_CATALOG)) == []
    require_valid(_table(), name="mine", strict=True)


@pytest.mark.parametrize(
    ("column", "values", "words", "severity", "rows"),
    [
        ("ra", [150.0, np.nan, 150.02, 150.03], "not a number", Severity.ERROR, (1,)),
        ("ra", [150.0, 150.01, 400.0, 150.03], "between 0 and 360", Severity.ERROR, (2,)),
        ("dec", [2.0, 2.0, 2.0, -91.0], "between -90 and 90", Severity.ERROR, (3,)),
        ("mag", [21.0, 3.0, 99.0, 21.0], "between 5 and 35", Severity.ERROR, (1, 2)),
        ("mag", [21.0, np.nan, 21.0, np.inf], "MAG_BAD", Severity.WARNING, (1, 3)),
        ("injection_id", [4, 5, 5, 4], "more than once", Severity.ERROR, (0, 1, 2, 3)),
        ("injection_id", [1.0, 2.5, 3.0, 4.0], "must be of integers", Severity.ERROR, (1,)),
        ("injection_id", [1, -2, 3, 4], "below 0", Severity.ERROR, (1,)),
        ("source_type", ["Star", "Sersic", "Star", "Trail"], "Sersic, Trail", Severity.WARNING, (1, 3)),
        ("ra", [150.0, 150.0001, 150.02, 150.03], "within 2 arcsec", Severity.WARNING, (0, 1)),
        ("magnitud", [1.0, 1.0, 1.0, 1.0], "did you mean mag?", Severity.WARNING, ()),
    ],
)
def test_each_fault_is_told_with_its_rows(
    column: str, values: list[object], words: str, severity: Severity, rows: tuple[int, ...]
) -> None:
    table = _table()
    table[column] = values
    ((reason, found),) = [item for item in _reasons(table).items() if words in item[0]]
    assert found == (severity, rows), reason


def test_units_are_checked_and_understood() -> None:
    wrong = QTable(_table())
    wrong["ra"] = (
        wrong["ra"].value * u.Jy if hasattr(wrong["ra"], "value") else np.asarray(wrong["ra"]) * u.Jy
    )
    assert any("unit of ra is Jy" in reason for reason in _reasons(wrong))
    good = _table()
    good["ra"] = np.deg2rad(good["ra"])
    good["ra"].unit = u.rad
    assert check_fakes(good) == []
    bad = _table(40)
    bad["ra"], bad["dec"] = np.deg2rad(bad["ra"]), np.deg2rad(bad["dec"])
    assert any("radians" in reason for reason in _reasons(bad, min_separation=0.0))


def test_twins_of_a_variable_do_not_blend() -> None:
    table = _table(2)
    table["ra"] = 150.0
    table["is_template_source"] = [True, False]
    assert check_fakes(table) == []
    table["is_template_source"] = [False, False]
    assert len(check_fakes(table)) == 1


def test_all_reasons_come_in_one_error() -> None:
    table = _table(8)
    table["mag"] = [50.0] * 8
    table["injection_id"] = 3
    table["dec"][2] = 95.0
    with pytest.raises(InvalidCatalogError) as error:
        require_valid(table, name="mine.csv")
    assert len(error.value.reasons) == 3
    assert "(rows 0, 1, 2, 3, 4 and 3 more)" in str(error.value) and "(row 2)" in str(error.value)
    with pytest.raises(InvalidCatalogError, match="column mag is missing"):
        require_valid(table["ra", "dec"], name="mine.csv")


@pytest.mark.parametrize("ending", ["csv", "ecsv", "parquet", "fits"])
def test_tables_come_back_the_same(tmp_path: Path, ending: str) -> None:
    catalog = make_table(
        INJECTION_CATALOG,
        {"ra": [1.0, 2.0, 3.0], "dec": 0.5, "mag": [20.0, np.nan, 22.0], "sn_type": ["Ia", "II", "Ibc"]},
        3,
    )
    catalog["injection_id"] = [2**62 + 1, 5, 6]
    path = tmp_path / f"fakes.{ending}"
    write_table_file(catalog, path)
    back = read_table_file(path)
    for name in ("injection_id", "ra", "mag", "is_visit_source"):
        filled = np.ma.filled(np.ma.asarray(back[name]), np.nan) if name == "mag" else np.asarray(back[name])
        expected = np.asarray(catalog[name])
        if filled.dtype.kind == "U":  # csv has no booleans
            filled = filled == "True"
        np.testing.assert_array_equal(filled, expected)
    assert list(np.char.strip(np.asarray(back["sn_type"]).astype(str))) == ["Ia", "II", "Ibc"]
    with pytest.raises(InvalidInputError, match="exists"):
        write_table_file(catalog, path)


def test_unknown_formats_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="known endings are .csv"):
        read_table_file(tmp_path / "fakes.xls")
    with pytest.raises(InvalidInputError, match="no table"):
        read_table_file(tmp_path / "fakes.csv")


def test_user_rows_go_to_their_image(footprint: Footprint) -> None:
    table = Table(
        {"ra": [150.0, 150.0, 150.0, 151.0], "dec": [2.0, 2.01, 2.005, 2.0], "mag": [20.0, 21.0, 22.0, 20.0]}
    )
    table["visit"], table["band"] = [5, 6, 0, 5], ["r", "r", "", "r"]
    table["redshift"] = MaskedColumn([0.1, 0.2, 0.3, 0.4], mask=[False, False, True, False])
    rows = from_user_table(table, footprint)
    np.testing.assert_array_equal(rows["mag"], [20.0, 22.0])
    assert rows["redshift"][0] == 0.1 and np.isnan(rows["redshift"][1])
    assert set(np.asarray(rows["population"])) == {"user"} and set(np.asarray(rows["visit"])) == {5}
    table["dec"] = np.asarray(table["dec"]) * 60.0
    table["dec"].unit = u.arcmin
    np.testing.assert_allclose(from_user_table(table, footprint)["dec"], [2.0, 2.005])
    with pytest.raises(InvalidCatalogError, match="user table: column mag is missing"):
        from_user_table(table["ra", "dec"], footprint)


def test_shards_hold_their_trixel_and_band_only() -> None:
    catalog = make_table(
        INJECTION_CATALOG,
        {"ra": [150.0, 160.0, 150.0, 150.0], "dec": 2.0, "mag": 20.0, "band": ["r", "r", "i", "r"]},
        4,
    )
    catalog["injection_id"] = [1, 2, 3, 4]
    catalog["is_visit_source"][3], catalog["is_template_source"][3] = False, True
    trixel = int(trixels(150.0, 2.0)[0])
    rows = shard([catalog], trixel, "r")
    assert list(rows["injection_id"]) == [1]
    assert list(shard([catalog], trixel, "r", "template")["injection_id"]) == [4]
    assert len(shard([], trixel, "r")) == 0
    with pytest.raises(InvalidCatalogError, match="injection_id 1 occurs more than once"):
        shard([catalog, catalog], trixel, "r")
    assert "visit" in to_source_injection(catalog).colnames and "{visit}" in SELECTION


def test_trixels_are_the_butlers() -> None:
    from lsst.daf.butler import DimensionUniverse
    from lsst.sphgeom import LonLat, UnitVector3d

    pixelization = DimensionUniverse().skypix_dimensions["htm7"].pixelization
    for ra, dec in ((0.0, 0.0), (53.1, -27.8), (299.9, 88.0)):
        expected = pixelization.index(UnitVector3d(LonLat.fromDegrees(ra, dec)))
        assert trixels(ra, dec)[0] == expected


def test_ap_columns_are_complete() -> None:
    """Without a twin no column of twins: AP's matching fails on one that names none."""
    catalog = make_table(
        INJECTION_CATALOG,
        {
            "ra": 150.001,
            "dec": 2.0,
            "host_ra": 150.0,
            "host_dec": 2.0,
            "host_mag": 20.0,
            "population": "hosted",
        },
        1,
    )
    table = to_visit_detector_fakes(catalog, [10.0], [20.0])
    names = (
        "x y mag ra dec source_type isVisitSource isTemplateSource injection_id visit detector host_id "
        "host_flux host_mag host_ra host_dec delta_ra delta_dec delta_mag host_a host_b host_pa "
        "hosted_fake mag_offset isVariable"
    )
    assert set(table.colnames) == set(names.split())
    catalog["twin_id"], catalog["injection_id"], catalog["is_visit_source"] = 5, 4, True
    twin = catalog.copy()
    twin["twin_id"], twin["injection_id"], twin["is_visit_source"] = 4, 5, False
    twins = to_visit_detector_fakes(vstack([catalog, twin]), [10.0, 10.0], [20.0, 20.0])
    assert set(twins.colnames) == {*names.split(), "twin_id"}
    # AP's matching looks for the rows without a twin_id, and gives what it finds to those that name them.
    is_double = twins["twin_id"] > 0
    assert twins["injection_id"][~is_double].tolist() == twins["twin_id"][is_double].tolist() == [4]
    assert table["delta_ra"][0] == pytest.approx(3.6) and table["hosted_fake"][0]
    assert table["host_flux"][0] == pytest.approx(10 ** (0.4 * 11.4))


def test_stacking_keeps_columns() -> None:
    one, none = make_table(INJECTION_CATALOG, {"mag": 20.0}, 2), empty_table(INJECTION_CATALOG)
    assert stack_catalogs([none, one, none]).colnames == none.colnames
    assert len(stack_catalogs([none, none])) == 0 and len(stack_catalogs([])) == 0
    with pytest.raises(KeyError, match="not columns"):
        make_table(INJECTION_CATALOG, {"magnitude": 20.0}, 1)


def test_settings_name_options() -> None:
    options = from_settings(
        CatalogOptions(),
        ("hosted.fraction=0.5", "faint_grid.number=7", "supernova.model=sncosmo", "host.bad_flags=a,b"),
    )
    assert isinstance(options, CatalogOptions)
    assert options.hosted.fraction == 0.5 and options.faint_grid.number == 7
    assert options.supernova.model == "sncosmo" and options.host.bad_flags == ("a", "b")
    for wrong, words in (
        ("hosted.fration=1", "no option hosted.fration; did you mean fraction"),
        ("hosted=1", "a group of options"),
        ("hosted.fraction.a=1", "is a single one"),
        ("hosted.fraction", "NAME=VALUE"),
        ("hosted.fraction=much", "must be a number from 0 to 1; got 'much'"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            from_settings(CatalogOptions(), (wrong,))


def test_check_shows_a_table_and_fails(tmp_path: Path) -> None:
    table = _table()
    # Names are shown as they are: brackets and colons are no markup.
    names = [str(tmp_path / name) for name in ("good[red].csv", "bad[x]:star:.ecsv")]
    write_table_file(table, Path(names[0]))
    table["mag"][1] = 77.0
    table["comment2"] = "x"
    write_table_file(table, Path(names[1]))
    good = CliRunner().invoke(main, ["fakes", "check", names[0]])
    assert good.exit_code == 0 and f"good[red].csv: {len(table)} rows, nothing wrong" in good.output
    both = CliRunner().invoke(main, ["fakes", "check", *names])
    assert both.exit_code == 1 and "bad[x]:star:.ecsv" in both.output
    assert "error" in both.output and "warning" in both.output and "between 5 and 35" in both.output


def _in_other_units(table: Table) -> Table:
    """The same rows in radians and millimagnitudes, and as their units say."""
    other = table.copy()
    for name, unit in (("ra", u.rad), ("dec", u.rad), ("mag", u.mmag)):
        other[name] = (np.asarray(table[name]) * (u.mag if name == "mag" else u.deg)).to_value(unit)
        other[name].unit = unit
    return other


def test_defect_03_radians_and_millimagnitudes_are_the_same_fakes(footprint: Footprint) -> None:
    table = _table()
    table["band"] = "r"
    other = _in_other_units(table)
    assert check_fakes(other) == []
    valid = require_valid(other, name="mine")
    np.testing.assert_allclose(valid["mag"], 21.0)
    np.testing.assert_allclose(valid["ra"], table["ra"])
    plain, turned = (from_user_table(t, footprint) for t in (table, other))
    assert len(plain) == len(turned) > 0
    for name in ("ra", "dec", "mag"):
        np.testing.assert_allclose(turned[name], plain[name], rtol=1e-13)
    catalog = make_table(INJECTION_CATALOG, {name: table[name] for name in table.colnames})
    trixel = int(trixels(150.0, 2.0)[0])
    shards = [shard([t], trixel, "r") for t in (catalog, _in_other_units(catalog))]
    assert len(shards[0]) == 4
    np.testing.assert_allclose(shards[1]["ra"], shards[0]["ra"])


def test_defect_03_a_magnitude_of_20000_mmag_is_one_of_20() -> None:
    table = _table(1)
    table["mag"] = [20000.0]
    assert any("between 5 and 35" in reason for reason in _reasons(table))
    table["mag"].unit = u.mmag
    assert require_valid(table, name="mine")["mag"].tolist() == [20.0]


def test_defect_03_hosts_in_radians_and_janskys_are_the_same_hosts() -> None:
    hosts = Table({"sourceId": [1, 2], "ra": [150.0, 150.01], "dec": [2.0, 2.01], "extendedness": [1.0, 1.0]})
    hosts["apFlux"], hosts["host_a"], hosts["host_b"], hosts["host_pa"] = 5e3, 0.6, 0.4, 30.0
    other = hosts.copy()
    for name, factor, unit in (
        ("ra", np.pi / 180, "rad"), ("dec", np.pi / 180, "rad"), ("apFlux", 1e-9, "Jy"),
        ("host_a", 1 / 60, "arcmin"), ("host_pa", np.pi / 180, "rad"),
    ):  # fmt: skip
        other[name] *= factor
        other[name].unit = unit
    options = HostOptions(shape="columns")
    ours, theirs = (select_hosts(table, None, options) for table in (hosts, other))
    assert len(ours) == 2
    for field in ("ra", "dec", "mag", "a", "b", "pa"):
        np.testing.assert_allclose(getattr(theirs, field), getattr(ours, field), rtol=1e-12)


@pytest.mark.parametrize(
    "ids", [["1", "2", "3", "4"], [1.0, 2.0, 3.0, 4.0], np.arange(1, 5, dtype=np.uint64)]
)
def test_defect_04_ids_of_every_type_are_read(ids: object) -> None:
    table = _table()
    table["injection_id"] = ids
    valid = require_valid(table, name="mine")
    assert valid["injection_id"].dtype == np.int64 and valid["injection_id"].tolist() == [1, 2, 3, 4]


def test_defect_04_an_id_of_0_is_legal_and_others_are_refused_with_their_rows() -> None:
    table = _table()
    table["injection_id"] = np.arange(4)
    assert check_fakes(table) == []
    for ids, words in (
        ([1.0, np.nan, 3.0, 4.0], r"injection_id is missing \(row 1\)"),
        ([1, 2, -7, 4], r"injection_id is below 0: -7 \(row 2\)"),
        (np.array([1, 2, 3, 2**63], np.uint64), r"does not fit int64: 9223372036854775808 \(row 3\)"),
    ):
        table["injection_id"] = ids
        with pytest.raises(InvalidCatalogError, match=words):
            require_valid(table, name="mine")


def test_defect_04_supernovae_are_named_by_our_errors() -> None:
    for keys in ([-1], [2**62], [1.5]):
        with pytest.raises(InvalidInputError, match=r"row keys must be integers from 0 to 2\*\*62 - 1"):
            supernova_ids(1, keys)
    assert supernova_ids(1, []).size == 0


def test_defect_01_flags_of_a_csv_are_what_they_were(tmp_path: Path) -> None:
    catalog = make_table(INJECTION_CATALOG, {"ra": 150.0, "dec": 2.0, "mag": 20.0, "injection_id": [1, 2]})
    catalog["is_template_source"] = [True, False]
    write_table_file(catalog, tmp_path / "mine.csv")
    back = require_valid(
        read_table_file(tmp_path / "mine.csv"), ValidationRules(min_separation=0.0), name="mine"
    )
    assert back["is_template_source"].tolist() == [True, False] and back["is_visit_source"].all()
