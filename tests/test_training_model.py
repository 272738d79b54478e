"""Training learns what can be learnt, and what it writes is a model that scores as it was trained."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import preset_contract, read_model
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import LabelledStamps, StrategyConfig, TrainingConfig, train_model

pytestmark = pytest.mark.slow


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


def test_without_layers_there_is_nothing_to_train(tmp_path: Path) -> None:
    contract = preset_contract("dia", "t", "1").model_copy(update={"architecture": None})
    with pytest.raises(InvalidInputError, match="'t' are not known"):
        train_model(
            contract,
            _toy_stamps(8),
            choose=[2],
            judge=[3],
            config=TrainingConfig(),
            path=tmp_path / "x.rbmodel",
        )


@pytest.mark.parametrize(
    ("choose", "judge", "message"),
    [
        ([2, 3], [3], r"groups \[3\] are to choose the epoch and to judge"),
        ([2], [], r"groups \[\], to judge by, have 0 real and 0 bogus"),
        ([], [3], r"groups \[\], to choose by, have 0 real and 0 bogus"),
        ([0, 1, 2], [3], r"groups \[\], to learn by, have 0 real and 0 bogus"),
    ],
)
def test_defect_11_the_same_survey_never_chooses_and_judges(
    tmp_path: Path, choose: list[int], judge: list[int], message: str
) -> None:
    path = tmp_path / "nodia-t.rbmodel"
    with pytest.raises(InvalidInputError, match=message):
        train_model(
            preset_contract("nodia", "nodia", "t"),
            _toy_stamps(40),
            choose=choose,
            judge=judge,
            config=TrainingConfig(),
            path=path,
        )
    assert not path.exists()


def test_defect_11_the_command_splits_its_surveys_in_three() -> None:
    path = Path(__file__).parents[1] / "tools" / "train_packaged_models.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for count in (3, 6, 12, 30):
        choose, judge = tool.split_surveys(count)
        assert len(choose) == len(judge) == max(1, count // 6)
        assert not set(choose) & set(judge)
        assert set(choose) | set(judge) < set(range(count))


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("network", "strategy"), [("nodia", "standard"), ("compact", "standard"), ("compact", "asymmetric")]
)
def test_defect_11_training_separates_toy_stamps_and_the_card_tells_who_judged(
    tmp_path: Path, network: str, strategy: str
) -> None:
    pytest.importorskip("tensorflow")
    stamps = _toy_stamps(400)
    path = tmp_path / "t.rbmodel"
    config = TrainingConfig(
        epochs=6, batch_size=32, learning_rate=3e-3, strategy=StrategyConfig(name=strategy)
    )
    names = {n: f"survey {n}" for n in range(4)}
    filters = {"nodia": None, "compact": (8, 8, 8)}[network]
    contract = preset_contract(network, network, "t", filters=filters)
    card = train_model(contract, stamps, choose=[2], judge=[3], config=config, path=path, group_names=names)
    assert card["judge"]["area_under_roc"] > 0.95
    assert [card["groups"][part]["groups"] for part in ("learn", "choose", "judge")] == [
        ["survey 0", "survey 1"],
        ["survey 2"],
        ["survey 3"],
    ]
    assert sum(part["stamps"] for part in card["groups"].values()) == len(stamps)
    assert card["chosen_epoch"] == int(np.argmin([figures["loss"] for figures in card["epochs"]]))
    model = read_model(path.read_bytes(), path.name)
    assert model.contract.card["groups"] == card["groups"]
    judged = stamps.in_groups([3])
    golden = model.golden.stamps["science"]
    assert {row.tobytes() for row in golden} <= {row.tobytes() for row in judged.pixels["science"]}
    score = (
        model.classifier()
        .score(judged.pixels, is_negative=judged.is_negative, psf_fwhm=judged.psf_fwhm)
        .score
    )
    called_real = float((score[judged.label == 1] >= 0.5).mean())
    assert called_real == pytest.approx(card["judge"]["completeness_at_0.5"], abs=1e-3)
