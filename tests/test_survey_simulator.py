"""What is drawn is what the tables and the image's components say."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.measurement import measure_sources
from lsst.meas.realbogus.survey import (
    PRESETS,
    SurveyConfig,
    Visit,
    load_config,
    make_schedule,
    simulate_visit,
)
from lsst.meas.realbogus.survey._drawing import Canvas
from lsst.meas.realbogus.survey._psf import PsfField, make_psf
from lsst.meas.realbogus.survey._simulate_visit import camera_of
from lsst.meas.realbogus.survey._sky import SkyKind, cells_of, make_sky, power_law
from lsst.meas.realbogus.truth import distance_to_segments
from small_survey import CLEAN, EMPTY


@pytest.fixture(scope="module")
def config() -> SurveyConfig:
    return PRESETS["small"].replace(**CLEAN)


@pytest.fixture(scope="module")
def blank(config: SurveyConfig) -> SurveyConfig:
    return config.replace(**EMPTY, background_residual=0)


def search_visit(config: SurveyConfig) -> Visit:
    return next(visit for visit in make_schedule(config) if not visit.is_template)


def test_a_drawn_star_is_the_stated_psf(config: SurveyConfig) -> None:
    camera, visit = camera_of(config), search_visit(config)
    field, axis, bbox = PsfField.draw(config, visit, camera), camera.axes[0], camera.boxes[0]
    psf = make_psf(field, axis, bbox)
    for x, y in ((30.2, 40.7), (250.51, 255.49), (480.0, 33.3)):
        canvas = Canvas(bbox.shape, field, axis, faintest=1.0)
        canvas.stars(np.array([x]), np.array([y]), np.array([1000.0]))
        star = psf.compute_stellar_image(x=x, y=y)
        window = star.bbox.slice_within(bbox)
        np.testing.assert_allclose(canvas.array[window.y, window.x], 1000 * star.array, rtol=2e-5, atol=1e-9)


def test_the_wcs_has_distortion_and_inverts(config: SurveyConfig) -> None:
    image = simulate_visit(config.replace(**EMPTY), search_visit(config), 0).image
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 511, 5), np.linspace(0, 511, 5)))
    sky = image.sky_projection.pixel_to_sky(x=x, y=y)
    back = image.sky_projection.sky_to_pixel(sky)
    np.testing.assert_allclose(back.x, x, atol=1e-4)
    np.testing.assert_allclose(back.y, y, atol=1e-4)
    scale = sky[:-1].separation(sky[1:]).arcsec[:4] / np.diff(x[:5])
    assert np.ptp(scale) > 1e-4
    np.testing.assert_allclose(scale, config.pixel_scale, rtol=0.05)


def test_sources_lie_where_the_truth_says_and_are_as_bright(config: SurveyConfig) -> None:
    simulated = simulate_visit(config.replace(galaxy_density=0, astrometric_error=0), search_visit(config), 0)
    sources, truth = measure_sources(simulated.image), simulated.truth
    bright = truth[(truth["kind"] == "star") & (truth["flux"] > 3000)]
    here = SkyCoord(bright["ra"], bright["dec"])
    there = SkyCoord(sources["ra"], sources["dec"])
    index, separation, _ = here.match_to_catalog_sky(there)
    index = index[separation.arcsec < 0.5]
    bright = bright[separation.arcsec < 0.5]
    good = ~np.asarray(sources["pixelFlags_saturated"])[index]
    assert good.sum() >= 5
    found = sources[index][good]
    distance = np.hypot(bright["x"][good] - found["x"], bright["y"][good] - found["y"])
    expected = np.sqrt(found["ixxPSF"] + found["iyyPSF"]) * found["psfFluxErr"] / found["psfFlux"]
    assert np.median(distance / expected) < 2
    ratio = np.asarray(sources["psfFlux"][index] / bright["flux"])[good]
    assert np.median(np.abs(ratio - 1)) < 0.02
    assert np.median(sources["extendedness"][index][good]) < 0.1


def test_galaxies_are_extended_and_their_total_flux_is_found(config: SurveyConfig) -> None:
    simulated = simulate_visit(config.replace(star_density=0, transient_density=0), search_visit(config), 0)
    sources, truth = measure_sources(simulated.image), simulated.truth
    bright = truth[(truth["kind"] == "galaxy") & (truth["flux"] > 5000)]
    index, separation, _ = SkyCoord(bright["ra"], bright["dec"]).match_to_catalog_sky(
        SkyCoord(sources["ra"], sources["dec"])
    )
    near = separation.arcsec < 0.3
    assert near.sum() >= 3
    assert np.median(sources["extendedness"][index][near]) > 0.9
    assert np.median(sources["apFlux"][index][near] / bright["flux"][near]) == pytest.approx(1.0, abs=0.08)
    assert np.all(sources["psfFlux"][index][near] < bright["flux"][near])


def test_the_same_seed_gives_the_same_bytes_in_any_order() -> None:
    config = PRESETS["small"].replace(detector_size=(192, 192), cosmic_rays=200, psf_changes=1)
    first, second = make_schedule(config)[:2]
    alone = simulate_visit(config, second, 0)
    simulate_visit(config, first, 0)
    again = simulate_visit(config, second, 0)
    assert alone.image.image.array.tobytes() == again.image.image.array.tobytes()
    assert alone.image.mask.array.tobytes() == again.image.mask.array.tobytes()
    assert all((alone.truth[name] == again.truth[name]).all() for name in alone.truth.colnames)
    other = simulate_visit(config.replace(seed=2), make_schedule(config.replace(seed=2))[1], 0)
    assert other.image.image.array.tobytes() != alone.image.image.array.tobytes()


def test_variance_is_the_scatter_of_blank_sky(blank: SurveyConfig) -> None:
    image = simulate_visit(blank, search_visit(blank), 0).image
    pull = image.image.array / np.sqrt(image.variance.array)
    assert pull.std() == pytest.approx(1.0, abs=0.01)
    assert abs(pull.mean()) < 0.01


def test_noise_follows_the_gain_of_each_amplifier(blank: SurveyConfig) -> None:
    visit = search_visit(blank)
    image = simulate_visit(blank.replace(photometric_slope=0, gain=(1.0, 3.0)), visit, 0).image
    per_adu = image.photometric_scaling.render(image.bbox).array
    sky = 10 ** (-0.4 * (visit.sky_brightness - 31.4)) * blank.pixel_scale**2 / per_adu
    gains = []
    for amplifier in image.detector.amplifiers:
        gain = amplifier.nominal_calibrations.gain
        window = amplifier.bbox.slice_within(image.bbox)
        variance = (image.variance.array / per_adu**2)[window.y, window.x]
        expected = (sky / gain)[window.y, window.x] + (blank.read_noise / gain) ** 2
        np.testing.assert_allclose(variance, expected, rtol=1e-4)
        gains.append(gain)
    assert len(set(gains)) == 2


def test_objects_keep_their_place_and_name_between_visits(config: SurveyConfig) -> None:
    config = config.replace(proper_motion=0, high_proper_motion_fraction=0)
    first, *_, last = (simulate_visit(config, visit, 0).truth for visit in make_schedule(config)[:3])
    shared, here, there = np.intersect1d(first["truth_id"], last["truth_id"], return_indices=True)
    assert len(shared) > 50
    separation = SkyCoord(first["ra"], first["dec"])[here].separation(
        SkyCoord(last["ra"], last["dec"])[there]
    )
    assert separation.arcsec.max() < 1e-3
    assert len(np.unique(first["truth_id"])) == len(first)
    assert (first["host_id"][here] == last["host_id"][there]).all()


def test_transients_are_absent_from_templates(config: SurveyConfig) -> None:
    dense = config.replace(transient_density=100_000, detector_size=(256, 256))
    template, search = (
        simulate_visit(dense, visit, 0).truth for visit in make_schedule(dense) if visit.id in (1, 1000)
    )
    for table, wanted in ((template, 0.0), (search, 1.0)):
        transients = table[table["kind"] == "transient"]
        assert len(transients) > 5
        assert np.all(transients["template_flux"] == 0)
        assert np.mean(transients["flux"] > 0) >= wanted * 0.8
        assert wanted or np.all(transients["flux"] == 0)


@pytest.mark.parametrize(
    ("name", "rate", "kind", "margin"),
    [
        ("cosmic_rays", 60.0, "cosmic_ray", 2.5),
        ("bad_columns", 4.0, "bad_column", 1.0),
        ("satellites", 3.0, "satellite", 6.0),
        ("ghosts", 6.0, "ghost", 8.0),
        ("edge_glows", 1.0, "edge", 60.0),
        ("no_data_borders", 1.0, "edge", 1.0),
    ],
)
def test_artefacts_change_pixels_only_where_the_truth_says(
    blank: SurveyConfig, name: str, rate: float, kind: str, margin: float
) -> None:
    visit = search_visit(blank)
    before = simulate_visit(blank, visit, 0)
    after = simulate_visit(blank.replace(**{name: rate}), visit, 0)
    assert not len(before.truth)
    assert set(after.truth["kind"]) == {kind}
    changed = np.abs(after.image.image.array - before.image.image.array) > 0.02 * np.sqrt(
        before.image.variance.array
    )
    changed |= ~np.isfinite(after.image.image.array)
    y, x = np.nonzero(changed)
    assert len(x)
    rows = [np.asarray(after.truth[column], float) for column in ("x", "y", "length", "width", "angle")]
    assert distance_to_segments(x, y, *rows).min(axis=1).max() <= margin


def test_bright_stars_saturate_and_bleed_along_columns(config: SurveyConfig) -> None:
    stars = config.replace(
        **EMPTY | {"star_density": 40_000}, star_magnitudes=(12.5, 14.0), detector_size=(256, 256)
    )
    simulated = simulate_visit(stars, search_visit(stars), 0)
    saturated = simulated.image.mask.get("SATURATED")
    rows = simulated.truth[simulated.truth["kind"] == "saturation"]
    assert len(rows)
    assert saturated.any()
    for row in rows:
        assert saturated[round(row["y"]), round(row["x"])]
    per_adu = simulated.image.photometric_scaling.render(simulated.image.bbox).array
    gains = [amplifier.nominal_calibrations.gain for amplifier in simulated.image.detector.amplifiers]
    assert np.max(simulated.image.image.array / per_adu) * min(gains) <= stars.full_well
    assert (rows["length"] > 0).any()


def test_a_psf_change_makes_the_stated_psf_wrong(config: SurveyConfig) -> None:
    visit = search_visit(config)
    true = simulate_visit(config, visit, 0)
    wrong = simulate_visit(config.replace(psf_changes=1.0), visit, 0)
    np.testing.assert_array_equal(true.image.image.array, wrong.image.image.array)
    stated = [s.image.psf.compute_kernel_image(x=250, y=250).array for s in (true, wrong)]
    assert np.abs(stated[0] - stated[1]).max() > 0.005 * stated[0].max()
    assert "psf_change" in wrong.truth["kind"]


def test_found_cosmic_rays_are_flagged_and_interpolated(blank: SurveyConfig) -> None:
    rays = blank.replace(cosmic_rays=60.0, cosmic_ray_found_fraction=1.0)
    image = simulate_visit(rays, search_visit(rays), 0).image
    flagged = image.mask.get("COSMIC_RAY")
    assert flagged.any()
    assert (image.mask.get("INTERPOLATED") == flagged).all()
    assert np.abs(image.image.array / np.sqrt(image.variance.array)).max() < 8


def test_cells_cross_right_ascension_zero() -> None:
    cells = cells_of([359.99, 0.02], [10.0, 10.001])
    columns = {column for _, column in cells}
    assert 0 in columns
    assert max(columns) > 10_000
    assert len(cells) == len(set(cells)) <= 8


def test_identifiers_of_sky_objects_are_unique() -> None:
    config = PRESETS["demo"]
    sky = make_sky(config, cells_of([150.0, 150.1], [2.0, 2.1]), [search_visit(config)])
    assert len(np.unique(sky["truth_id"])) == len(sky) > 500
    assert set(sky["kind"]) <= set(SkyKind)
    hosted = sky[sky["host_id"] > 0]
    assert np.isin(hosted["host_id"], sky["truth_id"]).all()


def test_counts_follow_the_power_law() -> None:
    rng = np.random.Generator(np.random.Philox(key=1))
    magnitudes = power_law(rng, 20_000, 0.3, (18.0, 25.0))
    assert magnitudes.min() >= 18.0
    assert magnitudes.max() <= 25.0
    assert np.mean(magnitudes < 24.0) == pytest.approx(10**-0.3, abs=0.015)


@pytest.mark.parametrize(
    "overrides",
    [
        {"seing": 1.0},
        {"seeing": "wide"},
        {"seeing": (2.0, 1.0)},
        {"detector_size": (10, 10)},
        {"bands": ()},
        {"detector_grid": (20, 20)},
        {"n_template_visits": 1000},
        {"pixel_scale": 0},
    ],
)
def test_a_bad_number_is_refused_by_name(overrides: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(overrides))):
        PRESETS["small"].replace(**overrides)


def test_a_file_overrides_numbers(tmp_path) -> None:
    path = tmp_path / "survey.yaml"
    path.write_text("seeing: 0.8\nbands: [g, i]\ndetector_size: [300, 200]\n")
    config = load_config(path, PRESETS["small"])
    assert config.seeing == (0.8, 0.8)
    assert config.bands == ("g", "i")
    assert config.detector_size == (300, 200)
    path.write_text("- 1\n")
    with pytest.raises(InvalidInputError, match="must map"):
        load_config(path, PRESETS["small"])


def test_saturated_stars_are_flagged_one_by_one(config: SurveyConfig) -> None:
    stars = config.replace(
        **EMPTY | {"star_density": 40_000}, star_magnitudes=(12.5, 14.0), detector_size=(256, 256)
    )
    visit = search_visit(stars)
    every = simulate_visit(stars, visit, 0)
    none = simulate_visit(stars.replace(saturated_flagged_fraction=0.0), visit, 0)
    assert every.image.mask.get("SATURATED").any()
    assert not none.image.mask.get("SATURATED").any()
    np.testing.assert_array_equal(every.image.image.array, none.image.image.array)
    assert (every.truth["kind"] == "saturation").sum() == (none.truth["kind"] == "saturation").sum() > 0


def test_templates_have_clouds_of_their_own(config: SurveyConfig) -> None:
    cloudy = make_schedule(config.replace(extinction=(3.0, 3.0), template_extinction=(0.0, 0.0)))
    assert {round(config.zero_point - visit.zero_point, 6) for visit in cloudy if visit.is_template} == {0.0}
    lost = {round(config.zero_point - visit.zero_point, 6) for visit in cloudy if not visit.is_template}
    assert lost == {3.0}


def test_template_visits_that_add_up_exposures_are_deeper_and_saturate_no_earlier():
    config = PRESETS["small"].replace(detector_size=(128, 128), template_stack=16.0, extinction=(0.0, 0.0))
    plain = config.replace(template_stack=1.0)
    (deep, *_), (shallow, *_) = make_schedule(config), make_schedule(plain)
    assert deep.zero_point - shallow.zero_point == pytest.approx(2.5 * np.log10(16))
    assert deep.full_well == 16 * shallow.full_well
    noise = [
        np.sqrt(np.median(simulate_visit(survey, survey_visit, 0).image.variance.array))
        for survey, survey_visit in ((config, deep), (plain, shallow))
    ]
    assert noise[1] / noise[0] == pytest.approx(4.0, rel=0.05)
    assert make_schedule(config)[-1] == make_schedule(plain)[-1]
