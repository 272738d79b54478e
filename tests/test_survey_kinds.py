"""What is real on the simulated sky: its light curves, its places, and both signs of its change."""

from __future__ import annotations

import astropy.table
import numpy as np
import pytest

from lsst.meas.realbogus.diffim import subtract
from lsst.meas.realbogus.measurement import detect_and_measure
from lsst.meas.realbogus.survey import (
    PRESETS,
    SimulatedImage,
    SurveyConfig,
    make_schedule,
    simulate_visit,
    training_survey,
)
from lsst.meas.realbogus.survey._light_curves import Shape, relative_flux
from lsst.meas.realbogus.survey._sky import SkyKind, cells_of, make_sky
from lsst.meas.realbogus.truth import Reason, match
from small_survey import CLEAN, EMPTY

STILL = {"dither": 0, "rotation": 0, "astrometric_error": 0, "distortion": 0}


@pytest.fixture(scope="module")
def config() -> SurveyConfig:
    return PRESETS["small"].replace(**CLEAN, **STILL)


def curves(shape: Shape, count: int, amplitude: float, period: float) -> astropy.table.Table:
    return astropy.table.Table(
        {
            "truth_id": np.arange(count) + 7_000,
            "shape": np.full(count, float(shape)),
            "amplitude": np.full(count, amplitude),
            "period": np.full(count, period),
            "phase": np.zeros(count),
        }
    )


def magnitudes(objects: astropy.table.Table, mjd: float, seed: int = 1) -> np.ndarray:
    return -2.5 * np.log10(relative_flux(seed, objects, mjd))


def test_active_nuclei_are_damped_random_walks() -> None:
    amplitude, tau = 0.4, 150.0
    objects = curves(Shape.WALK, 4000, amplitude, tau)
    first = magnitudes(objects, 60350.0)
    assert first.std() == pytest.approx(amplitude / np.sqrt(2), rel=0.04)
    assert abs(first.mean()) < 0.02
    assert np.mean((first / first.std()) ** 4) == pytest.approx(3.0, abs=0.3)
    for step in (3.0, 40.0, 150.0, 900.0):
        structure = np.sqrt(np.mean((magnitudes(objects, 60350.0 + step) - first) ** 2))
        expected = amplitude * np.sqrt(1 - np.exp(-step / tau))
        assert structure == pytest.approx(expected, rel=0.06)
    assert np.abs(magnitudes(objects, 60350.0, seed=2) - first).max() > 0.5


@pytest.mark.parametrize("shape", [Shape.SINE, Shape.PULSATION, Shape.ECLIPSES])
def test_periodic_variables_have_their_amplitude_and_period(shape: Shape) -> None:
    objects = curves(shape, 1, 0.8, 3.0)
    times = 60000 + np.arange(0, 3, 0.01)
    light = np.array([magnitudes(objects, time)[0] for time in times])
    again = np.array([magnitudes(objects, time + 21.0)[0] for time in times])
    assert np.ptp(light) == pytest.approx(0.8, abs=0.02)
    np.testing.assert_allclose(light, again, atol=1e-6)
    if shape == Shape.PULSATION:
        assert np.mean(np.diff(light) < 0) < 0.2, "it brightens quickly"
    if shape == Shape.ECLIPSES:
        assert np.mean(light < light.min() + 0.01) > 0.6, "it is bright most of the time"


def test_constant_objects_do_not_vary() -> None:
    for shape in Shape:
        assert magnitudes(curves(shape, 3, 0.0, 10.0), 61000.0) == pytest.approx(0.0)


def test_amplitudes_can_be_spread_evenly_in_their_logarithm(config: SurveyConfig) -> None:
    dense = config.replace(
        **EMPTY | {"star_density": 400_000}, variable_fraction=1, variable_amplitude=(0.02, 2.0),
        variable_amplitude_law="log_uniform", variable_shapes=(1, 2, 1), high_proper_motion_fraction=0,
    )  # fmt: skip
    sky = make_sky(dense, cells_of([150.0, 150.05], [2.0, 2.05]))
    assert set(sky["kind"]) == {SkyKind.VARIABLE}
    spread = np.log(np.asarray(sky["amplitude"]) / 0.02) / np.log(100)
    assert np.histogram(spread, 4, (0, 1))[0] / len(sky) == pytest.approx(0.25, abs=0.04)
    assert np.mean(sky["shape"] == Shape.PULSATION) == pytest.approx(0.5, abs=0.05)


def test_an_active_nucleus_is_one_light_curve_in_all_visits_and_bands(config: SurveyConfig) -> None:
    active = config.replace(
        **EMPTY | {"galaxy_density": 150_000}, agn_fraction=1.0, variable_fraction=0, bands=("r", "i"),
        detector_size=(256, 256),
    )  # fmt: skip
    tables = {}
    for visit in make_schedule(active):
        table = simulate_visit(active, visit, 0).truth
        agn = table[table["kind"] == "agn"]
        assert len(agn) == len(table) > 20
        tables[visit.id] = {int(row["truth_id"]): row for row in agn}, visit
    templates = [rows for rows, visit in tables.values() if visit.is_template and visit.band == "r"]
    search = next(rows for rows, visit in tables.values() if not visit.is_template and visit.band == "r")
    shared = set(search).intersection(*templates)
    assert len(shared) > 20
    change = []
    for name in shared:
        before = np.mean([rows[name]["flux"] for rows in templates])
        assert search[name]["template_flux"] == pytest.approx(before, rel=1e-9)
        change.append(search[name]["flux"] / before - 1)
    assert np.std(change) > 0.02
    assert min(change) < -0.02 < 0.02 < max(change)


