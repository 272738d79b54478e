"""Light curves: what the family promises, and that every visit sees the same supernova."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box, DetectorFrame, SkyProjection
from scipy import stats

from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError, MissingDependencyError
from lsst.meas.realbogus.injection import (
    KINDS,
    WAVELENGTHS,
    CatalogOptions,
    Footprint,
    HostedOptions,
    Hosts,
    ParametricModel,
    SncosmoModel,
    SupernovaOptions,
    dc2_supernovae,
    make_catalog,
)
from lsst.meas.realbogus.injection._lightcurves import distance_modulus, redshift_quantile
from lsst.meas.realbogus.injection._supernovae import supernovae
from lsst.meas.realbogus.truth import read_dc2_truth

BBOX = Box.factory[0:2000, 0:2000]
OPTIONS = SupernovaOptions(fraction=0.5, redshift_max=0.2, mag_max=30.0)
ONE = np.ones(1)


def make_footprint(
    visit: int, *, mjd: float, band: str = "r", ra: float = 150.0, dec: float = 2.0, detector: int = 0
) -> Footprint:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [ra, dec], [1000.0, 1000.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    frame = DetectorFrame(instrument="ToyCam", visit=visit, detector=detector, bbox=BBOX)
    projection = SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=BBOX)
    return Footprint(visit, detector, band, mjd, BBOX, projection)


def make_hosts(n: int = 1000) -> Hosts:
    rng = np.random.default_rng(4)
    return Hosts(
        id=np.arange(1, n + 1),
        ra=150.0 + rng.uniform(-0.05, 0.05, n),
        dec=2.0 + rng.uniform(-0.05, 0.05, n),
        mag=rng.uniform(18, 24, n),
        a=np.full(n, 1.0),
        b=np.full(n, 0.7),
        pa=np.full(n, 30.0),
        redshift=np.full(n, np.nan),
    )


HOSTS = make_hosts()


@pytest.mark.parametrize("kind", KINDS)
def test_reference_band_peaks_at_the_given_magnitude(kind: str) -> None:
    model = ParametricModel(kind)
    (reference,) = [b for b in KINDS[kind].bands if b.color == 0.0 and b.lag == 0.0]
    phase = np.arange(-30.0, 100.0, 0.1)
    mag = model.rest_magnitude(reference.wavelength, phase)
    assert phase[np.argmin(mag)] == pytest.approx(0.0, abs=0.2)
    assert mag.min() == pytest.approx(0.0, abs=1e-3)
    assert np.isinf(model.rest_magnitude(reference.wavelength, -reference.rise - 0.1))


@pytest.mark.parametrize(
    ("kind", "wavelength", "days", "decline", "tolerance"),
    [
        ("Ia", 440.0, 15.0, 1.1, 0.05),  # Phillips 1993
        ("Ia", 550.0, 15.0, 0.65, 0.12),
        ("II", 550.0, 50.0, 0.64, 0.15),  # 1.27 mag / 100 d: Anderson et al. 2014
        ("Ibc", 640.0, 15.0, 0.60, 0.10),  # Taddia et al. 2015
    ],
)
def test_declines_are_the_fields(
    kind: str, wavelength: float, days: float, decline: float, tolerance: float
) -> None:
    (shape,) = [b for b in KINDS[kind].bands if b.wavelength == wavelength]
    model = ParametricModel(kind)
    late, early = (float(model.rest_magnitude(wavelength, shape.lag + t)[0]) for t in (days, 0.0))
    assert late - early == pytest.approx(decline, abs=tolerance)


def test_type_ia_has_a_second_maximum_in_i_and_type_ii_a_plateau() -> None:
    phase = np.arange(5.0, 40.0, 0.5)
    mag = ParametricModel("Ia").rest_magnitude(770.0, phase)
    assert np.diff(mag).min() < 0.0 < np.diff(mag).max()
    plateau = ParametricModel("II").rest_magnitude(640.0, np.array([0.0, 60.0, 110.0]))
    assert plateau[1] - plateau[0] < 0.8 < 1.5 < plateau[2] - plateau[1]


@given(st.sampled_from(sorted(KINDS)), st.floats(-10.0, 120.0), st.floats(300.0, 880.0))
@settings(deadline=None)
def test_the_family_is_continuous(kind: str, phase: float, wavelength: float) -> None:
    model = ParametricModel(kind)
    here, later, redder = (
        model.rest_magnitude(w, p)[0]
        for w, p in ((wavelength, phase), (wavelength, phase + 0.01), (wavelength * 1.001, phase))
    )
    if np.isfinite([here, later, redder]).all() and here < 10.0:
        assert abs(later - here) < 0.1 and abs(redder - here) < 0.1


@given(st.floats(0.01, 0.8), st.floats(-5.0, 40.0))
@settings(deadline=None)
def test_time_is_dilated_and_light_is_dimmed(redshift: float, phase: float) -> None:
    z = redshift * ONE
    model = ParametricModel("Ia")
    mag = model.magnitude("i", 60000.0 + phase * (1 + redshift), z, 60000.0 * ONE, -19.35 * ONE, ONE)
    rest = model.rest_magnitude(WAVELENGTHS["i"] / (1 + redshift), phase)
    expected = -19.35 + rest + distance_modulus(z) - 2.5 * np.log10(1 + redshift)
    np.testing.assert_allclose(mag, expected, atol=1e-9)


def test_distances_are_those_of_astropy() -> None:
    from astropy.cosmology import FlatLambdaCDM

    z = np.array([0.01, 0.1, 0.5, 1.0])
    np.testing.assert_allclose(distance_modulus(z), FlatLambdaCDM(70, 0.3).distmod(z).value, atol=1e-3)


def test_redshifts_follow_the_volume() -> None:
    from astropy.cosmology import FlatLambdaCDM

    z = redshift_quantile((np.arange(2000) + 0.5) / 2000, 0.02, 0.3)
    assert z.min() > 0.02 and z.max() < 0.3
    grid = np.linspace(0.02, 0.3, 300)
    density = FlatLambdaCDM(70, 0.3).differential_comoving_volume(grid).value / (1 + grid)
    law = np.cumsum(density) / density.sum()
    assert stats.kstest(z, lambda v: np.interp(v, grid, law)).statistic < 0.01


def test_unknown_bands_and_kinds_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="no light curves in band 'H'"):
        ParametricModel("Ia").magnitude("H", 0.0, ONE, ONE, ONE, ONE)
    with pytest.raises(InvalidInputError, match="unknown kind of supernova 'IIn'"):
        ParametricModel("IIn")


def _seen(footprint: Footprint, hosts: Hosts = HOSTS) -> Table:
    return supernovae(hosts, footprint, OPTIONS, seed=21)


def test_visits_and_detectors_agree_to_machine_precision() -> None:
    """Another visit, band, detector and order of hosts, fainter ones missing: the same supernovae."""
    first = _seen(make_footprint(1, mjd=60000.0))
    some = HOSTS[np.random.default_rng(0).permutation(len(HOSTS))]
    some = some[some.mag < 23.0]
    second = _seen(make_footprint(2, mjd=60004.5, band="i", ra=150.01, detector=5), some)
    _, i, j = np.intersect1d(first["supernova_id"], second["supernova_id"], return_indices=True)
    assert len(i) > 200
    for name in ("ra", "dec", "redshift", "peak_mjd", "peak_abs_mag", "stretch", "sn_type", "host_id"):
        np.testing.assert_array_equal(first[name][i], second[name][j])
    for rows, at in ((first[i], (60000.0, "r")), (second[j], (60004.5, "i"))):
        for kind in KINDS:
            of = rows[np.asarray(rows["sn_type"]) == kind]
            parameters = [np.asarray(of[k]) for k in ("redshift", "peak_mjd", "peak_abs_mag", "stretch")]
            mag = ParametricModel(kind).magnitude(at[1], at[0], *parameters)
            np.testing.assert_array_equal(mag, np.asarray(of["mag"]))


def test_measured_positions_may_scatter() -> None:
    """Only hosts near a cell's edge change sides: some 4 % for 0.05 arcsec in cells of 5."""
    rng = np.random.default_rng(1)
    scatter = rng.normal(0.0, 0.05 / 3600, (2, len(HOSTS)))
    moved = dataclasses.replace(HOSTS, ra=HOSTS.ra + scatter[0], dec=HOSTS.dec + scatter[1])
    first, second = (_seen(make_footprint(1, mjd=60000.0), hosts) for hosts in (HOSTS, moved))
    common = np.intersect1d(first["supernova_id"], second["supernova_id"])
    assert len(common) > 0.92 * len(first)


