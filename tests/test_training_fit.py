"""Training learns by the published rules, goes on where it was interrupted, and keeps to what may learn."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import Architecture, Output, initial_weights, named_architecture
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import (
    RECIPES,
    ArrayBatches,
    DistillationConfig,
    EpochFigures,
    Network,
    StrategyConfig,
    TrainingConfig,
    TransferConfig,
    fit,
)
from lsst.meas.realbogus.training._learner import class_order
from lsst.meas.realbogus.training._strategies import CoTeaching, StochasticCoTeaching

SMALL = named_architecture("compact", (15, 15, 2), filters=(4, 6, 6))
ONE = Output(size=1, real=0)


def toy(n: int, seed: int = 1, n_classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Draw stars (label 1), hot pixels (0) and stripes (2) in the first of two channels."""
    rng = generator(seed, "test-fit")
    y, x = np.mgrid[-7:8, -7:8]
    shapes = np.stack([3.0 * (np.hypot(x, y) < 0.5), np.exp(-0.125 * (x**2 + y**2)), (x == 0) * 0.7])
    label = (np.arange(n) % n_classes).astype(np.int8)
    inputs = rng.normal(0.0, 0.4, (n, 15, 15, 2)).astype(np.float32)
    inputs[..., 0] += 2 * shapes[label]
    return inputs, label


def batches(n: int, *, batch_size: int = 32, seed: int | None = 5, n_classes: int = 2) -> ArrayBatches:
    return ArrayBatches(*toy(n, n, n_classes), batch_size=batch_size, seed=seed, turn=seed is not None)


SHORT = TrainingConfig(epochs=3, learning_rate=5e-3)


@functools.cache
def trained(config: TrainingConfig = SHORT) -> Network:
    pytest.importorskip("tensorflow")
    return fit(SMALL, ONE, batches(256), batches(200, seed=None), config)[0]


def same(first: Network, second: Network) -> bool:
    return len(first.members) == len(second.members) and all(
        np.array_equal(one[key], other[key])
        for one, other in zip(first.members, second.members, strict=True)
        for key in one
    )


def test_the_learning_rate_rises_falls_and_ends_near_zero() -> None:
    config = TrainingConfig()
    rates = np.array([config.rate(step, 1000) for step in range(1000)])
    assert rates.max() == pytest.approx(config.resolved(goes_on=False).learning_rate)
    top = int(rates.argmax())
    assert np.all(np.diff(rates[:top]) > 0) and np.all(np.diff(rates[top + 1 :]) < 0)
    assert rates[-1] < 1e-3 * rates.max()


def test_the_published_rates_are_constant_and_then_linear() -> None:
    recipe = RECIPES["ml4transients"].replace(late_beta_1=0.1)
    rates = np.array([recipe.rate(step, 1500) for step in range(1500)])
    np.testing.assert_array_equal(rates[:80], 1.624e-4)
    np.testing.assert_allclose(np.diff(rates[80:]), -1.624e-4 / 1420)
    assert [recipe.beta_1(step, 1500) for step in (0, 79, 80, 1499)] == [0.9, 0.9, 0.1, 0.1]
    assert {RECIPES["acero-cuellar"].rate(step, 9) for step in range(9)} == {0.01}


def test_the_first_epoch_that_can_be_best_must_come() -> None:
    with pytest.raises(
        InvalidInputError, match=r"first_epoch must be below the number of epochs, 16; got 16"
    ):
        TrainingConfig(first_epoch=16)


def test_outputs_are_put_in_the_order_of_labels() -> None:
    assert class_order(Output(size=1, real=0)) == [0, 1]
    assert class_order(Output(size=1, real=None)) == [1, 0]
    assert class_order(Output(size=2, real=0)) == [1, 0]
    assert class_order(Output(size=3, real=2)) == [0, 2, 1]


def test_what_is_forgotten_grows_over_the_published_epochs() -> None:
    strategy = CoTeaching((0.05, 0.01), 13, by_class=True)
    rates = np.array([strategy.inputs(epoch, 0, 8)[0] for epoch in range(15)])
    np.testing.assert_allclose(rates[:13, 0], np.linspace(0.0, 0.05, 13))
    np.testing.assert_array_equal(rates[12:], [[0.05, 0.01]] * 3)


