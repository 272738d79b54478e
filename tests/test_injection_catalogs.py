"""Catalogues of fakes: ids cannot collide, populations follow their laws, bytes repeat."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box, DetectorFrame, SkyProjection
from scipy import stats

from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.injection import (
    INJECTION_CATALOG,
    CatalogOptions,
    FaintGridOptions,
    Footprint,
    HostedOptions,
    HostlessOptions,
    HostOptions,
    Hosts,
    ImageId,
    RandomOptions,
    SupernovaOptions,
    TemplateSourceOptions,
    VariableOptions,
    make_catalog,
    merge_hosts,
    select_hosts,
)
from lsst.meas.realbogus.injection._ids import supernova_ids, supernova_keys, truth_keys
from lsst.meas.realbogus.injection._offsets import draw_offsets, sersic_radius
from lsst.meas.realbogus.injection._populations import hosted
from lsst.meas.realbogus.injection._sky import offset_position
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tables import separation, sky_cell

pytestmark = pytest.mark.slow

SIZE = 2000
BBOX = Box.factory[100 : 100 + SIZE, 300 : 300 + SIZE]


def make_footprint(visit: int = 7, detector: int = 2, dec: float = -30.0, mjd: float = 60000.0) -> Footprint:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, dec]
    wcs.wcs.crpix = [BBOX.x.center + 1, BBOX.y.center + 1]
    angle = np.deg2rad(20.0)
    wcs.wcs.cd = 0.2 / 3600 * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    frame = DetectorFrame(instrument="ToyCam", visit=visit, detector=detector, bbox=BBOX)
    projection = SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=BBOX)
    return Footprint(visit, detector, "r", mjd, BBOX, projection)


FOOTPRINT = make_footprint()


def make_sources(n: int, footprint: Footprint = FOOTPRINT, seed: int = 1) -> Table:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(310, 2290, n), rng.uniform(110, 2090, n)
    sky = footprint.projection.pixel_to_sky(x=x, y=y)
    table = Table({"sourceId": np.arange(1, n + 1), "ra": sky.ra.deg, "dec": sky.dec.deg, "x": x, "y": y})
    table["apFlux"] = 10.0 ** rng.uniform(3.0, 5.0, n)
    table["ixx"], table["iyy"], table["ixy"] = np.full(n, 29.0), np.full(n, 13.0), np.full(n, 3.0)
    table["ixxPSF"], table["iyyPSF"], table["ixyPSF"] = np.full(n, 4.0), np.full(n, 4.0), np.zeros(n)
    table["extendedness"] = rng.integers(0, 2, n).astype(float)
    return table


SOURCES = make_sources(3000)
EVERYTHING = CatalogOptions(
    hosted=HostedOptions(fraction=0.2),
    random=RandomOptions(density=20000.0),
    template=TemplateSourceOptions(density=10000.0),
    variable=VariableOptions(fraction=0.1),
    faint_grid=FaintGridOptions(number=200),
    supernova=SupernovaOptions(fraction=0.3, redshift_max=0.15),
)


@pytest.fixture(scope="module")
def everything() -> Table:
    return make_catalog(SOURCES, FOOTPRINT, EVERYTHING, seed=11)


def _digest(table: Table) -> str:
    parts = [np.ascontiguousarray(table[name]).tobytes() for name in table.colnames]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_ids_of_a_million_rows_are_unique() -> None:
    ids = [ImageId.from_visit_detector(visit, d).rows(1000) for visit in range(100, 110) for d in range(100)]
    ids = np.concatenate(ids)
    assert len(ids) == 1_000_000 == len(np.unique(ids))
    assert ids.min() > 0
    keys = np.concatenate([supernova_keys(np.arange(250_000), w) for w in (600, 601)])
    keys = np.concatenate([keys, truth_keys(np.arange(500_000))])
    names = supernova_ids(3, keys)
    assert len(np.unique(names)) == 1_000_000 and names.min() >= 0
    np.testing.assert_array_equal(names, supernova_ids(3, keys))


@given(st.integers(0, 2**42 - 1), st.integers(0, 255), st.integers(1, 100))
def test_ids_say_which_row_of_which_image(visit: int, detector: int, n: int) -> None:
    image = ImageId.from_visit_detector(visit, detector)
    ids = image.rows(n)
    np.testing.assert_array_equal(ids >> (63 - image.bits), image.value)
    np.testing.assert_array_equal(ids & ((1 << (63 - image.bits)) - 1), np.arange(1, n + 1))


def test_too_many_rows_for_the_ids_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="leave room for 1"):
        ImageId(5, 62).rows(2)
    with pytest.raises(InvalidInputError, match="does not fit in 3 bits"):
        ImageId(8, 3)


@given(st.floats(0.0, 359.999), st.floats(-89.9, 89.9), st.sampled_from([0.5, 5.0, 60.0]))
def test_a_position_is_in_one_cell_of_its_size(ra: float, dec: float, size: float) -> None:
    cell = sky_cell(ra, dec, size)[0]
    assert 0 <= cell < 2**43
    moved = offset_position(np.array([ra]), np.array([dec]), np.array([0.0]), np.array([2.01 * size]))
    assert sky_cell(*moved, size)[0] != cell


def test_all_columns_and_populations_are_there(everything: Table) -> None:
    assert everything.colnames == list(INJECTION_CATALOG)
    kinds = {"hosted", "hostless", "random", "template", "variable", "faint_grid", "supernova"}
    assert set(np.asarray(everything["population"])) == kinds
    assert len(np.unique(everything["injection_id"])) == len(everything)
    inside = FOOTPRINT.contains(np.asarray(everything["ra"]), np.asarray(everything["dec"]), 60)
    assert inside.all()


def test_same_bytes_again_and_in_another_process(everything: Table) -> None:
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('m', sys.argv[1]); "
        "m = importlib.util.module_from_spec(spec); sys.modules['m'] = m; spec.loader.exec_module(m); "
        "print(m._digest(m.make_catalog(m.SOURCES, m.FOOTPRINT, m.EVERYTHING, seed=11)))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, __file__], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert other == _digest(everything) == _digest(make_catalog(SOURCES, FOOTPRINT, EVERYTHING, seed=11))


def test_order_of_sources_does_not_matter(everything: Table) -> None:
    shuffled = make_catalog(
        SOURCES[np.random.default_rng(0).permutation(len(SOURCES))], FOOTPRINT, EVERYTHING, seed=11
    )
    for name in ("hosted", "supernova", "variable"):
        first, second = (
            np.sort(np.asarray(t["mag"])[np.asarray(t["population"]) == name]) for t in (everything, shuffled)
        )
        np.testing.assert_array_equal(first, second)


def test_another_seed_or_visit_gives_other_fakes(everything: Table) -> None:
    for other in (
        make_catalog(SOURCES, FOOTPRINT, EVERYTHING, seed=12),
        make_catalog(SOURCES, dataclasses.replace(FOOTPRINT, visit=8), EVERYTHING, seed=11),
    ):
        first, second = (
            set(np.asarray(t["host_id"])[np.asarray(t["population"]) == "hosted"])
            for t in (everything, other)
        )
        assert len(first & second) < 0.4 * len(first)


def test_hosted_fakes_are_the_configured_share(everything: Table) -> None:
    n_hosts = len(select_hosts(SOURCES, FOOTPRINT.projection))
    rows = everything[np.asarray(everything["population"]) == "hosted"]
    assert abs(len(rows) - 0.2 * n_hosts) < 4 * np.sqrt(0.16 * n_hosts)
    hostless = np.count_nonzero(np.asarray(everything["population"]) == "hostless")
    assert abs(hostless - len(rows) * 0.05 / 0.95) <= 1
    delta = np.asarray(rows["delta_mag"])
    assert stats.kstest(delta, stats.uniform(-1.0, 4.0).cdf).pvalue > 0.01
    np.testing.assert_allclose(rows["mag"] - rows["host_mag"], delta)
    distance = separation(rows["ra"], rows["dec"], rows["host_ra"], rows["host_dec"])
    np.testing.assert_allclose(distance, rows["host_offset"], rtol=1e-6)


def test_shapes_of_hosts_are_those_on_the_sky() -> None:
    """Moments less the PSF's, in a rotated image: semi-axes in arcsec, angle from north through east."""
    hosts = select_hosts(SOURCES, FOOTPRINT.projection, HostOptions(radius_max=20.0))
    values, vectors = np.linalg.eigh(np.array([[25.0, 3.0], [3.0, 9.0]]))
    np.testing.assert_allclose(hosts.a, 0.2 * np.sqrt(values[1]), rtol=1e-4)
    np.testing.assert_allclose(hosts.b, 0.2 * np.sqrt(values[0]), rtol=1e-4)
    end = np.array([BBOX.x.center, BBOX.y.center]) + 10 * vectors[:, 1]
    sky = FOOTPRINT.projection.pixel_to_sky(
        x=np.array([BBOX.x.center, end[0]]), y=np.array([BBOX.y.center, end[1]])
    )
    angle = sky[0].position_angle(sky[1]).deg % 180.0
    np.testing.assert_allclose(hosts.pa, angle, atol=0.05)