def test_a_host_explodes_at_the_configured_rate() -> None:
    """Maxima within any window of time: the share of the hosts, uniform in time."""
    found: dict[int, float] = {}
    for step in range(0, 300, 10):
        for row in _seen(make_footprint(1, mjd=61000.0 + step)):
            found[int(row["supernova_id"])] = float(row["peak_mjd"])
    peaks = np.array([p for p in found.values() if 61050.0 <= p < 61250.0])
    cells = len(np.unique(np.stack([np.floor(HOSTS.ra * 720), np.floor(HOSTS.dec * 720)]), axis=1).T)
    assert len(peaks) == pytest.approx(0.5 * cells * 2, rel=0.1)
    assert stats.kstest(peaks, stats.uniform(61050.0, 200.0).cdf).pvalue > 0.01


def test_kinds_have_their_shares_and_scatter() -> None:
    rows = _seen(make_footprint(1, mjd=60000.0), make_hosts(20000))
    kinds = np.asarray(rows["sn_type"])
    assert set(kinds) == set(KINDS)
    ia = rows[kinds == "Ia"]
    corrected = ia["peak_abs_mag"] + 1.5 * (ia["stretch"] - 1.0)
    assert np.mean(corrected) == pytest.approx(-19.35, abs=0.05)
    assert np.std(corrected) == pytest.approx(0.15, rel=0.15)