@pytest.mark.parametrize("by_class", [True, False])
@pytest.mark.tensorflow
def test_networks_learn_from_the_stamps_that_the_other_finds_easy(by_class: bool) -> None:
    tf = pytest.importorskip("tensorflow")
    rng = generator(2, "test-co-teaching")
    loss, label = rng.exponential(size=(2, 41)), (rng.random(41) < 0.6).astype(np.int64)
    rates = np.array([0.3, 0.1])
    strategy = CoTeaching((0.3, 0.1), 1, by_class=by_class)
    kept = np.asarray(
        strategy.kept(tf.constant(loss, tf.float32), tf.constant(label, tf.int32), tf.constant(rates), None)
    )
    groups = [label == 0, label == 1] if by_class else [np.ones(41, bool)]
    for own, other in ((0, 1), (1, 0)):
        chosen = set()
        for rate, group in zip(rates, groups, strict=False):
            rows = np.flatnonzero(group)
            n_kept = int((1 - rate) * len(rows))
            chosen |= set(rows[np.argsort(loss[other][rows])][:n_kept].tolist())
        assert set(np.flatnonzero(kept[own]).tolist()) == chosen


@pytest.mark.tensorflow
def test_stochastic_thresholds_are_drawn_until_enough_is_kept_or_the_batch_is_skipped() -> None:
    tf = pytest.importorskip("tensorflow")
    strategy = StochasticCoTeaching(delay=2, ramp=4, seed=3)
    np.testing.assert_array_equal(strategy.inputs(2, 0, 10)[1], 0.01)
    full = strategy.inputs(6, 0, 5000)[1]
    assert full.mean() == pytest.approx(12 / 16, abs=0.01) and full.max() <= 0.99
    np.testing.assert_array_equal(full, strategy.inputs(6, 0, 5000)[1])
    assert (full != strategy.inputs(6, 1, 5000)[1]).any()
    loss = tf.constant(-np.log([[0.5] * 10, [0.3] * 9 + [0.995]]), tf.float32)
    draws = np.full((5, 2, 10), 0.9, np.float32)
    draws[3, 0, :4] = 0.2
    kept = np.asarray(strategy.kept(loss, None, None, tf.constant(draws)))
    np.testing.assert_array_equal(kept[1], [1] * 4 + [0] * 6)
    np.testing.assert_array_equal(kept[0], [0] * 9 + [1])
    draws[:, 1, 9] = 1.0
    assert np.asarray(strategy.kept(loss, None, None, tf.constant(draws)))[0].sum() == 0


class KilledError(Exception):
    pass


