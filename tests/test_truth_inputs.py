"""Matching reads the tables of every pipeline: names, units, ids and signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from lsst.images import MaskedImage

from lsst.meas.realbogus.cutouts import read_image_file
from lsst.meas.realbogus.errors import InvalidCatalogError
from lsst.meas.realbogus.injection import HostOptions, select_hosts
from lsst.meas.realbogus.tables import NO_ID
from lsst.meas.realbogus.truth import (
    injected_fates,
    label_dia_sources,
    match,
    read_injected,
    read_matched_sources,
)


def tables() -> tuple[Table, Table, Table]:
    x = np.array([100.0, 200.0, 300.0])
    sky = {"ra": 50 + x / 18000, "dec": np.full(3, -5.0), "x": x, "y": x}
    flux = np.array([3000.0, -3000.0, 2000.0])
    sources = Table(sky | {"diaSourceId": [0, 12, 13], "psfFlux": flux, "psfFluxErr": np.full(3, 100.0)})
    injected = Table(sky | {"injection_id": [0, 1, 2], "flux": flux, "injection_flag": np.zeros(3, int)})
    truth = Table({**sky, "truth_id": [0, 1, 2], "kind": ["star"] * 3, "flux": flux, "template_flux": flux})
    return sources, injected[:2], truth


def test_defect_04_an_injection_id_of_0_is_found_and_counts() -> None:
    sources, injected, _ = tables()
    matched = label_dia_sources(sources, injected)
    assert matched.table["injection_id"].tolist() == [0, 1, NO_ID]
    assert matched.table["label"].tolist() == [1, 1, -1]
    fates = injected_fates(injected, sources, matched)
    assert fates["fate"].tolist() == ["found", "found"] and fates["diaSourceId"].tolist() == [0, 12]


def test_defect_04_a_truth_id_of_0_explains() -> None:
    sources, injected, truth = tables()
    table = label_dia_sources(sources, injected[:0], truth).table
    assert table["truth_id"].tolist() == [0, 1, 2] and table["injection_id"].tolist() == [NO_ID] * 3


@pytest.mark.parametrize("kind", [str, float, np.uint64])
def test_defect_04_ids_of_every_type_match_the_same(kind: type) -> None:
    sources, injected, _ = tables()
    plain = label_dia_sources(sources, injected).table
    sources["diaSourceId"], injected["injection_id"] = (
        sources["diaSourceId"].astype(kind),
        injected["injection_id"].astype(kind),
    )
    other = label_dia_sources(sources, injected).table
    for name in plain.colnames:
        np.testing.assert_array_equal(other[name], plain[name])
    injected["injection_id"] = [-1, 5]
    with pytest.raises(InvalidCatalogError, match=r"injection_id is below 0: -1 \(row 0\)"):
        label_dia_sources(sources, injected)


def test_defect_03_units_of_all_tables_are_applied() -> None:
    plain = tables()
    others = [table.copy() for table in plain]
    for table in others:
        for name, factor, unit in (
            ("ra", np.pi / 180, "rad"), ("dec", 60.0, "arcmin"), ("flux", 1e-9, "Jy"),
            ("template_flux", 1e-9, "Jy"), ("psfFlux", 1e-3, "uJy"), ("psfFluxErr", 1e-3, "uJy"),
        ):  # fmt: skip
            if name in table.colnames:
                table[name] *= factor
                table[name].unit = unit
    for n in (2, 3):
        ours, theirs = (label_dia_sources(*some[:n]).table for some in (plain, others))
        for name in ("label", "label_reason", "injection_id", "truth_id"):
            np.testing.assert_array_equal(theirs[name], ours[name])


def test_defect_12_a_catalogue_with_magnitudes_only_is_matched() -> None:
    sources, injected, _ = tables()
    with_mag = injected["injection_id", "ra", "dec", "injection_flag"]
    with_mag["mag"] = 31.4 - 2.5 * np.log10(3000.0)
    assert read_injected(with_mag)["flux"] == pytest.approx(3000.0)
    assert label_dia_sources(sources[:1], with_mag[:1]).table["injection_id"].tolist() == [0]
    with pytest.raises(InvalidCatalogError, match="column flux is missing, and there is no mag either"):
        read_injected(with_mag["injection_id", "ra", "dec", "injection_flag"])


def test_defect_12_every_reason_is_told_at_once() -> None:
    sources, _, _ = tables()
    sources["isNegative"] = ["t", "f", "maybe"]
    sources["diaSourceId"] = [1.5, 2.0, 3.0]
    sources.remove_columns(["ra", "y"])
    with pytest.raises(InvalidCatalogError) as error:
        read_matched_sources(sources)
    assert [reason.split()[0] for reason in error.value.reasons] == ["column", "diaSourceId", "isNegative"]


@pytest.mark.parametrize(("visit", "found"), [("", 24), ("_43", 14)])
def test_defect_12_catalogues_of_the_real_stack_match_in_every_generation(
    stack_data: Path, visit: str, found: int
) -> None:
    """What the stack's injection and detection wrote, as afw, as the Butler gives it, and tidied."""
    stack = stack_data
    injected = Table.read(stack / "injection" / f"injected_default_catalog{visit}.parquet")
    assert "flux" not in injected.colnames and "x" not in injected.colnames
    folder = stack / "diffim"
    image = read_image_file(folder / f"difference{visit}.fits")
    difference = MaskedImage(image.image, mask=image.mask, sky_projection=image.projection)
    afw = Table.read(folder / f"dia_source_unstandardized{visit}.fits", hdu=1)
    butler = Table.read(folder / f"dia_source_unstandardized{visit}.parquet")
    standard = pq.read_table(folder / f"dia_source_detector{visit}.parquet")
    results = [match(sources, injected, difference=difference) for sources in (afw, butler, standard)]
    for result in results:
        assert int(np.sum(result.fates["fate"] == "found")) == found
        assert len(result.fates) == len(injected)
        for name in ("label", "label_reason", "injection_id"):
            np.testing.assert_array_equal(result.sources[name], results[0].sources[name])
        # The size of a footprint, which tells merged sources, is in the tidied table only.
        lost = (result.fates["fate"] != "found", results[0].fates["fate"] != "found")
        np.testing.assert_array_equal(*lost)


