"""Training learns what can be learnt, and what it writes is a model that scores as it was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import train_packaged_models

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import (
    Contract,
    Prior,
    initial_weights,
    make_model,
    preset_contract,
    read_model,
)
from lsst.meas.realbogus.options import from_settings
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import (
    SIDES,
    Augmentation,
    LabelledStamps,
    ModelOptions,
    Split,
    StampSet,
    StampWriter,
    StrategyConfig,
    TrainingConfig,
    TransferConfig,
    assigned_split,
    ordered_contract,
    split_stamps,
    train_model,
    transfer_contract,
)

pytestmark = pytest.mark.slow
GENTLE = Augmentation(zoom=(0.9, 1.1), borders=0.0, gaps=0.0, smaller=0.0)


def _toy_stamps(n: int) -> LabelledStamps:
    """Make point sources that are in the science image only (real), or single hot pixels (bogus)."""
    rng = generator(11, "toy-stamps")
    y, x = np.mgrid[-25:26, -25:26]
    star = np.exp(-0.5 * (x**2 + y**2) / 2.0**2)
    label = np.arange(n) % 2
    group = np.arange(n) // (n // 4)
    science, template = rng.normal(size=(2, n, 51, 51))
    science += np.where(label[:, None, None] == 1, 12 * star, 60.0 * (np.hypot(x, y) < 0.5))
    return LabelledStamps(
        pixels={
            "difference": (science - template).astype(np.float32),
            "science": science.astype(np.float32),
            "template": template.astype(np.float32),
        },
        label=label.astype(np.int8),
        kind=np.where(label == 1, "fake", "cosmic_ray"),
        snr=np.full(n, 20.0),
        psf_fwhm=np.linspace(4.0, 5.0, n),
        pixel_scale=np.full(n, 0.2),
        group=group,
    )


def test_defect_11_the_same_survey_never_chooses_and_judges() -> None:
    stamps = _toy_stamps(40)
    with pytest.raises(InvalidInputError, match=r"groups \[3\] are to choose the epoch and to judge"):
        assigned_split(stamps.columns, choose=[2, 3], judge=[3])
    with pytest.raises(
        InvalidInputError, match=r"no stamps to judge by: there are the groups \[0, 1, 2, 3\]"
    ):
        assigned_split(stamps.columns, choose=[2], judge=[])
    split = assigned_split(stamps.columns, choose=[2], judge=[0])
    sides = {side: sorted(set(stamps.group[split.rows(side)].tolist())) for side in SIDES}
    assert sides == {"learn": [1, 3], "choose": [2], "judge": [0]}


def test_the_contract_is_what_the_options_order() -> None:
    options = from_settings(
        ModelOptions(), ["inputs=science,template", "psf=width", "stamp_size=21", "filters=4,8", "name=small"]
    )
    contract = ordered_contract(options)
    assert (contract.name, contract.inputs, contract.input_shape) == (
        "small",
        ("science", "template"),
        (21, 21, 4),
    )
    assert contract.psf is not None and contract.psf.form == "width"
    assert ordered_contract(options.replace(psf="none")).input_shape == (21, 21, 3)
    own = ordered_contract(ModelOptions(name="compact"))
    assert own == preset_contract("compact", "compact", "1")


def _split(stamps: LabelledStamps, seed: int = 1) -> Split:
    return split_stamps(stamps.columns, by=["group"], fractions=(0.5, 0.25, 0.25), seed=seed)


@pytest.mark.parametrize(
    ("contract", "stamps", "split", "message"),
    [
        (
            preset_contract("dia", "t", "1").model_copy(update={"architecture": None}),
            _toy_stamps(40),
            _split(_toy_stamps(40)),
            "'t' are not known",
        ),
        (
            preset_contract("dia", "t", "1"),
            _toy_stamps(40),
            _split(_toy_stamps(48)),
            "48 stamps; there are 40",
        ),
        (
            preset_contract("dia", "t", "1"),
            _toy_stamps(40)[np.arange(1, 40, 2)],
            _split(_toy_stamps(40)[np.arange(1, 40, 2)]),
            "to learn by are 10 real and 0 bogus",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(
    tmp_path: Path, contract: Contract, stamps: LabelledStamps, split: Split, message: str
) -> None:
    path = tmp_path / "x.rbmodel"
    with pytest.raises(InvalidInputError, match=message):
        train_model(contract, stamps, split=split, config=TrainingConfig(), path=path)
    assert not path.exists()


def test_defect_11_every_training_survey_has_one_of_three_roles() -> None:
    roles = [train_packaged_models.training_role(number) for number in range(28)]
    assert [roles.count(role) for role in ("learn", "choose", "judge")] == [20, 4, 4]
    for make_contract, config in train_packaged_models.MODELS.values():
        contract = make_contract()
        assert (
            contract.architecture is not None
            and contract.trained
            == train_packaged_models.REGIMES.model_copy(update={"stamp_size": contract.trained.stamp_size})
        )
        assert config.calibration == "isotonic"


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("network", "strategy"), [("nodia", "standard"), ("compact", "standard"), ("compact", "asymmetric")]
)
def test_defect_11_training_separates_toy_stamps_and_the_card_tells_who_judged(
    tmp_path: Path, network: str, strategy: str
) -> None:
    pytest.importorskip("tensorflow")
    stamps = _toy_stamps(480)
    split = _split(stamps)
    path = tmp_path / "t.rbmodel"
    config = TrainingConfig(
        epochs=8, batch_size=32, learning_rate=5e-3, real_fraction=0.2, strategy=StrategyConfig(name=strategy)
    )
    filters = {"nodia": None, "compact": (8, 8, 8)}[network]
    contract = preset_contract(network, network, "t", filters=filters)
    card = train_model(
        contract, stamps, split=split, config=config, path=path, augmentation=GENTLE, notes={"sky": "toy"}
    )
    assert card["judge"]["area_under_roc"] > 0.95
    assert card["split"] == split.summary(stamps.label) and card["sky"] == "toy"
    judged = stamps[split.rows("judge")]
    assert card["stamps"]["judge"]["groups"] == sorted(set(judged.group.tolist()))
    assert card["chosen_epoch"] == int(np.argmin([figures["loss"] for figures in card["epochs"]]))
    model = read_model(path.read_bytes(), path.name)
    assert model.contract.card == card
    assert model.contract.prior == Prior(training=0.5, intended=0.2)
    assert model.contract.calibration is not None
    assert model.contract.trained is not None and model.contract.trained.pixel_scale == (
        pytest.approx(0.2),
        pytest.approx(0.2),
    )
    golden = model.golden.stamps["science"]
    assert {row.tobytes() for row in golden} <= {row.tobytes() for row in judged.pixels["science"]}
    score = (
        model.classifier()
        .score(judged.pixels, is_negative=judged.is_negative, psf_fwhm=judged.psf_fwhm)
        .score
    )
    called_real = float((score[judged.label == 1] >= 0.5).mean())
    assert called_real == pytest.approx(card["judge"]["completeness_at_0.5"], abs=1e-3)


@pytest.mark.tensorflow
def test_a_model_goes_on_from_another_and_says_so(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    stamps = _toy_stamps(160)
    contract = preset_contract("compact", "first", "1", filters=(4, 4, 4))
    first = make_model(contract, initial_weights(contract.architecture, 3))
    config = TrainingConfig(
        epochs=1, calibration="none", transfer=TransferConfig(layers="head"), learning_rate=1e-2
    )
    order = {"split": _split(stamps), "config": config, "augmentation": GENTLE}
    path = tmp_path / "second.rbmodel"
    train_model(transfer_contract(first, "second", "2"), stamps, path=path, start=first, **order)
    second = read_model(path.read_bytes())
    assert second.contract.calibration is None
    assert second.contract.card["started_from"] == f"first 1, sha256 {first.content_hash}"
    changed = {key for key in first.weights if not np.array_equal(first.weights[key], second.weights[key])}
    assert changed and all(key.startswith("dense") for key in changed)
    other = preset_contract("compact", "other", "1", filters=(4, 4, 8))
    with pytest.raises(InvalidInputError, match="'other' cannot go on from 'first': their layers differ"):
        train_model(other, stamps, path=path, start=first, **order)


@pytest.mark.tensorflow
def test_the_same_order_gives_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    stamps = _toy_stamps(160)
    contract = preset_contract("compact", "t", "1", filters=(4, 4, 4))
    order = {"split": _split(stamps), "config": TrainingConfig(epochs=1), "augmentation": GENTLE}
    with StampWriter(tmp_path / "stamps.parquet") as writer:
        writer.write(stamps)
    found = []
    for name in ("first", "second"):
        path = tmp_path / f"{name}.rbmodel"
        train_model(contract, StampSet(tmp_path / "stamps.parquet"), path=path, **order)
        found.append(path.read_bytes())
    assert found[0] == found[1]