class Killer:
    """Stops training at a step, as a kill would."""

    def __init__(self, epoch: int, step: int) -> None:
        self.when = epoch, step

    def step(self, epoch: int, step: int, n_steps: int) -> None:
        if (epoch, step) == self.when:
            raise KilledError

    def epoch(self, epoch: int, figures: EpochFigures) -> None:
        pass


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("strategy", ["standard", "stochastic"])
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(tmp_path: Path, strategy: str) -> None:
    pytest.importorskip("tensorflow")
    config = TrainingConfig(
        epochs=3, checkpoint_steps=3, strategy=StrategyConfig(name=strategy, delay=0, ramp=2)
    )
    file = tmp_path / "deep" / "state.npz"
    run = functools.partial(fit, SMALL, ONE, batches(256), batches(100, seed=None), config)
    whole, history = run()
    for kill in (Killer(0, 1), Killer(1, 4)):
        with pytest.raises(KilledError):
            run(checkpoint=file, watchers=[kill])
    parts, history_of_parts = run(checkpoint=file)
    assert same(whole, parts) and history_of_parts == history
    again, _ = run(checkpoint=file, watchers=[Killer(2, 7)])
    assert same(whole, again)
    with pytest.raises(InvalidInputError, match="other options"):
        fit(SMALL, ONE, batches(256), batches(100), config.replace(seed=2), checkpoint=file)
    for content in (b"not a checkpoint", file.read_bytes()[:-100]):
        file.write_bytes(content)
        with pytest.raises(InvalidInputError, match="is no checkpoint, or a damaged one"):
            run(checkpoint=file)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig(epochs=4, learning_rate=5e-3),
        TrainingConfig(epochs=4, learning_rate=5e-3, precision="mixed"),
        TrainingConfig(epochs=4, optimizer="adam", learning_rate=3e-3, schedule="linear", late_beta_1=0.1),
        TrainingConfig(epochs=4, optimizer="sgd", learning_rate=0.1, schedule="constant"),
        TrainingConfig(epochs=4, optimizer="adadelta", learning_rate=1.0, schedule="constant"),
        *(
            TrainingConfig(epochs=4, learning_rate=5e-3, strategy=StrategyConfig(name=name, members=2))
            for name in ("ensemble", "co-teaching", "asymmetric", "stochastic")
        ),
    ],
    ids=lambda config: f"{config.optimizer}-{config.precision}-{config.strategy.name}",
)
def test_every_way_of_training_learns_what_can_be_learnt(config: TrainingConfig) -> None:
    pytest.importorskip("tensorflow")
    network, history = fit(SMALL, ONE, batches(512), batches(200, seed=None), config)
    assert len(network.members) == (1 if config.strategy.name == "standard" else 2)
    assert history.best == int(np.argmin([figures.loss for figures in history.epochs]))
    inputs, label = toy(200, 200)
    score = network.predict(inputs)
    from sklearn.metrics import roc_auc_score

    assert roc_auc_score(label, score) > 0.9
    assert roc_auc_score(label, score) == pytest.approx(history.epochs[history.best].auc, abs=2e-3)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(("name", "n_classes"), [("deepshadows-three", 3), ("dia", 2), ("ml4transients", 2)])
def test_networks_with_several_outputs_learn_their_classes(name: str, n_classes: int) -> None:
    pytest.importorskip("tensorflow")
    shape, filters = {"dia": ((51, 51, 2), (2, 2, 2))}.get(name, ((15, 15, 2), (4, 6, 6)))
    architecture = named_architecture(name, shape, filters)
    (size,) = architecture.output_shape

    def data(n: int) -> ArrayBatches:
        inputs, label = toy(n, n, n_classes)
        rows, columns = shape[0] - 15, shape[1] - 15
        edges = [(0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0)]
        return ArrayBatches(np.pad(inputs, edges), label, batch_size=32, seed=4)

    config = TrainingConfig(epochs=5, learning_rate=3e-3)
    _, history = fit(architecture, Output(size=size, real=0), data(384), data(300), config)
    assert history.epochs[history.best].auc > 0.9


def test_labels_without_an_output_are_refused() -> None:
    pytest.importorskip("tensorflow")
    data = batches(60, n_classes=3)
    with pytest.raises(InvalidInputError, match=r"from 0 to 1, .*; got \[0, 1, 2\]"):
        fit(SMALL, ONE, data, data, TrainingConfig(epochs=1))


@pytest.mark.slow
@pytest.mark.tensorflow
def test_training_stops_when_nothing_gets_better_for_long() -> None:
    pytest.importorskip("tensorflow")
    config = TrainingConfig(epochs=9, patience=2, min_delta=10.0, first_epoch=1, schedule="constant")
    _, history = fit(SMALL, ONE, batches(64), batches(64), config)
    assert len(history.epochs) == 4 and history.best == 1