def test_some_active_nuclei_outshine_their_galaxy(config: SurveyConfig) -> None:
    active = config.replace(agn_fraction=1.0, quasar_fraction=0.4, galaxy_density=300_000)
    sky = make_sky(active, cells_of([150.0, 150.05], [2.0, 2.05]))
    galaxies = sky[sky["radius"] > 0]
    assert set(galaxies["kind"]) == {SkyKind.AGN}
    share = np.asarray(galaxies["nucleus"])
    assert np.mean(share == 1) == pytest.approx(0.4, abs=0.06)
    assert share.min() < 0.03


def test_transients_are_in_nuclei_and_outskirts_and_some_have_faded(config: SurveyConfig) -> None:
    dense = config.replace(
        transient_density=300_000, transient_hosted_fraction=1.0, transient_nuclear_fraction=0.3,
        transient_outskirts_fraction=0.3, transient_faded_fraction=0.25,
    )  # fmt: skip
    sky = make_sky(dense, cells_of([150.0, 150.03], [2.0, 2.03]))
    transients = sky[sky["kind"] == SkyKind.TRANSIENT]
    row = {name: index for index, name in enumerate(sky["truth_id"])}
    host = sky[[row[name] for name in transients["host_id"]]]
    east = (transients["ra"] - host["ra"]) * np.cos(np.radians(host["dec"]))
    offset = 3600 * np.hypot(east, transients["dec"] - host["dec"]) / host["radius"]
    assert np.mean(offset < 1e-3) == pytest.approx(0.3, abs=0.05)
    assert offset.max() > 2.7
    faded = np.abs(transients["time"] - dense.template_mjd) < 40
    assert np.mean(faded) == pytest.approx(0.25, abs=0.05)


def test_the_new_kinds_move_nothing_that_was_there(config: SurveyConfig) -> None:
    cells = cells_of([150.0, 150.03], [2.0, 2.03])
    visit = make_schedule(config)[-1]
    plain = make_sky(config, cells, [visit])
    rich = make_sky(
        config.replace(
            agn_fraction=0.5,
            variable_shapes=(1, 1, 1),
            transient_faded_fraction=0.5,
            fast_asteroid_fraction=0.5,
        ),
        cells,
        [visit],
    )
    for name in ("truth_id", "ra", "dec", "mag", "radius", "host_id", "angle"):
        np.testing.assert_array_equal(plain[name], rich[name])


def test_training_surveys_have_every_kind() -> None:
    for number in (0, 1):
        config = training_survey(number)
        reach = 0.4 * config.detector_size[0] * config.pixel_scale / 3600
        visits = make_schedule(config)
        sky = make_sky(
            config, cells_of(config.ra + np.array([-reach, reach]), config.dec + np.array([-reach, reach])),
            visits,
        )  # fmt: skip
        kinds = set(sky["kind"])
        assert kinds == set(SkyKind)
        assert set(sky["shape"]) == set(Shape)
        faded = sky[(sky["kind"] == SkyKind.TRANSIENT) & (sky["time"] < config.search_mjd - 100)]
        assert len(faded) >= 2


def simulate(config: SurveyConfig) -> tuple[SimulatedImage, SimulatedImage]:
    visits = make_schedule(config)
    return simulate_visit(config, visits[0], 0), simulate_visit(config, visits[-1], 0)


@pytest.fixture(scope="module")
def one_visit(config: SurveyConfig) -> SurveyConfig:
    return config.replace(
        n_template_visits=1, n_search_visits=1, asteroid_density=16_000, transient_density=16_000,
        transient_faded_fraction=0.5, transient_magnitudes=(20.0, 22.5), agn_fraction=0.3,
        variable_fraction=0.1, extinction=0.0, proper_motion=0.0, high_proper_motion_fraction=0,
    )  # fmt: skip


def test_a_template_of_one_visit_shows_its_asteroids_and_the_truth_knows(one_visit: SurveyConfig) -> None:
    template, search = simulate(one_visit)
    there = template.truth[template.truth["kind"] == "asteroid"]
    here = search.truth[search.truth["kind"] == "asteroid"]
    before = here[here["template_flux"] > 0]
    assert len(before) >= 3
    assert np.all(before["flux"] == 0)
    assert np.all(there["template_flux"] == 0)
    shared, first, second = np.intersect1d(before["truth_id"], there["truth_id"], return_indices=True)
    assert len(shared) >= 3
    np.testing.assert_allclose(before["x"][first], there["x"][second], atol=1e-3)
    np.testing.assert_allclose(before["template_flux"][first], there["flux"][second], rtol=1e-9)
    assert (here["flux"] > 0).sum() >= 3
    several = one_visit.replace(n_template_visits=3)
    clipped = simulate_visit(several, make_schedule(several)[-1], 0).truth
    assert np.all(clipped["template_flux"][clipped["kind"] == "asteroid"] == 0)


def test_negatives_of_a_template_of_one_visit_are_found_and_real(one_visit: SurveyConfig) -> None:
    template, search = simulate(one_visit)
    result = subtract(search.image, template.image)
    assert result.summary["fluxScale"] == pytest.approx(1.0, abs=0.03)
    sources = detect_and_measure(
        result.difference, search.image, result.template, difference_psf=result.psf,
        template_psf=result.template_psf,
    ).sources  # fmt: skip
    matched = match(sources, truth=search.truth).sources
    real = np.asarray(matched["label"]) == 1
    negative = np.asarray(matched["isNegative"])
    for kind in ("asteroid", "transient"):
        of_kind = real & (np.asarray(matched["label_reason"]) == kind)
        assert (of_kind & negative).sum() >= 3, kind
        assert (of_kind & ~negative).sum() >= 3, kind
    assert (matched["label_reason"] == Reason.UNEXPLAINED).sum() <= 3
