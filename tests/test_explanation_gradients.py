"""Attributions against closed forms, the published definition, and the properties they must have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lsst.meas.realbogus.cutouts import StampBatch
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.explanation import Explainer, image_shares, prepare_batch, split_segments
from lsst.meas.realbogus.model import (
    Architecture,
    Contract,
    Model,
    Output,
    Weights,
    build_keras,
    golden_stamps,
    initial_weights,
    make_model,
    named_architecture,
    packaged_models,
    read_model,
    read_model_file,
)
from lsst.meas.realbogus.model._architecture import Conv2D, Dense, Flatten, GlobalAveragePooling2D
from lsst.meas.realbogus.randomness import generator

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]
pytest.importorskip("tensorflow")

SIDE = 7
ROLES = ("difference", "science", "template")


def make(architecture: Architecture, weights: Weights | None = None, **changes: Any) -> Model:
    """Make a model of layers, fed with three images."""
    stacked = architecture.input_shape[2] == 3
    contract = {
        "name": architecture.name,
        "version": "1",
        "inputs": ROLES,
        "layout": "channels" if stacked else "side_by_side",
        "stamp_size": architecture.input_shape[0],
        "normalization": {"name": "asinh-1"},
        "output": Output(size=architecture.output_shape[0], real=0),
        "architecture": architecture,
    }
    return make_model(
        Contract.model_validate(contract | changes), weights or initial_weights(architecture, 4)
    )


def linear(stacked: bool, *, real: int | None = 0) -> tuple[Model, npt.NDArray[np.float32]]:
    """Make a network that is one matrix, and return its weights in the shape of the input."""
    shape = (SIDE, SIDE, 3) if stacked else (SIDE, 3 * SIDE, 1)
    layers = (Flatten(name="flatten"), Dense(name="last", units=1, activation="sigmoid"))
    network = Architecture(name="linear", input_shape=shape, layers=layers)
    kernel = generator(1, "test-linear").normal(scale=0.05, size=(3 * SIDE**2, 1)).astype(np.float32)
    weights = {"last/kernel": kernel, "last/bias": np.ones(1, np.float32)}
    return make(network, weights, output=Output(size=1, real=real)), kernel.reshape(shape)


def draw(model: Model, n: int = 6) -> npt.NDArray[np.float32]:
    shape = (n, *model.contract.input_shape)
    return generator(2, "test-inputs").normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("stacked", [True, False])
def test_of_a_linear_network_saliency_and_integrated_gradients_are_its_weights(stacked: bool) -> None:
    model, weights = linear(stacked)
    explainer, x = Explainer(model), draw(model)
    np.testing.assert_allclose(
        explainer.saliency(x), np.broadcast_to(np.abs(weights), x.shape), rtol=1e-4, atol=1e-6
    )
    attribution, error = explainer.integrated_gradients(x, 0.5)
    np.testing.assert_allclose(attribution, weights * (x - 0.5), atol=1e-5)
    assert np.abs(error).max() < 1e-4
    answers = explainer.answer(x)
    np.testing.assert_allclose(answers.log_odds, (x * weights).sum(axis=(1, 2, 3)) + 1, atol=1e-5)
    np.testing.assert_allclose(answers.hidden, x.reshape(len(x), -1))
    parts = split_segments(model.contract, np.abs(weights)[np.newaxis])
    total = sum(part.sum() for part in parts.values())
    shares = image_shares(model.contract, answers.saliency_sums)
    for name, part in parts.items():
        np.testing.assert_allclose(shares[name], part.sum() / total, rtol=1e-4)
    np.testing.assert_allclose(sum(shares[name] for name in ROLES), 1.0, rtol=1e-5)
    assert np.isnan(shares["psf"]).all()


def test_where_the_output_is_of_bogus_the_log_odds_turn_their_sign() -> None:
    (model, _), (turned, _) = linear(True), linear(True, real=None)
    x = draw(model)
    ours, theirs = Explainer(model).answer(x), Explainer(turned).answer(x)
    np.testing.assert_allclose(ours.log_odds, -theirs.log_odds, atol=1e-6)
    np.testing.assert_allclose(ours.score, 1 - theirs.score, atol=1e-6)
    np.testing.assert_allclose(ours.saliency_sums, theirs.saliency_sums, rtol=1e-5)


def as_published(model: Model, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return |d max(softmax) / d pixel|, as Acero-Cuellar et al. write it."""
    import tensorflow as tf

    assert model.contract.architecture is not None
    network, pixels = build_keras(model.contract.architecture, model.weights), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        answer = tf.reduce_max(network(pixels, training=False), axis=1)
    return np.abs(tape.gradient(answer, pixels))