def _many_hosts(n: int, seed: int = 3) -> Hosts:
    rng = np.random.default_rng(seed)
    a = rng.uniform(0.5, 2.0, n)
    return Hosts(
        id=np.arange(1, n + 1),
        ra=150.0 + rng.uniform(-0.05, 0.05, n),
        dec=-30.0 + rng.uniform(-0.05, 0.05, n),
        mag=rng.uniform(18, 24, n),
        a=a,
        b=0.6 * a,
        pa=rng.uniform(0, 180, n),
        redshift=np.full(n, np.nan),
    )


@pytest.mark.parametrize("law", ["radial", "gaussian", "sersic"])
def test_offsets_follow_their_law(law: str) -> None:
    """Undo the host's ellipse: the radius has the configured distribution and the angle is uniform."""
    hosts = _many_hosts(4000)
    options = HostedOptions(fraction=1.0, offset_law=law, sersic_index=2.0)
    rows = hosted(hosts, FOOTPRINT, options, seed=5)
    east = (np.asarray(rows["ra"]) - rows["host_ra"]) * 3600 * np.cos(np.deg2rad(rows["host_dec"]))
    north = (np.asarray(rows["dec"]) - rows["host_dec"]) * 3600
    pa = np.deg2rad(np.asarray(rows["host_pa"]))
    major = (east * np.sin(pa) + north * np.cos(pa)) / rows["host_a"]
    minor = (east * np.cos(pa) - north * np.sin(pa)) / rows["host_b"]
    radius, angle = np.hypot(major, minor), np.arctan2(minor, major)
    share = np.linspace(0, 0.99, 4000)
    law_of_radius = {
        "radial": stats.halfnorm.cdf,
        "gaussian": stats.rayleigh.cdf,
        "sersic": lambda r: np.interp(r, sersic_radius(share, 2.0), share / 0.99),
    }[law]
    assert stats.kstest(radius, law_of_radius).pvalue > 0.01
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 0.01


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
def test_sersic_light_has_unit_moments(index: float) -> None:
    """Offsets are in units of the rms semi-axis, so that moments of hosts set their scale."""
    share = (np.arange(400_000) + 0.5) / 400_000
    assert np.mean(sersic_radius(share, index) ** 2) / 2.0 == pytest.approx(1.0, rel=0.02)
    if index == 0.5:  # a Gaussian
        np.testing.assert_allclose(sersic_radius(share, 0.5), stats.rayleigh.ppf(share), rtol=1e-6)