def test_hosts_with_redshifts_pass_them_on() -> None:
    hosts = dataclasses.replace(HOSTS, redshift=np.full(len(HOSTS), 0.123))
    assert set(np.asarray(_seen(make_footprint(1, mjd=60000.0), hosts)["redshift"])) == {0.123}


def test_the_limits_of_magnitude_hold() -> None:
    options = dataclasses.replace(OPTIONS, mag_max=20.0)
    bright = supernovae(HOSTS, make_footprint(1, mjd=60000.0), options, seed=21)
    assert 0 < len(bright) < len(_seen(make_footprint(1, mjd=60000.0)))
    assert np.all(bright["mag"] <= 20.0)


def test_sncosmo_sources_are_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy source: its peak has the absolute magnitude asked for, at any redshift and stretch."""
    sncosmo = pytest.importorskip("sncosmo")
    from lsst.meas.realbogus.injection import _sncosmo_model as sncosmo_model

    phase, wavelength = np.linspace(-20, 50, 71), np.linspace(1500, 12000, 200)
    flux = np.exp(-0.5 * (phase[:, None] / 10) ** 2) * (4400 / wavelength) ** 2 * 1e-9
    source = sncosmo.TimeSeriesSource(phase, wavelength, flux, name="toy")
    monkeypatch.setattr(sncosmo_model, "_source", lambda name: source)
    monkeypatch.setattr(sncosmo_model, "_BANDS", {"b": "bessellb"})
    model = SncosmoModel("toy", "Ia")
    z, stretch = np.array([0.001, 0.001, 0.2]), np.array([1.0, 1.3, 1.0])
    mag = model.magnitude("b", 60000.0, z, 60000.0 * np.ones(3), -19.35 * np.ones(3), stretch)
    np.testing.assert_allclose(mag[:2], -19.35 + distance_modulus(z[:2]) - 2.5 * np.log10(1.001), atol=2e-3)
    # A source of constant f_nu: redshift dims as it does the parametric family.
    assert mag[2] == pytest.approx(-19.35 + distance_modulus(z[2:])[0] - 2.5 * np.log10(1.2), abs=0.01)
    later = model.magnitude("b", 60010.0, z[:2], 60000.0 * np.ones(2), -19.35 * np.ones(2), stretch[:2])
    assert later[1] < later[0]
    assert np.isnan(
        model.magnitude("b", 61000.0, z, 60000.0 * np.ones(3), -19.35 * np.ones(3), stretch)
    ).all()
    with pytest.raises(InvalidInputError, match="no sncosmo bandpass for band 'Q'"):
        model.magnitude("Q", 0.0, z, z, z, z)


def test_missing_sncosmo_data_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sncosmo = pytest.importorskip("sncosmo")

    def offline(name: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(sncosmo, "get_source", offline)
    with pytest.raises(MissingDependencyError, match="SNCOSMO_DATA_DIR"):
        SncosmoModel("salt3-that-is-not-cached", "Ia")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("sne_cosmoDC2_v1.1.4_MS_DDF_small.db", 1000),
        ("uDDFHostedSNPositions_trimmed.csv", None),
        ("uDDF_hostlessSN_trimmed.csv", None),
    ],
)
def test_dc2_supernovae_can_be_injected(shared_data: Path, name: str, number: int | None) -> None:
    truth = read_dc2_truth(shared_data / "truth_dc2" / name)
    assert number is None or len(truth) == number
    assert len(truth) > 100 and (np.diff(np.unique(truth["snid"], return_counts=True)[1]) == 0).all()
    # Look where and when one of the nearer ones is at maximum.
    row = truth[int(np.argmin(truth["redshift"]))]
    near = {"ra": float(row["ra"]), "dec": float(row["dec"])}
    at_peak = make_footprint(1, mjd=float(row["t0"]), band="r", **near)
    fakes = dc2_supernovae(truth, at_peak, seed=1, mag_max=27.0)
    one = fakes[np.argmin(np.abs(np.asarray(fakes["ra"]) - near["ra"]))]
    expected = 10.5 - 2.5 * np.log10(row["x0"])
    assert one["mag"] == pytest.approx(expected, abs=0.8)  # r at low redshift is near rest-frame B to R
    assert one["population"] == "dc2" and one["redshift"] == row["redshift"] and one["stretch"] == row["x1"]
    later = make_footprint(2, mjd=float(row["t0"]) + 20.0, band="r", **near)
    again = dc2_supernovae(truth, later, seed=1, mag_max=27.0)
    assert one["supernova_id"] in again["supernova_id"]
    assert again["mag"][again["supernova_id"] == one["supernova_id"]][0] > one["mag"]


def test_dc2_peak_magnitudes_are_the_tables_own(shared_data: Path) -> None:
    """The table's mB: the AB magnitude of the rest-frame B band at maximum."""
    import sqlite3

    path = shared_data / "truth_dc2" / "sne_cosmoDC2_v1.1.4_MS_DDF_small.db"
    with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True) as connection:
        rows = connection.execute("SELECT mB, x0_in FROM sne_params").fetchall()
    mb, x0 = np.array(rows).T
    np.testing.assert_allclose(10.5 - 2.5 * np.log10(x0), mb, atol=0.03)


