"""Tables of explanations: every source once, published tables out of published counts, maps, hard cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from sklearn.decomposition import PCA

from lsst.meas.realbogus.cutouts import StampBatch
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.explanation import (
    EXPLANATION,
    EmbeddingOptions,
    Explainer,
    ExplanationOptions,
    count_winners,
    embed,
    explain_stamps,
    find_hardest,
)
from lsst.meas.realbogus.model import (
    golden_stamps,
    import_keras,
    preset_contract,
    read_model,
    read_model_file,
)
from lsst.meas.realbogus.randomness import generator

PLAIN = ExplanationOptions(batch_size=5, embedding=EmbeddingOptions(method="pca"))
# Acero-Cuellar et al. (2023): test stamps in which each segment has the largest mean saliency.
PUBLISHED = {
    "TP": (8630, 847, 87, (90, 9, 1)),
    "FN": (444, 35, 35, (86, 7, 7)),
    "FP": (291, 9, 6, (95, 3, 2)),
    "TN": (5844, 1200, 2572, (61, 12, 27)),
}
IMAGES = ("difference", "science", "template")


def test_the_published_table_of_winners_comes_out_of_its_counts() -> None:
    segment = [np.repeat(IMAGES, counts[:3]) for counts in PUBLISHED.values()]
    outcome = np.repeat(list(PUBLISHED), [sum(counts[:3]) for counts in PUBLISHED.values()])
    shares = {f"importance_{image}": np.full(outcome.size, 1 / 3) for image in IMAGES}
    found = count_winners({"segment": np.concatenate(segment), "outcome": outcome, **shares})
    assert found["outcome"].tolist() == list(PUBLISHED) and found["n"].sum() == 20_000
    for row, counts in zip(found, PUBLISHED.values(), strict=True):
        assert tuple(row[image] for image in IMAGES) == counts[:3]
        assert tuple(round(row[f"{image}_percent"]) for image in IMAGES) == counts[3]


def test_sources_without_label_or_score_are_counted_too() -> None:
    shares = {f"importance_{image}": [np.nan, 0.5, np.nan] for image in IMAGES}
    found = count_winners(
        {"segment": ["", "science", ""], "outcome": ["unscored", "undecided", "unscored"], **shares}
    )
    assert found["outcome"].tolist() == ["TP", "FN", "FP", "TN", "undecided", "unscored"]
    assert found["n"].tolist() == [0, 0, 0, 0, 1, 2] and found["science"].sum() == 1
    assert np.isnan(found["science_percent"][0]) and np.isnan(found["science_mean"][5])


def test_the_hardest_cases_are_the_most_confident_errors_and_the_least_sure() -> None:
    table = Table(
        {
            "outcome": ["FP", "TP", "FP", "FN", "FN", "TN", "undecided", "unscored"],
            "score": [0.7, 0.55, 0.99, 0.3, 0.01, 0.2, 0.48, np.nan],
        }
    )
    hardest = find_hardest(table, 2)
    assert hardest.false_positives.tolist() == [2, 0] and hardest.false_negatives.tolist() == [4, 3]
    assert hardest.unsure.tolist() == [6, 1]
    assert find_hardest(table, 1).n_false_negatives == 2


def test_principal_components_are_those_of_scikit_learn_and_gaps_stay_gaps() -> None:
    hidden = generator(1, "test-embedding").normal(size=(40, 5)).astype(np.float32)
    hidden[3, 2] = np.nan
    found = embed(hidden, EmbeddingOptions(method="pca"))
    good = np.delete(np.arange(40), 3)
    assert found.method == "pca" and np.isnan(found.points[3]).all()
    expected = PCA(2, random_state=1).fit_transform(hidden[good])
    np.testing.assert_allclose(np.abs(found.points[good]), np.abs(expected), atol=1e-5)
    few = embed(hidden, EmbeddingOptions(method="pca", max_sources=10))
    assert np.isfinite(few.points[:, 0]).sum() == 10
    for n in (0, 1, 2):
        assert embed(hidden[:n]).points.shape == (n, 2)


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_repeats_itself() -> None:
    pytest.importorskip("umap")
    rng = generator(2, "test-embedding")
    hidden = (rng.normal(size=(60, 8)) + 12 * np.repeat([0, 1], 30)[:, None]).astype(np.float32)
    first, again = (embed(hidden) for _ in range(2))
    assert first.method == "umap" and embed(hidden[:5]).method == "pca"
    np.testing.assert_array_equal(first.points, again.points)
    a, b = first.points[:30], first.points[30:]
    within = max(np.ptp(part, axis=0).max() for part in (a, b))
    assert np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)) > within / 2


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    pytest.importorskip("tensorflow")
    return Explainer(read_model(read_model_file("package:dia")))


def batch(n: int = 12) -> StampBatch:
    stamps, negative = golden_stamps(41, n=n)
    stamps["template"][4] = np.nan  # more is missing than any model allows
    stamps = {role: np.where(np.arange(n)[:, None, None] == 4, np.nan, p) for role, p in stamps.items()}
    columns = {"label": np.arange(n) % 2, "snr": np.arange(n, dtype=float)}
    return StampBatch(np.arange(n) + 7, stamps, negative, columns=columns)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_every_source_is_there_once_whatever_the_batches(explainer: Explainer) -> None:
    whole = batch()
    found = explain_stamps(explainer, [whole], PLAIN)
    table = found.table
    assert list(table.colnames) == list(EXPLANATION) and table["diaSourceId"].tolist() == list(range(7, 19))
    assert table["flag_unscorable"].tolist() == [row == 4 for row in range(12)]
    for name in ("score", "log_odds", "importance_science", "embedding_x"):
        assert np.isfinite(table[name]).tolist() == [row != 4 for row in range(12)], name
    assert table["segment"][4] == "" and table["outcome"][4] == "unscored" and np.isnan(found.hidden[4]).all()
    assert table.meta["embedding"] == "pca" and table.meta["model"] == "dia-2"
    np.testing.assert_allclose(sum(table[f"importance_{image}"][:4] for image in IMAGES), 1, rtol=1e-5)
    parts = explain_stamps(explainer, [whole[:3], whole[3:3], whole[3:]], PLAIN).table
    for name in table.colnames:
        if name.startswith("embedding"):
            continue
        if table[name].dtype.kind == "f":
            np.testing.assert_allclose(parts[name], table[name], rtol=1e-4, atol=1e-5)
        else:
            assert parts[name].tolist() == table[name].tolist()
    scores = explainer.models[0].classifier().score(whole.stamps, is_negative=whole.is_negative)
    np.testing.assert_allclose(table["score"], scores.score, atol=5e-6)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_stamps_that_cannot_be_explained_are_refused(explainer: Explainer) -> None:
    with pytest.raises(InvalidInputError, match="no stamps"):
        explain_stamps(explainer, [])
    whole = batch()
    del whole.stamps["science"]  # type: ignore[attr-defined]
    with pytest.raises(InvalidInputError, match=r"\['science'\] are absent"):
        explain_stamps(explainer, [whole], PLAIN)


def published(shared_data: Path, name: str) -> Explainer:
    """Return the weights of Acero-Cuellar et al. that are at hand."""
    pytest.importorskip("tensorflow")
    file = {"dia": "model_checkpoint_AAD_3s3DH.h5", "nodia": "model_checkpoint_CCC_3s2DH.h5"}[name]
    content = (shared_data / "weights" / file).read_bytes()
    return Explainer(import_keras(content, preset_contract(name, name, "1")))


@pytest.mark.slow
@pytest.mark.tensorflow
def test_published_shares_come_out_of_published_stamps(shared_data: Path) -> None:
    """Grey levels of figures give what the authors say of the stamps themselves, but for their coarseness."""
    with np.load(shared_data / "stamps" / "des_digitised_dia.npz") as file:
        rows = np.searchsorted(
            file["id"], [6960264, 11872501, 11873901, 6962837], sorter=file["id"].argsort()
        )
        rows = file["id"].argsort()[rows]
        stamps = {
            role: file[name][rows].astype(np.float32)
            for role, name in (("science", "srch"), ("template", "tmpl"))
        }
    found = explain_stamps(
        published(shared_data, "nodia"), [StampBatch(np.arange(4), stamps, np.zeros(4, bool))], PLAIN
    ).table
    np.testing.assert_allclose(found["importance_science"], [0.287, 0.659, 0.419, 0.537], atol=0.02)
    np.testing.assert_allclose(found["importance_template"], [0.713, 0.341, 0.581, 0.463], atol=0.02)


def simulate(n: int, size: int = 51) -> StampBatch:
    """Draw point sources on galaxies, and bogus ones: dipoles, scratches, lost sources, bad columns."""
    rng = generator(5, "test-survey")
    y, x = np.mgrid[:size, :size] - size // 2

    def blob(flux: float, width: float, dx: float = 0.0, dy: float = 0.0) -> np.ndarray:
        return flux * np.exp(-0.5 * ((x - dx) ** 2 + (y - dy) ** 2) / width**2) / (2 * np.pi * width**2)

    stamps = {role: np.empty((n, size, size), np.float32) for role in IMAGES}
    for row in range(n):
        science, template = rng.normal(size=(2, size, size)) * np.array([1, 0.6])[:, None, None]
        host = blob(rng.uniform(100, 1500), rng.uniform(2.5, 5), *rng.normal(scale=3, size=2))
        science, template = science + host, template + host
        match 4 if row % 2 else row // 2 % 4:
            case 0:
                science, template = science + blob(rng.uniform(2e3, 9e3), 2, 0.4), template + blob(6e3, 2)
            case 1:
                science = science + 60 * ((np.abs(y - np.round(x * rng.normal())) < 1) & (np.abs(x) < 8))
            case 2:
                template = template + blob(rng.uniform(60, 400), 2)
            case 3:
                science[:, size // 2 - 1 : size // 2 + 1] += rng.uniform(10, 40)
            case _:
                science = science + blob(rng.uniform(50, 400), 2)
        for role, pixels in zip(IMAGES, (science - template, science, template), strict=True):
            stamps[role][row] = pixels
    return StampBatch(np.arange(n), stamps, np.zeros(n, bool), columns={"label": np.arange(n) % 2})


@pytest.mark.slow
@pytest.mark.tensorflow
def test_published_weights_give_the_published_order_of_winners(shared_data: Path) -> None:
    """Real sources are known by the difference, many bogus ones by the template."""
    winners = count_winners(explain_stamps(published(shared_data, "dia"), [simulate(160)], PLAIN).table)
    rows = {row["outcome"]: row for row in winners}
    assert rows["TP"]["n"] > 70 and rows["TN"]["n"] > 70
    assert rows["TP"]["difference_percent"] > 2 * rows["TP"]["science_percent"]
    assert rows["TP"]["science_percent"] > rows["TP"]["template_percent"]
    assert rows["TN"]["template_percent"] > 20 > 10 * rows["TP"]["template_percent"]
    assert rows["TP"]["difference_mean"] > rows["TP"]["science_mean"] > rows["TP"]["template_mean"]