@pytest.mark.slow
@pytest.mark.tensorflow
def test_only_the_head_learns_where_only_it_may() -> None:
    (start,) = trained().members
    transfer = TransferConfig(layers="head", anchor=0.0)
    config = TrainingConfig(epochs=2, first_epoch=1, transfer=transfer)
    (end,) = fit(SMALL, ONE, batches(64), batches(64), config, start=start)[0].members
    changed = {key.partition("/")[0] for key in start if not np.array_equal(start[key], end[key])}
    assert changed == {"dense", "dense_1"}


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_network_that_goes_on_stays_as_it_was_if_nothing_gets_better(tmp_path: Path) -> None:
    (start,) = trained().members
    forgetting = TrainingConfig(epochs=2, learning_rate=3.0, schedule="constant")
    for _ in range(2):  # the second run finds the first one's checkpoint
        network, history = fit(
            SMALL, ONE, batches(64), batches(100), forgetting, start=start, checkpoint=tmp_path / "state"
        )
        assert history.best == -1 and len(history.epochs) == 2 and history.best_figures is history.start
        assert all(np.array_equal(network.members[0][key], start[key]) for key in start)
    assert TrainingConfig().resolved(goes_on=True).learning_rate < 1e-3
    _, history = fit(SMALL, ONE, batches(256), batches(100), SHORT.replace(seed=2), start=start)
    assert history.start is not None and history.best_figures.loss <= history.start.loss


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_anchor_holds_weights_near_their_start() -> None:
    (start,) = trained().members

    def moved(anchor: float) -> float:
        transfer = TransferConfig(anchor=anchor)
        config = TrainingConfig(epochs=2, first_epoch=1, learning_rate=1.5e-3, transfer=transfer)
        (end,) = fit(SMALL, ONE, batches(64), batches(64), config, start=start)[0].members
        kernels = [key for key in start if key.endswith("kernel")]
        return sum(float(np.square(end[key] - start[key]).sum()) for key in kernels)

    assert moved(10.0) < 0.3 * moved(0.0)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_pupil_gives_the_answers_of_its_teacher_and_not_the_labels() -> None:
    teacher = trained(TrainingConfig(epochs=3, strategy=StrategyConfig(name="ensemble", members=2)))
    inputs, label = toy(512, 9)
    wrong = ArrayBatches(inputs, 1 - label, batch_size=32, seed=1)
    config = TrainingConfig(epochs=8, learning_rate=1e-2)
    pupil, _ = fit(SMALL, ONE, wrong, batches(100), config, teacher=teacher)
    assert len(pupil.members) == 1
    fresh = toy(200, 10)[0]
    assert np.corrcoef(pupil.predict(fresh), teacher.predict(fresh))[0, 1] > 0.9
    half = config.replace(distillation=DistillationConfig(teacher=0.0), epochs=3)
    disobedient, _ = fit(SMALL, ONE, wrong, batches(100), half, teacher=teacher)
    assert np.corrcoef(disobedient.predict(fresh), teacher.predict(fresh))[0, 1] < 0.0


@pytest.mark.slow
@pytest.mark.tensorflow
def test_regularisation_makes_kernels_small() -> None:
    pytest.importorskip("tensorflow")
    architecture = named_architecture("deepshadows", (15, 15, 2), (4, 4, 4))

    def size(recipe: TrainingConfig) -> float:
        config = recipe.replace(epochs=2, optimizer="sgd", learning_rate=0.1)
        (end,) = fit(architecture, ONE, batches(256), batches(64), config)[0].members
        return float(np.square(end["conv2d_1/kernel"]).sum())

    recipe = RECIPES["deepshadows"]
    assert size(recipe) < 0.8 * size(recipe.replace(l2_convolution=0.0, l2_dense=0.0))


def test_networks_are_made_for_inputs_of_any_shape_or_say_why_not() -> None:
    assert isinstance(named_architecture("deepshadows-three", (31, 31, 4)), Architecture)
    assert named_architecture("ml4transients", filters=(32, 64, 128)).n_parameters == 166_817
    assert initial_weights(SMALL)["conv2d_0/kernel"].shape == (3, 3, 2, 4)
    with pytest.raises(InvalidInputError, match=r"'dia' cannot be made for inputs of shape \(9, 9, 1\)"):
        named_architecture("dia", (9, 9, 1))
    with pytest.raises(InvalidInputError, match=r"'braai' has 2 stages"):
        named_architecture("braai", filters=(1, 2, 3))
