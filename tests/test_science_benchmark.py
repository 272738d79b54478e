"""What `benchmarks/science.py` judges by: real sets with their signs, models, results that are kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from judging import designs
from judging.designs import Trainer, measure_network, study_learning_curve, study_transfer
from judging.in_distribution import study_in_distribution
from judging.labels import as_many_bogus, hide_reals, study_co_teaching, turn_labels
from judging.ledger import Ledger, rows
from judging.models import open_models, open_packaged, open_peers
from judging.out_of_distribution import describe_sets, measure_real_set, study_out_of_distribution
from judging.sets import JudgedSet, as_judged, gaussian_fwhm, object_numbers, read_real_sets
from judging.sheets import write_sheets
from judging.study import Study, as_text
from judging.training import Budget, Networks, compact_contract, train_network

from lsst.meas.realbogus.evaluation import Estimate
from lsst.meas.realbogus.model import initial_weights, make_model, preset_contract, write_model
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import LabelledStamps


def _toy(n: int = 40) -> JudgedSet:
    rng = generator(3, "test-judged-set")
    return JudgedSet(
        name="toy",
        stamps={
            role: rng.normal(100, 5, (n, 51, 51)).astype(np.float32)
            for role in ("science", "template", "difference")
        },
        label=np.tile([1, 0], n // 2).astype(np.int8),
        certain=np.tile([True, False], n // 2),
        kind=np.tile(["asteroid", "ghost"], n // 2),
        is_negative=np.zeros(n, bool),
        snr=rng.uniform(5, 50, n),
        psf_fwhm=np.full(n, 3, np.float32),
        object_id=np.full(n, -1, np.int64),
    )


def test_the_width_of_a_gaussian_is_its_own() -> None:
    y, x = np.mgrid[-20:21, -20:21]
    stamps = np.stack([np.exp(-(x**2 + y**2) / (2 * s**2)) for s in (1.0, 3.0)])
    np.testing.assert_allclose(gaussian_fwhm(stamps), [2.355, 7.064], rtol=1e-3)
    assert np.isnan(gaussian_fwhm(np.zeros((1, 5, 5)))).all()


def test_real_sets_have_the_signs_of_their_sources(shared_data: Path) -> None:
    for name, judged in read_real_sets(shared_data).items():
        if name not in ("ztf", "lsstcam"):  # the others have no certain signs
            continue
        centre = judged.stamps["difference"].shape[1] // 2
        middle = np.s_[:, centre - 2 : centre + 3, centre - 2 : centre + 3]
        flux = np.nansum(judged.stamps["difference"][middle], axis=(1, 2))
        sure = (judged.label == 1) & (judged.snr > 10)
        assert np.mean((flux < 0)[sure] == judged.is_negative[sure]) > 0.97, name


def test_real_sets_hold_what_is_judged(shared_data: Path) -> None:
    sets = read_real_sets(shared_data)
    ztf = sets["ztf"]
    assert ((ztf.label == 1).sum(), (ztf.label == 0).sum(), ztf.certain.sum()) == (425, 90, 246)
    # The file has 65, although the notes beside it say 67.
    stored = np.load(shared_data / "stamps" / "hsc_cosmos.npz")
    np.testing.assert_array_equal(sets["hsc"].label, stored["label"])
    assert (sets["hsc"].label == 0).sum() == 65
    assert "65 bogus" in describe_sets(sets)
    assert (sets["lsstcam"].label == 1).sum() == 25
    assert 3.9 < sets["lsstcam"].psf_fwhm.min() < sets["lsstcam"].psf_fwhm.max() < 10.5


def test_networks_of_others_score_small_stamps(shared_data: Path) -> None:
    lsstcam = read_real_sets(shared_data)["lsstcam"]
    for model in open_peers(shared_data):
        assert np.isfinite(model.score(lsstcam)).all(), model.name


def test_right_scores_have_perfect_figures() -> None:
    judged = _toy()
    figures = measure_real_set(judged, judged.label.astype(float))
    assert figures["toy area, independent"].value == figures["toy TPR at 1 % FPR, independent"].value == 1
    assert figures["toy bogus above 0.5"].value == figures["toy without score"] == 0


def test_results_are_kept_and_seeds_put_together(tmp_path: Path) -> None:
    calls = []

    def compute() -> dict[str, Estimate | float]:
        calls.append(1)
        return {"area": Estimate(0.9, 0.8, 1.0), "seconds": 3.0}

    for _ in range(2):
        ledger = Ledger(tmp_path / "deep" / "toy.json")
        records = [ledger.figures(("a",), seed, "inputs", compute) for seed in (1, 2)]
    assert len(calls) == 2
    Ledger(tmp_path / "deep" / "toy.json").figures(("a",), 1, "other inputs", compute)
    assert len(calls) == 3
    (row,) = rows(records)
    assert row.n_seeds == 2
    assert row.figures["area"][0].value == 0.9
    study = Study("toy", "Toy", "", ("model",), records)
    header, body = study.table()
    assert header == ["model", "seeds", "area", "seconds"]
    assert body == [["a", "2", "0.900 (0.800–1.000) ±0.000", "3.000 ±0.000"]]
    assert study.figures()["toy | a | area"]["high"] == 1.0
    assert "0.900" in as_text(header, body)


def test_a_study_of_a_packaged_model_runs_and_draws(tmp_path: Path) -> None:
    judged = _toy()
    models = open_packaged()[:1]
    study = study_out_of_distribution(Ledger(None), models, {"toy": judged}, sheets=tmp_path)
    assert study.rows[0].case == (models[0].name,)
    scores = models[0].score(judged)
    assert list(tmp_path.glob("*.png")) or np.all((scores >= 0.5) == (judged.label == 1))
    wrong = 1.0 - judged.label
    paths = write_sheets(tmp_path / "wrong", judged, wrong, "m", (judged, wrong))
    assert {path.stem for path in paths} == {"toy-m-false-positives", "toy-m-lost-reals"}
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_models_are_named_by_label_or_contract() -> None:
    named, plain = open_models(["mine=package:dia-2", "package:nodia-2"])
    assert (named.name, plain.name) == ("mine", "nodia-2")
    with pytest.raises(Exception, match="no model"):
        open_models(["x=nowhere.rbmodel"])


def _labelled(n: int = 240, group: int = 0, size: int = 31) -> LabelledStamps:
    """Stars (real, half of them variables) and hot pixels (bogus), two of each object."""
    rng = generator(3, "test-labelled", group)
    y, x = np.mgrid[:size, :size] - size // 2
    star, hot = np.exp(-(x**2 + y**2) / 8), np.where((x == 0) & (y == 0), 3.0, 0.0)
    label = (np.arange(n) % 2).astype(np.int8)
    height = rng.uniform(6, 20, n)
    signal = height[:, None, None] * np.where(label[:, None, None] == 1, star, hot)
    noise = rng.normal(0, 1, (2, n, size, size))
    template = noise[0] + 20
    science = 20 + signal + noise[1]
    return LabelledStamps(
        {
            "science": science.astype(np.float32),
            "template": template.astype(np.float32),
            "difference": (signal + noise[1]).astype(np.float32),
        },
        label,
        kind=np.where(label == 0, "hot_pixel", np.where(np.arange(n) % 4 == 1, "variable", "transient")),
        snr=height,
        band=np.full(n, "r"),
        psf_fwhm=np.full(n, 4.7, np.float32),
        pixel_scale=np.full(n, 0.2, np.float32),
        flux_ratio=np.full(n, 0.5, np.float32),
        object_id=np.where(label == 1, np.arange(n) // 4, -1),
        cell=np.arange(n) // 4,
        group=np.full(n, group),
    )


def _parts(n: int = 240) -> dict[str, LabelledStamps]:
    return {role: _labelled(n, group=i) for i, role in enumerate(("learn", "choose", "judge"))}


BUDGET = Budget(shown=960, batch=32)


def test_objects_of_two_surveys_are_two_objects() -> None:
    both = LabelledStamps.concatenate([_labelled(8), _labelled(8, group=1)])
    numbers = object_numbers(both)
    assert len(set(numbers[both.label == 1].tolist())) == 4
    assert (numbers[both.label == 0] == -1).all()


def test_labels_are_spoilt_as_far_as_asked() -> None:
    label = (np.arange(1000) < 500).astype(np.int8)
    hidden = hide_reals(label, 0.3, 1)
    assert ((hidden == 0) & (label == 1)).sum() / (hidden == 0).sum() == pytest.approx(0.3, abs=1e-2)
    assert (hidden[label == 0] == 0).all()
    assert (turn_labels(label, 0.1, 1) != label).sum() == 100
    np.testing.assert_array_equal(hide_reals(label, 0.0, 1), label)
    many = _labelled(60)[np.array([*range(0, 60, 2), 1, 3])]  # 30 bogus, 2 real
    assert np.bincount(as_many_bogus(many).label).tolist() == [2, 2]
    with pytest.raises(ValueError, match="of 500 reals"):
        hide_reals(label, 0.5, 1)


def test_models_and_baselines_are_judged_in_all_by_snr_and_by_kind() -> None:
    judge = _labelled(group=2)
    studies = study_in_distribution(Ledger(None), [], judge, _labelled(), _labelled(group=1), seeds=(1, 2))
    main, by_snr, by_kind = studies
    assert main.section().drawings[0].startswith("<svg")
    rows = {row.case[0]: row for row in main.rows}
    assert set(rows) == {"random forest", "support vectors", "logistic on SNR"}
    forest = rows["random forest"]
    assert forest.n_seeds == 2
    assert forest.figures["area"][0].value > 0.95
    assert rows["logistic on SNR"].figures["area"][0].value < 0.7
    assert {case for row in by_snr.rows for case in [row.case[1]]} >= {"5.5 to 6.5", "8 to 12"}
    kinds = {row.case[1]: row for row in by_kind.rows}
    assert set(kinds) == {"transient", "variable", "hot_pixel", "variable above 0.3 of the template"}
    assert kinds["hot_pixel"].figures["random forest"][0].value < 0.2
    for study in studies:
        assert study.section().rows


@pytest.mark.tensorflow
@pytest.mark.slow
def test_a_trained_network_is_calibrated_and_told_the_psf() -> None:
    parts = _parts()
    model = train_network("m", compact_contract(), parts["learn"], parts["choose"], BUDGET, seed=1)
    figures = measure_network(model, parts["judge"], {})
    assert figures["area"].value > 0.9
    judged = as_judged(parts["judge"], "")
    assert model.uses_psf
    assert not np.array_equal(model.score(judged), model.score(judged, "unknown"))


@pytest.mark.tensorflow
@pytest.mark.slow
def test_studies_that_train_give_a_row_for_every_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(designs, "SHOWN", 64)
    monkeypatch.setattr("judging.training.SMALL", (4, 4))
    parts, budget = _parts(80), Budget(shown=160, batch=32)  # how well they do is not looked at
    co_teaching = study_co_teaching(Ledger(None), parts, budget, (1,), hidden=(0.15,))
    assert [row.case[1] for row in co_teaching.rows] == [
        "standard", "ensemble of 2", "co-teaching", "asymmetric", "stochastic",
    ]  # fmt: skip
    assert all("hidden found" in row.figures for row in co_teaching.rows)
    toy = _toy(60)
    stamps = {role: pixels[:, 10:41, 10:41] for role, pixels in toy.stamps.items()}
    sets = {"ztf": dataclasses.replace(toy, name="ztf", stamps=stamps)}
    trainer = Trainer(Ledger(tmp_path / "l.json"), parts, sets, budget, (1,), Networks(tmp_path))
    contract = preset_contract("compact", "tiny", "1", filters=(4, 4))
    model = tmp_path / "tiny.rbmodel"
    model.write_bytes(write_model(make_model(contract, initial_weights(contract.architecture, 1))))
    transfer = study_transfer(trainer, labels=(20,), n_folds=2, model=str(model))
    assert [row.case for row in transfer.rows] == [
        ("small", "", "0"), ("tiny-1", "", "0"), ("small", "all layers", "20"), ("small", "head", "20"),
        ("tiny-1", "all layers", "20"), ("tiny-1", "head", "20"), ("none", "all layers", "20"),
    ]  # fmt: skip
    curve = study_learning_curve(trainer)
    assert [row.case for row in curve.rows] == [("1", "80")]
    assert "ztf area, all" in curve.rows[0].figures
    # Studies share networks: another one with the same stamps, seed and budget trains none.
    monkeypatch.setattr("judging.training.train_network", None)
    again = study_learning_curve(dataclasses.replace(trainer, ledger=Ledger(None)))
    assert repr(again.rows[0].figures) == repr(curve.rows[0].figures)