def test_defect_12_hosts_of_an_afw_catalogue_are_those_of_our_table() -> None:
    n = 3
    ours = Table({"sourceId": np.arange(n), "ra": np.full(n, 150.0), "dec": np.full(n, 2.0)})
    ours["extendedness"], ours["apFlux"], ours["pixelFlags_bad"] = 1.0, [1e3, 2e3, 3e3], [False, True, False]
    ours["host_a"], ours["host_b"], ours["host_pa"] = 0.6, 0.4, 10.0
    afw = ours["host_a", "host_b", "host_pa"]
    afw["id"], afw["coord_ra"], afw["coord_dec"] = np.arange(n), np.radians(150.0), np.radians(2.0)
    afw["base_ClassificationExtendedness_value"], afw["slot_ApFlux_flux"] = 1.0, ours["apFlux"]
    afw["base_PixelFlags_flag_bad"] = ours["pixelFlags_bad"]
    options = HostOptions(shape="columns")
    mine, theirs = (select_hosts(table, None, options) for table in (ours, afw))
    assert mine.id.tolist() == theirs.id.tolist() == [0, 2]
    np.testing.assert_allclose(theirs.ra, mine.ra)
    np.testing.assert_allclose(theirs.mag, mine.mag)
    afw.rename_column("slot_ApFlux_flux", "slot_ApFlux_instFlux")  # counts of a science image are no nJy
    with pytest.raises(InvalidCatalogError, match="column apFlux is missing"):
        select_hosts(afw, None, options)