@pytest.mark.parametrize("name", ["dia", "deepshadows-three"])
def test_saliency_is_that_of_the_authors_but_for_a_factor(name: str) -> None:
    shape = {"dia": (45, 135, 1), "deepshadows-three": (24, 24, 3)}[name]
    model = make(named_architecture(name, shape, filters=(4, 8, 8) if name == "dia" else (4, 4, 4)))
    x = draw(model)
    ours, theirs = Explainer(model).saliency(x), as_published(model, x)
    share = [maps / maps.sum(axis=(1, 2, 3), keepdims=True) for maps in (ours, theirs)]
    np.testing.assert_allclose(share[0], share[1], rtol=2e-3, atol=1e-7)


def test_a_saturated_softmax_still_has_a_saliency() -> None:
    network = Architecture(
        name="sure",
        input_shape=(SIDE, SIDE, 3),
        layers=(Flatten(name="flatten"), Dense(name="last", units=2, activation="softmax")),
    )
    kernel = generator(3, "test-sure").normal(size=(3 * SIDE**2, 2)).astype(np.float32)
    model = make(network, {"last/kernel": 50 * kernel, "last/bias": np.zeros(2, np.float32)})
    x = draw(model)
    assert (as_published(model, x).max(axis=(1, 2, 3)) < 1e-30).any()
    assert (Explainer(model).answer(x).saliency_sums > 0).all()


@pytest.mark.parametrize(("name", "shape"), [("compact", (15, 15, 3)), ("dia", (45, 135, 1))])
def test_integrated_gradients_add_up_to_the_change_of_the_answer(
    name: str, shape: tuple[int, int, int]
) -> None:
    model = make(named_architecture(name, shape, filters=(4, 8, 8)))
    explainer, x = Explainer(model), 3 * draw(model, 8)
    baseline = np.full_like(x, 0.2)
    attribution, error = explainer.integrated_gradients(x, baseline, steps=16)
    change = explainer.answer(x).log_odds - explainer.answer(baseline).log_odds
    total = attribution.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(total - change, error, atol=1e-5)
    assert (np.abs(error) <= 0.011 * np.maximum(np.abs(change), 1)).all()
    assert np.abs(change).max() > 0.05


def test_of_a_network_that_adds_up_one_map_grad_cam_is_that_map() -> None:
    layers = (
        Conv2D(name="conv", filters=1, kernel_size=(1, 1), activation="relu"),
        GlobalAveragePooling2D(name="mean"),
        Dense(name="last", units=1, activation="sigmoid"),
    )
    network = Architecture(name="sum", input_shape=(SIDE, SIDE, 3), layers=layers)
    weights = {
        "conv/kernel": np.array([1, 2, -1], np.float32).reshape(1, 1, 3, 1),
        "conv/bias": np.zeros(1, np.float32),
        "last/kernel": np.ones((1, 1), np.float32),
        "last/bias": np.zeros(1, np.float32),
    }
    model = make(network, weights)
    x = draw(model)
    expected = np.maximum(x @ np.array([1, 2, -1], np.float32), 0)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(Explainer(model).grad_cam(x), expected, atol=1e-5)
    bogus = Explainer(make(network, weights | {"last/bias": np.full(1, -1e3, np.float32)}))
    assert (bogus.grad_cam(x) == 0).all()  # the map speaks for a real source, and the answer is bogus