def test_files_that_are_no_truth_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no truth table"):
        read_dc2_truth(tmp_path / "absent.db")
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"this is not a database" * 10)
    with pytest.raises(InvalidInputError, match="is not a truth table"):
        read_dc2_truth(junk)
    lacking = tmp_path / "lacking.csv"
    lacking.write_text("snid,z\n1,0.1\n")
    with pytest.raises(InvalidCatalogError, match="column snra is missing"):
        read_dc2_truth(lacking)


def test_truth_and_hosts_share_no_supernova_id(shared_data: Path) -> None:
    truth = read_dc2_truth(shared_data / "truth_dc2" / "uDDF_hostlessSN_trimmed.csv")
    row = truth[0]
    footprint = make_footprint(1, mjd=float(row["t0"]) + 1.0, ra=float(row["ra"]), dec=float(row["dec"]))
    hosts = Table({"sourceId": np.arange(300), "apFlux": np.full(300, 1e4), "extendedness": np.ones(300)})
    rng = np.random.default_rng(2)
    hosts["ra"], hosts["dec"] = (row[k] + rng.uniform(-0.03, 0.03, 300) for k in ("ra", "dec"))
    hosts["host_a"], hosts["host_b"], hosts["host_pa"] = np.ones(300), np.ones(300), np.zeros(300)
    hosts["x"], hosts["y"] = footprint.pixels(hosts)
    for name in ("ixx", "iyy", "ixy"):
        hosts[name] = np.full(300, 20.0 if name != "ixy" else 0.0)
    options = CatalogOptions(hosted=HostedOptions(fraction=0.0), supernova=OPTIONS)
    catalog = make_catalog(hosts, footprint, options, seed=3, host_table=hosts, truth=truth)
    assert set(np.asarray(catalog["population"])) == {"supernova", "dc2"}
    assert len(np.unique(catalog["supernova_id"])) == len(catalog)