def test_unknown_offset_laws_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="unknown offset law 'flat'"):
        draw_offsets("flat", np.full((1, 2), 0.5), np.ones(1))


def test_random_fakes_are_even_and_at_their_density(everything: Table) -> None:
    rows = everything[np.asarray(everything["population"]) == "random"]
    assert abs(len(rows) - 20000.0 * FOOTPRINT.area) <= 1
    assert FOOTPRINT.area == pytest.approx((SIZE * 0.2 / 3600) ** 2, rel=1e-3)
    x, y = FOOTPRINT.pixels(rows)
    counts, _, _ = np.histogram2d(x, y, bins=4)
    # Far more even than Poisson numbers.
    assert counts.var() < 0.3 * counts.mean()
    assert stats.kstest(rows["mag"], stats.uniform(20, 5).cdf).pvalue > 0.01


def test_variables_come_in_pairs(everything: Table) -> None:
    rows = everything[np.asarray(everything["population"]) == "variable"]
    rows.add_index("injection_id")
    assert len(rows) > 20
    for row in rows:
        twin = rows.loc[row["twin_id"]]
        assert twin["twin_id"] == row["injection_id"] and twin["host_id"] == row["host_id"]
        assert row["is_visit_source"] != twin["is_visit_source"]
        visit, template = (row, twin) if row["is_visit_source"] else (twin, row)
        assert visit["mag"] - template["mag"] == pytest.approx(row["mag_offset"], abs=1e-9)
        assert not template["is_visit_source"] and template["is_template_source"]
    assert np.std(rows["mag_offset"]) == pytest.approx(0.5, rel=0.3)


def test_template_fakes_are_for_templates_only(everything: Table) -> None:
    rows = everything[np.asarray(everything["population"]) == "template"]
    assert len(rows) > 100 and rows["is_template_source"].all() and not rows["is_visit_source"].any()