@pytest.mark.parametrize("name", ["compact", "braai", "ml4transients"])
def test_grad_cam_looks_behind_scaling_and_activation(name: str) -> None:
    model = make(named_architecture(name, (31, 31, 3), filters=(4, 8, 8)[: 2 if name == "braai" else 3]))
    maps = Explainer(model).grad_cam(draw(model, 16))
    assert maps.shape == (16, 31, 31) and maps.min() >= 0 and maps.max() == 1


def test_without_a_convolution_or_layers_there_is_no_map() -> None:
    model, _ = linear(True)
    with pytest.raises(InvalidInputError, match="no convolution"):
        Explainer(model).grad_cam(draw(model))
    with pytest.raises(InvalidInputError, match="ONNX graph"):
        Explainer(make_model(model.contract, graph=model.graph))


def test_an_ensemble_is_explained_by_the_mean_of_its_probabilities() -> None:
    network = named_architecture("compact", (15, 15, 3), filters=(4, 4, 4))
    first, second = (make(network, initial_weights(network, seed)) for seed in (1, 2))
    x = 3 * draw(first)
    alone = [Explainer(model).answer(x) for model in (first, second)]
    both = Explainer(first, second)
    together = both.answer(x)
    np.testing.assert_allclose(together.score, (alone[0].score + alone[1].score) / 2, atol=1e-6)
    np.testing.assert_allclose(
        together.log_odds, np.log(together.score / (1 - together.score)), rtol=1e-3, atol=1e-4
    )
    np.testing.assert_array_equal(together.hidden, np.hstack([answers.hidden for answers in alone]))
    assert both.grad_cam(x).shape == (6, 15, 15)
    np.testing.assert_allclose(
        Explainer(first, first).saliency(x), Explainer(first).saliency(x), rtol=1e-4, atol=1e-7
    )
    with pytest.raises(InvalidInputError, match="differ in layout, stamp_size"):
        Explainer(first, make(named_architecture("dia", (45, 135, 1), filters=(2, 2, 2))))


def batch_for(contract: Contract) -> StampBatch:
    """Make stamps with gaps, of both signs, some with a PSF."""
    stamps, negative = golden_stamps(contract.stamp_size, n=12)
    missing = {role: np.zeros(pixels.shape, bool) for role, pixels in stamps.items()}
    for mask in missing.values():
        mask[3, :9] = mask[7] = True
    fwhm = np.full(12, 4.0, np.float32)
    fwhm[5] = np.nan
    return StampBatch(np.arange(12), stamps, negative, missing, psf_fwhm=fwhm)


@pytest.mark.parametrize("name", [*sorted(packaged_models()), "told dia", "told nodia"])
def test_what_is_explained_is_the_score(name: str, told_models: dict[str, Path]) -> None:
    kind = name.removeprefix("told ")
    uri = told_models[kind] if name.startswith("told") else f"package:{name}"
    model = read_model(read_model_file(uri))
    batch = batch_for(model.contract)
    prepared = prepare_batch(model.contract, batch)
    explainer = Explainer(model)
    answers = explainer.answer(prepared.inputs)
    scores = model.classifier().score(
        batch.stamps, batch.missing, batch.is_negative, outside=batch.outside, psf_fwhm=batch.psf_fwhm
    )
    good = ~scores.flag_unscorable
    assert 8 < good.sum() < 12
    np.testing.assert_allclose(answers.score[good], scores.score[good], atol=5e-6)
    assert set(answers.saliency_sums.shape) == {12, len(explainer.segments)}
    saliency = explainer.saliency(prepared.inputs)
    sums = [part.sum(axis=(1, 2)) for part in split_segments(model.contract, saliency).values()]
    np.testing.assert_allclose(np.stack(sums, axis=1), answers.saliency_sums, rtol=1e-3, atol=1e-5)
