"""Each kind of artefact lies where the truth says, looks as it must beside the PSF, and is labelled bogus."""

from __future__ import annotations

import astropy.table
import numpy as np
import pytest
import scipy.ndimage

from lsst.meas.realbogus.survey import (
    PRESETS,
    TRAINING_ARTEFACTS,
    SimulatedImage,
    SurveyConfig,
    Visit,
    make_schedule,
    simulate_visit,
)
from lsst.meas.realbogus.survey._aberration import Aberration
from lsst.meas.realbogus.survey._charge_artefacts import defer_charge
from lsst.meas.realbogus.survey._drawing import Canvas
from lsst.meas.realbogus.survey._pixels import Pixels
from lsst.meas.realbogus.survey._psf import PsfField
from lsst.meas.realbogus.survey._refraction import chromatic_shift
from lsst.meas.realbogus.survey._simulate_visit import camera_of
from lsst.meas.realbogus.tables import empty_table
from lsst.meas.realbogus.truth import Label, distance_to_segments, label_dia_sources
from lsst.meas.realbogus.truth._inputs import INJECTED
from small_survey import EMPTY

SWITCHES = {name: 0.0 for name in TRAINING_ARTEFACTS} | dict.fromkeys(
    ("bad_columns", "satellites", "ghosts", "astrometric_jitter", "psf_changes", "edge_glows",
     "no_data_borders", "vignetted_corners", "cosmic_rays"), 0.0
)  # fmt: skip
ON_BLANK_SKY = {
    "soft_blobs": ("soft_blob", 6.0), "ghost_disks": ("ghost_disk", 5.0), "glint_trails": ("glint", 12.0),
    "persistence": ("persistence", 3.0), "streaks": ("streak", 1.0),
    "cosmic_ray_hits": ("cosmic_ray_hit", 1.0), "hot_pixels": ("hot_pixel", 1.0),
    "crosstalk": ("crosstalk", 3.0),
}  # fmt: skip
ON_STARS = {
    "cloud_patches": ("clouds", 0.1, {"extinction": (2.0, 2.0)}),
    "aberrated_visits": ("aberration", 1.0, {"aberration_size": (0.6, 0.8)}),
    "core_defects": ("core_defect", 1.0, {}),
    "charge_trails": ("charge_trail", 1.0, {"charge_trail_fraction": (0.2, 0.2)}),
    "refraction": ("refraction", 30.0, {"airmass": (1.8, 1.8)}),
    "brighter_fatter": ("brighter_fatter", 0.5, {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def blank() -> SurveyConfig:
    return PRESETS["small"].replace(**SWITCHES, **EMPTY, background_residual=0)


@pytest.fixture(scope="module")
def stars(blank: SurveyConfig) -> SurveyConfig:
    return blank.replace(star_density=40_000, star_magnitudes=(17.0, 19.0), proper_motion=0, bands=("g",),
                         variable_fraction=0, high_proper_motion_fraction=0)  # fmt: skip


def search_visit(config: SurveyConfig) -> Visit:
    return next(visit for visit in make_schedule(config) if not visit.is_template)


def simulated(config: SurveyConfig) -> SimulatedImage:
    return simulate_visit(config, search_visit(config), 0)


def peaks(before: SimulatedImage, after: SimulatedImage) -> astropy.table.Table:
    """Make DIA sources where two images differ most, as a detection on their difference would."""
    difference = after.image.image.array - before.image.image.array
    pull = np.abs(difference) / np.sqrt(before.image.variance.array)
    smooth = scipy.ndimage.gaussian_filter(np.nan_to_num(pull), 1.0)
    top = (smooth == scipy.ndimage.maximum_filter(smooth, 15)) & (smooth > 1.0)
    top |= scipy.ndimage.binary_dilation(~np.isfinite(difference)) & np.isfinite(difference)
    y, x = np.nonzero(top)
    sky = after.image.sky_projection.pixel_to_sky(x=x.astype(float), y=y.astype(float))
    flux = 10 * smooth[y, x] * np.sqrt(np.median(before.image.variance.array))
    return astropy.table.Table(
        {
            "diaSourceId": np.arange(len(x)), "ra": sky.ra.deg, "dec": sky.dec.deg, "x": x.astype(float),
            "y": y.astype(float), "psfFlux": flux, "psfFluxErr": np.full(len(x), np.median(flux) / 20),
            "isNegative": difference[y, x] < 0,
        }
    )  # fmt: skip


def test_every_kind_is_off_unless_asked_for() -> None:
    assert all(getattr(SurveyConfig(), name) == 0 for name in TRAINING_ARTEFACTS)
    assert all(value > 0 for value in TRAINING_ARTEFACTS.values())
    assert set(ON_BLANK_SKY) | set(ON_STARS) | {"missing_blocks"} == set(TRAINING_ARTEFACTS)


@pytest.mark.parametrize("name", ON_BLANK_SKY)
def test_artefacts_lie_where_the_truth_says_and_are_bogus(blank: SurveyConfig, name: str) -> None:
    kind, margin = ON_BLANK_SKY[name]
    kinds = {kind, "cold_pixel"} if kind == "hot_pixel" else {kind}
    before, after = simulated(blank), simulated(blank.replace(**{name: 60.0}))
    assert set(after.truth["kind"]) == kinds
    changed = np.abs(after.image.image.array - before.image.image.array)
    y, x = np.nonzero(changed > 0.3 * np.sqrt(before.image.variance.array))
    rows = [np.asarray(after.truth[column], float) for column in ("x", "y", "length", "width", "angle")]
    assert distance_to_segments(x, y, *rows).min(axis=1).max() <= margin
    sources = peaks(before, after)
    labels = label_dia_sources(sources, empty_table(INJECTED), after.truth).table
    assert len(labels) >= 5
    assert (labels["label"] == Label.BOGUS).all()
    assert set(labels["label_reason"]) == kinds


@pytest.mark.parametrize("name", ON_STARS)
def test_what_goes_wrong_at_stars_is_bogus(stars: SurveyConfig, name: str) -> None:
    kind, value, more = ON_STARS[name]
    before, after = simulated(stars.replace(**more)), simulated(stars.replace(**{name: value} | more))
    sources = peaks(before, after)
    bright = sources[np.asarray(sources["psfFlux"]) > np.percentile(sources["psfFlux"], 60)]
    labels = label_dia_sources(bright, empty_table(INJECTED), after.truth).table
    assert len(labels) >= 5
    assert (labels["label"] == Label.BOGUS).all()
    assert np.mean(labels["label_reason"] == kind) > 0.9


def test_missing_blocks_are_missing_flagged_and_bogus_around(stars: SurveyConfig) -> None:
    before, after = simulated(stars), simulated(stars.replace(missing_blocks=60.0))
    missing = ~np.isfinite(after.image.image.array)
    assert missing.any()
    assert (missing == after.image.mask.get("NO_DATA")).all()
    assert (after.image.mask.get("INTERPOLATED") & ~missing).any()
    labels = label_dia_sources(peaks(before, after), empty_table(INJECTED), after.truth).table
    assert (labels["label"] == Label.BOGUS).all()
    assert set(labels["label_reason"]) == {"missing_block", "ringing"}


@pytest.mark.parametrize("name", [*ON_BLANK_SKY, *ON_STARS])
def test_fakes_and_variables_on_artefacts_stay_real(stars: SurveyConfig, name: str) -> None:
    strong = {name: 60.0} if name in ON_BLANK_SKY else {name: ON_STARS[name][1]} | ON_STARS[name][2]
    config = stars.replace(variable_fraction=1.0, variable_amplitude=(0.8, 0.8), **strong)
    after = simulated(config)
    kinds = np.asarray(after.truth["kind"])
    change = np.asarray(after.truth["flux"] - after.truth["template_flux"])
    varied = after.truth[(kinds == "variable") & (np.abs(change) > 0.2 * after.truth["flux"])]
    assert len(varied) >= 3
    places = {"ra": varied["ra"], "dec": varied["dec"], "x": varied["x"], "y": varied["y"]}
    change = np.asarray(varied["flux"] - varied["template_flux"])
    sources = astropy.table.Table(
        {"diaSourceId": np.arange(len(varied)), **places, "psfFlux": change, "isNegative": change < 0,
         "psfFluxErr": np.abs(change) / 50}
    )  # fmt: skip
    labels = label_dia_sources(sources, empty_table(INJECTED), after.truth).table
    assert (labels["label"] == Label.REAL).all()
    # The same of what was injected, without variables in the truth.
    truth = after.truth[kinds != "variable"]
    drawn = {name: sources[name] for name in ("ra", "dec")} | {"flux": change}
    injected = astropy.table.Table(
        {"injection_id": np.arange(len(sources)) + 1, **drawn, "injection_flag": np.zeros(len(sources), int)}
    )
    labels = label_dia_sources(sources, injected, truth).table
    assert (labels["label"] == Label.REAL).all()


@pytest.mark.parametrize("fwhm", [1.7, 4.0, 7.0])
def test_sizes_follow_the_psf(blank: SurveyConfig, fwhm: float) -> None:
    scaled = blank.replace(seeing=(0.2 * fwhm, 0.2 * fwhm), soft_blobs=40.0, detector_size=(1024, 1024))
    truth = simulated(scaled).truth
    assert np.min(truth["width"]) / 2 >= 2 * fwhm
    assert np.max(truth["width"]) / 2 <= 5 * fwhm
    hits = simulated(scaled.replace(soft_blobs=0, cosmic_ray_hits=40.0)).truth
    assert np.max(hits["width"]) <= 3


def test_no_flash_is_alone(blank: SurveyConfig) -> None:
    for seed in range(3):
        config = blank.replace(glint_trails=20.0, seed=seed)
        before, after = simulated(config.replace(glint_trails=0)), simulated(config)
        light = after.image.image.array - before.image.image.array
        for row in after.truth:
            fwhm = row["width"] / 2
            assert row["length"] > 3.5 * fwhm
        assert light.sum() == pytest.approx(np.sum(after.truth["flux"]), rel=0.4)


def test_a_spot_has_its_centroid_in_the_middle_and_the_model_can_have_all_of_it(stars: SurveyConfig) -> None:
    config = stars.replace(aberrated_visits=1.0, aberration_in_model=(1.0, 1.0), psf_shear_variation=0,
                           psf_size_variation=0)  # fmt: skip
    visit, camera = search_visit(config), camera_of(config)
    aberration = Aberration.draw(config, visit, 0)
    assert aberration is not None
    kernel, half = aberration.kernel, len(aberration.kernel) // 2
    steps = np.arange(-half, half + 1)
    assert kernel.sum() == pytest.approx(1.0)
    assert abs((kernel * steps).sum()) < 1e-6 and abs((kernel * steps[:, None]).sum()) < 1e-6
    radius = np.sqrt((kernel * (steps**2 + steps[:, None] ** 2)).sum())
    assert radius == pytest.approx(aberration.rms, rel=0.2)
    field, bbox = PsfField.draw(config, visit, camera), camera.boxes[0]
    canvas = Canvas(bbox.shape, field, camera.axes[0], faintest=1e-7)
    canvas.stars(np.array([250.0]), np.array([255.0]), np.array([1.0]))
    star = aberration.blur(canvas.array)[255 - 15 : 255 + 16, 250 - 15 : 250 + 16]
    stated = aberration.model(field, camera.axes[0], bbox).compute_kernel_image(x=250, y=255).array
    middle = len(stated) // 2
    stated = stated[middle - 15 : middle + 16, middle - 15 : middle + 16]
    np.testing.assert_allclose(star / star.sum(), stated / stated.sum(), atol=2e-4)


def test_refraction_follows_airmass_and_band(stars: SurveyConfig) -> None:
    overhead, low = (stars.replace(refraction=1.0, airmass=(a, a)) for a in (1.0, 1.8))
    assert np.hypot(*chromatic_shift(overhead, search_visit(overhead))) == 0
    green = np.hypot(*chromatic_shift(low, search_visit(low)))
    red = low.replace(bands=("r",))
    assert green > 2 * np.hypot(*chromatic_shift(red, search_visit(red))) > 0


def test_bright_stars_grow_and_faint_ones_do_not(stars: SurveyConfig) -> None:
    visit, camera = search_visit(stars), camera_of(stars)
    field, axis = PsfField.draw(stars, visit, camera), camera.axes[0]

    def peak(flux: float) -> float:
        canvas = Canvas((101, 101), field, axis, 1e-9 * flux, (0.05, 100.0))
        canvas.stars(np.array([50.0]), np.array([50.0]), np.array([flux]))
        return float(canvas.array.max() / flux)

    assert peak(1e6) == pytest.approx(peak(1e4), rel=1e-6)
    assert peak(1e4) / peak(1e-3) == pytest.approx(1.05**-2, rel=0.02)


def test_deferred_charge_is_conserved_and_trails_on_one_side() -> None:
    flux = np.zeros((64, 64))
    flux[32, 32] = 1000.0
    pixels = Pixels(flux.copy(), np.ones((64, 64)), np.ones((64, 64)), 1.0, 1.0)
    dx, dy = defer_charge(pixels, np.random.Generator(np.random.Philox(key=4)), 0.1, 3.0)
    assert pixels.flux.sum() == pytest.approx(1000.0, rel=1e-3)
    assert pixels.flux[32, 32] == pytest.approx(900.0)
    tail = np.argwhere(pixels.flux - flux > 0) - 32
    assert (tail @ np.array([dy, dx]) > 0).all()
    assert (tail @ np.array([dx, dy]) == 0).all()
