"""Networks that are told the PSF and the missing pixels are told them right, however stamps come in."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from lsst.meas.realbogus.errors import InvalidInputError, ModelContractError
from lsst.meas.realbogus.model import (
    Architecture,
    Classifier,
    Contract,
    MissingRule,
    NormalizationChoice,
    Output,
    PsfInput,
    check_golden,
    golden_stamps,
    initial_weights,
    load,
    make_model,
    prepare,
    read_model,
    sensitivity,
    write_model,
)
from lsst.meas.realbogus.model._architecture import AverageMaxCentre2D, Conv2D, Dense
from lsst.meas.realbogus.model._normalization import valid_median
from lsst.meas.realbogus.randomness import generator

Stamps = dict[str, npt.NDArray[np.float32]]
SIZE = 31


def contract(**changes: object) -> Contract:
    fields: dict[str, object] = {
        "name": "toy",
        "version": "2",
        "inputs": ("difference", "science", "template"),
        "layout": "channels",
        "stamp_size": SIZE,
        "pixel_scale": 0.2,
        "normalization": NormalizationChoice(name="asinh-1", parameters={"softening": 3}),
        "missing": MissingRule(rule="ignore", maximum_fraction=0.7, show=True),
        "negative": "flip",
        "psf": PsfInput(form="profile"),
        "output": Output(size=1, real=0),
    }
    return Contract.model_validate(fields | changes)


def with_network(contract: Contract) -> Contract:
    layers = (
        Conv2D(name="conv", filters=4, kernel_size=(3, 3), activation="relu"),
        AverageMaxCentre2D(name="head"),
        Dense(name="last", units=1, activation="sigmoid"),
    )
    network = Architecture(name="toy", input_shape=contract.input_shape, layers=layers)
    return contract.model_copy(update={"architecture": network})


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    whole = with_network(contract())
    assert whole.architecture is not None
    return make_model(whole, initial_weights(whole.architecture, 3)).classifier()


@pytest.fixture
def stamps() -> Stamps:
    drawn, _ = golden_stamps(63, 21, seed=8)
    return {name: array[1:].copy() for name, array in drawn.items()}


def cropped(stamps: Stamps, size: int) -> Stamps:
    first = 63 // 2 - size // 2
    return {name: array[:, first : first + size, first : first + size] for name, array in stamps.items()}


def test_the_profile_is_that_of_the_psf(stamps: Stamps) -> None:
    fwhm = np.array([*[3.0] * 10, *[6.0] * 9, np.nan], np.float32)
    psf = prepare(contract(), stamps, psf_fwhm=fwhm).inputs[..., 3]
    middle = SIZE // 2
    np.testing.assert_allclose(psf[:19, middle, middle], 1)
    np.testing.assert_allclose(psf[10, middle + 3, middle], 0.5, rtol=1e-5)
    np.testing.assert_allclose(psf[10, middle, middle - 3], 0.5, rtol=1e-5)
    np.testing.assert_allclose(psf[0, middle + 3, middle + 4], 2 ** (-((5 / 1.5) ** 2)), rtol=1e-4)
    assert not psf[19].any()


def test_the_width_is_that_of_the_psf(stamps: Stamps) -> None:
    fwhm = np.array([6.0, 1.5, np.nan, np.inf, 0.0, -2.0, *[3.0] * 14])
    psf = prepare(contract(psf=PsfInput(form="width")), stamps, psf_fwhm=fwhm).inputs[..., 3]
    assert np.ptp(psf, axis=(1, 2)).max() == 0
    np.testing.assert_allclose(psf[:, 0, 0], [1, -1, *[0] * 18], atol=1e-6)


def test_missing_pixels_are_shown_in_the_last_channel(stamps: Stamps) -> None:
    stamps["science"][0, 40, 30] = np.nan
    stamps["template"][0, 20, 20] = np.inf
    missing = {"template": np.zeros((20, 63, 63), bool)}
    missing["template"][1, 31, 31] = True
    buffer = np.full((20, SIZE, SIZE, 5), 9, np.float32)
    shown = prepare(contract(), stamps, missing, out=buffer).inputs[..., 4]
    expected = np.zeros((20, SIZE, SIZE))
    expected[0, 24, 14] = expected[0, 4, 4] = expected[1, 15, 15] = 1
    np.testing.assert_array_equal(shown, expected)


def test_what_is_shown_of_a_negative_source(stamps: Stamps) -> None:
    """The PSF is the science image's still; a pixel is missing wherever it is missing in one image."""
    stamps["template"][:, 31, 31] = np.nan
    fwhm = np.linspace(2, 6, 20, dtype=np.float32)
    plain = prepare(contract(), stamps, psf_fwhm=fwhm).inputs
    negative = prepare(contract(), stamps, is_negative=np.ones(20, bool), psf_fwhm=fwhm).inputs
    np.testing.assert_array_equal(negative[..., 3:], plain[..., 3:])
    np.testing.assert_array_equal(negative[..., 1], plain[..., 2])


def test_ignored_pixels_change_nothing_but_themselves(stamps: Stamps) -> None:
    """Normalisation by the valid pixels: as if the stamp were nothing but them."""
    whole = prepare(contract(), stamps).inputs
    where = generator(1, "test-ignored").uniform(0, 1, (20, 63, 63)) < 0.4
    holed = prepare(contract(), stamps, dict.fromkeys(stamps, where)).inputs
    bad = holed[..., 4] == 1
    assert 0.35 < bad.mean() < 0.45
    assert not holed[..., :3][bad].any()
    for position, name in enumerate(("difference", "science", "template")):
        pixels = stamps[name][:, 16:47, 16:47].astype(np.float64)
        for row in range(20):
            valid = pixels[row][~bad[row]]
            centre = np.median(valid)
            scale = 3 * 1.4826 * np.median(np.abs(valid - centre))
            expected = np.arcsinh((valid - centre) / scale)
            np.testing.assert_allclose(holed[row, ..., position][~bad[row]], expected, atol=1e-5)
    assert np.abs(whole[..., :3] - holed[..., :3])[~bad].mean() < 0.1