def test_the_grid_is_even_in_magnitude_and_surface_brightness() -> None:
    hosts = _many_hosts(500)
    options = FaintGridOptions(number=2000, surface_brightness_min=24.0, surface_brightness_max=27.0)
    from lsst.meas.realbogus.injection._faint_grid import faint_grid
    from lsst.meas.realbogus.injection._host_light import central_surface_brightness

    rows = faint_grid(hosts, FOOTPRINT, options, seed=2)
    assert len(rows) == 2000
    assert stats.kstest(rows["mag"], stats.uniform(21, 5).cdf).pvalue > 0.01
    assert stats.kstest(rows["host_sb"], stats.uniform(24, 3).cdf).pvalue > 0.01
    # The Gaussian of the host's moments has that surface brightness at the fake.
    pa = np.deg2rad(np.asarray(rows["host_pa"]))
    east = (np.asarray(rows["ra"]) - rows["host_ra"]) * 3600 * np.cos(np.deg2rad(rows["host_dec"]))
    north = (np.asarray(rows["dec"]) - rows["host_dec"]) * 3600
    q = ((east * np.sin(pa) + north * np.cos(pa)) / rows["host_a"]) ** 2
    q += ((east * np.cos(pa) - north * np.sin(pa)) / rows["host_b"]) ** 2
    centre = rows["host_mag"] + 2.5 * np.log10(2 * np.pi * rows["host_a"] * rows["host_b"])
    np.testing.assert_allclose(centre + 1.0857362 * q / 2, rows["host_sb"], atol=2e-3)
    assert (central_surface_brightness(hosts.mag, hosts.a, hosts.b) < 24.0).sum() > 10


def test_missing_columns_are_named() -> None:
    with pytest.raises(
        InvalidCatalogError, match="source_detector: column sourceId is missing; column ixx is missing"
    ):
        make_catalog(
            SOURCES["ra", "dec", "x", "y", "iyy", "ixy", "apFlux", "extendedness"],
            FOOTPRINT,
            seed=1,
            name="source_detector",
        )


def test_sky_sources_and_deblended_blends_are_neither_hosts_nor_stars() -> None:
    """Rubin's catalogues hold places in empty sky, whose noise is flux, and blends beside their parts."""
    rng = generator(5, "test-fakes")
    of_sky, of_blends = rng.random(len(SOURCES)) < 0.2, rng.random(len(SOURCES)) < 0.2
    flagged = SOURCES.copy()
    flagged["sky_source"], flagged["detect_isPrimary"] = of_sky, ~(of_sky | of_blends)
    kept = flagged[np.asarray(flagged["detect_isPrimary"])]
    hosts = select_hosts(flagged, FOOTPRINT.projection)
    np.testing.assert_array_equal(hosts.id, select_hosts(kept, FOOTPRINT.projection).id)
    assert 0 < len(hosts) < len(select_hosts(SOURCES, FOOTPRINT.projection))
    made = make_catalog(flagged, FOOTPRINT, EVERYTHING, seed=1)
    is_variable = np.asarray(made["population"]) == "variable"
    used = set(np.asarray(made["host_id"])[is_variable].tolist())
    assert used and used <= set(np.asarray(kept["sourceId"]).tolist())


def test_an_image_without_galaxies_has_few_fakes() -> None:
    stars = SOURCES[np.asarray(SOURCES["extendedness"]) < 0.5]
    assert len(make_catalog(stars, FOOTPRINT, seed=1)) <= 1
    options = CatalogOptions(hostless=HostlessOptions(fraction=0.5), random=RandomOptions(density=5000.0))
    assert len(make_catalog(stars, FOOTPRINT, options, seed=1)) > 50


def test_merged_hosts_do_not_depend_on_the_order_of_images() -> None:
    rng = np.random.default_rng(8)
    true = _many_hosts(300)
    seen = []
    for _ in range(4):
        ra, dec = offset_position(true.ra, true.dec, rng.normal(0, 0.05, 300), rng.normal(0, 0.05, 300))
        keep = rng.random(300) < 0.8
        seen.append(
            dataclasses.replace(true, ra=ra, dec=dec, pa=(true.pa + rng.normal(0, 5, 300)) % 180)[keep]
        )
    merged, again = merge_hosts(seen), merge_hosts(seen[::-1])
    assert _digest(merged) == _digest(again)
    assert merged["n_images"].sum() == sum(len(h) for h in seen)
    distance = separation(*(np.asarray(merged[k])[:, None] for k in ("ra", "dec")), true.ra, true.dec)
    assert np.median(distance.min(axis=1)) < 0.05
    hosts = select_hosts(merged, None, HostOptions(shape="columns"))
    row = {i: n for n, i in enumerate(true.id)}
    match = np.array([row[i] for i in hosts.id])
    # But for two that lie within the radius of each other.
    assert np.mean(np.abs(hosts.mag - true.mag[match]) < 1e-6) > 0.98
    assert len(merge_hosts([])) == 0


@pytest.mark.slow
def test_catalogues_are_made_fast() -> None:
    """Far from the benchmark's figure, so that a busy machine does not fail it."""
    sources = make_sources(50_000)
    start = time.process_time()
    make_catalog(sources, FOOTPRINT, seed=1)
    assert 50_000 / (time.process_time() - start) > 3e4


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**31))
def test_any_seed_works(seed: int) -> None:
    assert len(make_catalog(SOURCES[:50], FOOTPRINT, EVERYTHING, seed=seed))
