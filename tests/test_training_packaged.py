"""Training learns what can be learnt, and what it writes is a model that scores as it was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import read_model
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import LabelledStamps, TrainingConfig, train_model
from lsst.meas.realbogus.training._packaged import pack_images, unpack_images


def _toy_stamps(n: int) -> LabelledStamps:
    """Make point sources that are in the science image only (real), or single hot pixels (bogus)."""
    rng = generator(11, "toy-stamps")
    y, x = np.mgrid[-25:26, -25:26]
    star = np.exp(-0.5 * (x**2 + y**2) / 2.0**2)
    label = np.arange(n) % 2
    science, template = rng.normal(size=(2, n, 51, 51))
    science += np.where(label[:, None, None] == 1, 12 * star, 60.0 * (np.hypot(x, y) < 0.5))
    return LabelledStamps(
        pixels={
            "difference": (science - template).astype(np.float32),
            "science": science.astype(np.float32),
            "template": template.astype(np.float32),
        },
        label=label.astype(np.int8),
        reason=np.where(label == 1, "injected", "cosmic_ray"),
        is_negative=np.zeros(n, bool),
        snr=np.full(n, 20.0),
        group=np.arange(n) // (n // 4),
    )


def test_packing_is_undone_by_unpacking_and_keeps_images_side_by_side() -> None:
    images = generator(1, "test-pack").normal(size=(3, 5, 5, 2)).astype(np.float32)
    packed = pack_images(images)
    assert packed.shape == (3, 5, 10, 1)
    np.testing.assert_array_equal(packed[:, :, 5:, 0], images[..., 1])
    np.testing.assert_array_equal(unpack_images(packed), images)


def test_the_learning_rate_rises_falls_and_ends_near_zero() -> None:
    config = TrainingConfig()
    rates = np.array([config.learning_rate(step, 1000) for step in range(1000)])
    assert rates.max() == pytest.approx(config.peak_learning_rate)
    top = int(rates.argmax())
    assert np.all(np.diff(rates[:top]) > 0) and np.all(np.diff(rates[top + 1 :]) < 0)
    assert rates[-1] < 1e-3 * config.peak_learning_rate


def test_unknown_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="'diax'.*dia"):
        train_model(
            "diax", "1", _toy_stamps(8), held_out=[3], config=TrainingConfig(), path=tmp_path / "x.rbmodel"
        )


@pytest.mark.slow
@pytest.mark.tensorflow
def test_training_separates_toy_stamps_and_the_file_scores_them_alike(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    stamps = _toy_stamps(400)
    path = tmp_path / "nodia-t.rbmodel"
    config = TrainingConfig(epochs=6, batch_size=32, peak_learning_rate=3e-3)
    card = train_model("nodia", "t", stamps, held_out=[3], config=config, path=path)
    assert card["held_out"]["area_under_roc"] > 0.95
    assert card["groups"] == {"trained": [0, 1, 2], "held_out": [3]}
    assert card["stamps"]["trained"] + card["held_out"]["stamps"] == len(stamps)
    model = read_model(path.read_bytes(), path.name)
    judged = stamps.split_groups([3])[1]
    score = model.classifier().score(judged.pixels, is_negative=judged.is_negative).score
    called_real = float((score[judged.label == 1] >= 0.5).mean())
    assert called_real == pytest.approx(card["held_out"]["completeness_at_0.5"], abs=1e-3)