@pytest.mark.parametrize("n_pixels", [1, 2, 9, 10])
def test_the_median_of_valid_pixels(n_pixels: int) -> None:
    rng = generator(2, "test-median", n_pixels)
    flat = rng.normal(0, 1, (50, n_pixels)).astype(np.float32)
    missing = rng.uniform(0, 1, flat.shape) < 0.5
    expected = [np.median(row[~bad]) if not bad.all() else 0 for row, bad in zip(flat, missing, strict=True)]
    np.testing.assert_allclose(valid_median(flat, missing), expected, rtol=1e-6)
    np.testing.assert_allclose(valid_median(flat, np.zeros_like(missing)), np.median(flat, axis=1), rtol=1e-6)


@pytest.mark.parametrize("size", [21, 25, 30, 31, 51, 63])
def test_stamps_of_every_size_are_scored(classifier: Classifier, stamps: Stamps, size: int) -> None:
    scores = classifier.score(cropped(stamps, size), psf_fwhm=3.5)
    assert np.isfinite(scores.score).all()
    np.testing.assert_allclose(scores.fraction_missing, max(0, 1 - (size / SIZE) ** 2), atol=1e-5)
    if size >= SIZE:
        np.testing.assert_allclose(scores.score, classifier.score(stamps, psf_fwhm=3.5).score, atol=1e-6)


def test_a_stamp_of_missing_pixels_has_no_score(classifier: Classifier, stamps: Stamps) -> None:
    stamps["template"][3] = np.nan
    scores = classifier.score(stamps)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores.score)), [3])
    assert scores.flag_no_template[3] and scores.flag_unscorable[3]


def test_the_psf_is_told_row_by_row(classifier: Classifier, stamps: Stamps) -> None:
    fwhm = np.linspace(2, 6, 20)
    fwhm[5] = np.nan
    scores = classifier.score(stamps, psf_fwhm=fwhm).score
    for row in (0, 5, 19):
        one = {name: array[row : row + 1] for name, array in stamps.items()}
        np.testing.assert_allclose(classifier.score(one, psf_fwhm=fwhm[row]).score, scores[row], atol=1e-6)
    np.testing.assert_allclose(classifier.score(stamps).score[5], scores[5], atol=1e-6)
    other = dataclasses.replace(classifier.score(stamps, psf_fwhm=2 * fwhm))
    assert np.abs(other.score - scores)[[0, 10, 19]].min() > 1e-4
    small = Classifier(classifier.contract, classifier.engine, batch_size=3)
    np.testing.assert_allclose(small.score(stamps, psf_fwhm=fwhm).score, scores, atol=1e-6)


class ReadsThePsf:
    """A network that answers with the profile of the PSF three pixels from its centre."""

    def predict(self, stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return stamps[:, SIZE // 2, SIZE // 2 + 3, 3:4]


@pytest.mark.parametrize(("pixel_scale", "fwhm"), [(0.1, 12.0), (0.2, 6.0), (0.4, 3.0)])
def test_resampled_stamps_have_a_resampled_psf(stamps: Stamps, pixel_scale: float, fwhm: float) -> None:
    """The model's pixels are of 0.2 arcsec, and the same PSF has 6 of them in each case."""
    scores = Classifier(contract(), ReadsThePsf()).score(stamps, pixel_scale=pixel_scale, psf_fwhm=fwhm)
    np.testing.assert_allclose(scores.score, 0.5, rtol=1e-5)


def test_models_that_are_not_told_do_not_look(stamps: Stamps) -> None:
    whole = with_network(contract(psf=None))
    assert whole.architecture is not None
    deaf = make_model(whole, initial_weights(whole.architecture, 3))
    assert deaf.golden.psf_fwhm is None
    scores = [deaf.classifier().score(stamps, psf_fwhm=fwhm).score for fwhm in (None, 3.0)]
    np.testing.assert_array_equal(*scores)


def test_golden_scores_watch_the_psf(classifier: Classifier) -> None:
    whole = with_network(contract())
    assert whole.architecture is not None
    model = make_model(whole, initial_weights(whole.architecture, 3))
    again = read_model(write_model(model))
    assert again.golden.psf_fwhm is not None
    np.testing.assert_array_equal(again.golden.psf_fwhm, model.golden.psf_fwhm)
    check_golden(classifier, again.golden)
    assert sensitivity(classifier, again.golden)["PSF wider by a quarter"] > 1e-3
    with pytest.raises(ModelContractError, match="golden scores"):
        check_golden(classifier, dataclasses.replace(again.golden, psf_fwhm=None))


def test_the_front_door_takes_the_psf(classifier: Classifier, stamps: Stamps) -> None:
    whole = with_network(contract())
    assert whole.architecture is not None
    scorer = load(write_model(make_model(whole, initial_weights(whole.architecture, 3))))
    expected = classifier.score(stamps, psf_fwhm=4.0).score
    np.testing.assert_allclose(scorer.score(stamps, psf_fwhm=4.0, as_array=True), expected, atol=1e-6)
    np.testing.assert_allclose(scorer.score(stamps, psf_fwhm=[4.0] * 20, as_array=True), expected, atol=1e-6)
    with pytest.raises(InvalidInputError, match=r"psf_fwhm must be one number or have shape \(20,\)"):
        scorer.score(stamps, psf_fwhm=[4.0] * 3)
