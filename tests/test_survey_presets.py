"""Presets cover the regimes that models are meant for, and a number always means the same survey."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.survey import (
    PRESETS,
    REGIMES,
    SurveyConfig,
    find_preset,
    limiting_magnitude,
    make_schedule,
    simulate_visit,
    simulated_images,
    suited_pipeline,
    training_regime,
    training_role,
    training_survey,
)
from small_survey import EMPTY

COUNT = 30


@pytest.fixture(scope="module")
def family() -> list[SurveyConfig]:
    return [training_survey(number) for number in range(COUNT)]


def widths(config: SurveyConfig) -> np.ndarray:
    """Return the range of FWHM of search visits in pixels."""
    return np.array(config.seeing) / config.pixel_scale


def test_a_number_is_always_the_same_survey_and_no_other(family: list[SurveyConfig]) -> None:
    assert training_survey(17) == find_preset("training-17") == family[17]
    for names in (("seed",), ("ra", "dec"), ("pixel_scale", "seeing", "star_density", "cosmic_rays")):
        assert len({tuple(getattr(config, name) for name in names) for config in family}) == COUNT


def test_thirty_surveys_cover_pixel_scales_and_psfs(family: list[SurveyConfig]) -> None:
    scale = np.array([config.pixel_scale for config in family])
    width = np.array([widths(config) for config in family])
    assert scale.min() < 0.2
    assert scale.max() > 1.0
    assert width.min() >= 1.59
    assert width.max() <= 10.6
    assert width.min() < 1.9
    assert width.max() > 8.0
    assert np.mean(scale < 0.28) == pytest.approx(0.4, abs=0.05)
    assert np.mean(scale >= 0.9) == pytest.approx(0.25, abs=0.05)
    # Neither between the regimes nor within one are there gaps.
    assert np.diff(np.sort(np.log(scale))).max() < 0.35
    assert np.diff(np.sort(width.mean(axis=1))).max() < 2.0
    for name, regime in REGIMES.items():
        members = [n for n in range(COUNT) if training_regime(n) == name]
        assert all(regime.pixel_scale[0] <= scale[n] <= regime.pixel_scale[1] for n in members)
        middle = np.mean([width[n].mean() for n in members])
        assert regime.fwhm[0] < middle < regime.fwhm[1]


def test_templates_are_of_one_visit_or_many_and_sharper_equal_or_worse(family: list[SurveyConfig]) -> None:
    assert {config.n_template_visits for config in family} == {1, 2, 3, 4, 5, 6}
    ratio = np.array([np.mean(config.template_seeing) / np.mean(config.seeing) for config in family])
    assert np.mean(ratio < 0.9) > 0.15
    assert np.mean(np.abs(ratio - 1) < 0.1) > 0.15
    assert np.mean(ratio > 1.1) > 0.1


def test_skies_differ_tenfold_and_more(family: list[SurveyConfig]) -> None:
    electrons = [
        10 ** (0.4 * (config.zero_point - np.mean(config.sky_brightness))) * config.pixel_scale**2
        for config in family
    ]
    assert max(electrons) / min(electrons) > 30


def test_images_hold_equally_many_objects_at_any_scale(family: list[SurveyConfig]) -> None:
    for config in family:
        megapixel = (1024 * config.pixel_scale / 3600) ** 2
        assert 30 <= config.transient_density * megapixel <= 60
        depth = limiting_magnitude(config)
        assert config.transient_magnitudes[0] < depth - 3
        assert abs(config.transient_magnitudes[1] - depth) < 0.5


def test_fields_are_empty_and_crowded_and_clouds_hide_bright_stars(family: list[SurveyConfig]) -> None:
    stars = [config.star_density * (1024 * config.pixel_scale / 3600) ** 2 for config in family]
    assert min(stars) < 300 < 1500 < max(stars)
    for config, count in zip(family, stars, strict=True):
        assert config.variable_fraction * count <= 0.75 * 800 + 1e-6
        assert max(config.template_extinction) <= 0.3
        clear = limiting_magnitude(config.replace(extinction=config.template_extinction))
        assert clear - config.star_magnitudes[0] == pytest.approx(9.0, abs=0.01)
    assert {max(config.extinction) for config in family} == {0.3, 2.0, 4.0}


def test_roles_are_disjoint_and_every_one_meets_every_regime() -> None:
    roles = {role: set() for role in ("learn", "choose", "judge")}
    for number in range(140):
        roles[training_role(number)].add(training_regime(number))
    assert all(regimes == set(REGIMES) for regimes in roles.values())
    shares = [sum(training_role(n) == role for n in range(COUNT)) for role in roles]
    assert shares[0] > 2 * (shares[1] + shares[2]) > 0
    assert min(shares) >= 4


@pytest.mark.parametrize("name", ["lsstcam", "decam", "hsc", "ztf"])
def test_cameras_see_as_deep_as_they_do(name: str) -> None:
    # Published 5 sigma depths of one exposure in r; half a magnitude of tolerance, as exposures differ.
    depth = {"lsstcam": 24.4, "decam": 23.5, "hsc": 25.0, "ztf": 20.7}[name]
    assert limiting_magnitude(PRESETS[name]) == pytest.approx(depth, abs=0.5)
    assert 1.6 <= widths(PRESETS[name]).min() < widths(PRESETS[name]).max() < 8.0


def test_the_limiting_magnitude_is_where_the_noise_is_a_fifth() -> None:
    config = PRESETS["small"].replace(
        **EMPTY, background_residual=0, extinction=(0, 0), sky_brightness=21.0, seeing=0.9, moffat_beta=20.0,
        psf_size_variation=0, psf_ellipticity=0, psf_shear_variation=0,
    )  # fmt: skip
    image = simulate_visit(config, make_schedule(config)[-1], 0).image
    kernel = image.psf.compute_kernel_image(x=256.0, y=256.0).array
    error = np.sqrt(np.median(image.variance.array) / (kernel**2).sum())
    assert 31.4 - 2.5 * np.log10(5 * error) == pytest.approx(limiting_magnitude(config), abs=0.05)


def test_fakes_and_radii_follow_the_camera() -> None:
    deep, coarse = (suited_pipeline(PRESETS[name]) for name in ("lsstcam", "ztf"))
    name = "createFakeSupernovae:options.hostless.mag_max"
    assert float(deep[name]) - float(coarse[name]) > 3
    assert float(coarse["matchDiaSources:radius"]) > 2 * float(deep["matchDiaSources:radius"])


def test_crowded_fields_get_no_more_fakes_than_others() -> None:
    sparse = PRESETS["ztf"]
    crowded = sparse.replace(star_density=30 * sparse.star_density)
    shares = [float(suited_pipeline(config)["parameters:templateFakes"]) for config in (sparse, crowded)]
    assert shares[0] == 0.06
    assert shares[1] * crowded.star_density <= 25 / (1024 * 1.01 / 3600) ** 2 * 1.01


def test_a_demo_of_a_camera_gets_fakes_that_suit_it(tmp_path) -> None:
    for name in ("ztf", "training-1"):
        images = simulated_images(tmp_path, name, lambda *_: None)
        assert images.config == suited_pipeline(find_preset(name))
    assert len(simulated_images(tmp_path, "demo", lambda *_: None).config) == 1


@pytest.mark.parametrize("name", ["demos", "training-", "training--1", "training-x", "training-1000000"])
def test_an_unknown_preset_is_refused_with_what_there_is(name: str, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match=r"lsstcam.*training-N|numbered from 0"):
        find_preset(name)
    result = CliRunner().invoke(main, ["survey", "simulate", str(tmp_path / "repo"), "--preset", name])
    assert result.exit_code != 0
    assert "training" in result.output
    assert not list(tmp_path.iterdir())
