"""The loss budget: every injected source ends at one step for one reason, and the steps add up."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.truth import BudgetRules, Fate, Step, loss_budget


def _fates(fate: list[str], sources: list[int], flags: list[int] | None = None) -> Table:
    n = len(fate)
    table = Table({"injection_id": np.arange(1, n + 1), "fate": np.array(fate, str)})
    table["diaSourceId"] = np.array(sources, np.int64)
    table["injection_flag"] = np.zeros(n, int) if flags is None else flags
    return table


def _sources(n: int, score: object = 0.9) -> Table:
    table = Table({"diaSourceId": 100 + np.arange(n)})
    table["score"] = np.broadcast_to(np.asarray(score, float), n).copy()
    for name in ("pixelFlags_badCenter", "pixelFlags_edgeCenter", "flag_nan", "flag_no_template"):
        table[name] = False
    return table


def test_every_way_to_be_lost_has_its_step_and_reason() -> None:
    lost = [
        "not_drawn",
        "not_drawn",
        "off_image",
        "masked",
        "edge",
        "below_threshold",
        "merged",
        "undetected",
    ]
    fates = _fates(lost + ["found"] * 7, [-1] * 8 + list(range(100, 106)) + [999], [1, 9] + [0] * 13)
    sources = _sources(6)
    sources["pixelFlags_badCenter"][0] = True
    sources["score"][[0, 1, 2, 3]] = [0.99, np.nan, np.nan, 0.49]
    sources["flag_nan"][1] = sources["flag_no_template"][1] = True
    association = Table({"diaSourceId": [100, 104, 105], "diaObjectId": [7, 0, 8]})
    budget = loss_budget(fates, sources, association=association)
    ends = list(zip(budget.rows["lost_at"].tolist(), budget.rows["reason"].tolist(), strict=True))
    assert ends == [
        ("drawn", "mag_bad"),
        ("drawn", "mag_bad|no_overlap"),
        ("on good pixels", "off_image"),
        ("on good pixels", "masked"),
        ("on good pixels", "edge"),
        ("detected", "below_threshold"),
        ("detected", "merged"),
        ("detected", "undetected"),
        ("kept by flags", "pixelFlags_badCenter"),
        ("scored", "no template"),
        ("scored", "no score"),
        ("above threshold", "below threshold"),
        ("associated", "no object"),
        ("", ""),
        ("kept by flags", "not in table"),
    ]
    assert budget.steps == tuple(Step)
    table = budget.table()
    assert table["n"].sum() == len(fates) and table["fraction"].sum() == pytest.approx(1)
    assert table["n_left"].tolist() == [13, 13, 10, 10, 10, 7, 7, 7, 5, 5, 3, 3, 2, 1, 1]
    assert budget.n_kept == table["n"][-1] == 1


def test_steps_of_which_nothing_is_known_lose_nothing() -> None:
    fates = _fates(["found", "undetected"], [100, -1])
    budget = loss_budget(fates, _sources(1)["diaSourceId",])
    assert budget.steps == (Step.DRAWN, Step.GOOD_PIXELS, Step.DETECTED)
    assert budget.table()["n"].tolist() == [0, 0, 1, 1]
    assert loss_budget(fates, _sources(1), score="score_nodia").steps == (*budget.steps, Step.UNFLAGGED)
    assert np.isnan(budget.rows["score"]).all()


def test_rules_choose_threshold_and_flags() -> None:
    fates, sources = _fates(["found"] * 2, [100, 101]), _sources(2, [0.6, 0.8])
    sources["pixelFlags_edgeCenter"] = [False, True]
    assert loss_budget(fates, sources).n_kept == 1
    rules = BudgetRules(threshold=0.7, bad_flags=("pixelFlags_badCenter",))
    assert loss_budget(fates, sources, rules=rules).rows["reason"].tolist() == ["below threshold", ""]


def test_the_second_row_of_a_variable_does_not_count() -> None:
    fates = _fates(["found", "found"], [100, 100])
    fates["is_primary"] = [True, False]
    assert len(loss_budget(fates, _sources(1))) == 1


def test_tables_that_cannot_be_followed_are_refused() -> None:
    fates, sources = _fates(["found"], [100]), _sources(1)
    with pytest.raises(InvalidInputError, match="fates: columns fate are missing"):
        loss_budget(fates["injection_id", "diaSourceId"], sources)
    sources["diaSourceId"] = [100]
    twice = _sources(2)
    twice["diaSourceId"] = [100, 100]
    with pytest.raises(InvalidInputError, match="diaSourceId 100 occurs more than once"):
        loss_budget(fates, twice)
    with pytest.raises(InvalidCatalogError, match="association: .*diaObjectId is missing"):
        loss_budget(fates, sources, association=Table({"diaSourceId": [100]}))
    assert loss_budget(fates[:0], sources[:0]).table()["n"].sum() == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_the_budget_adds_up_and_only_falls(key: int, n: int) -> None:
    rng = generator(2, "test-budget", key)
    fate = rng.choice([f.value for f in Fate], n).astype(str)
    ids = np.where(fate == Fate.FOUND, 100 + np.arange(n), -1)
    sources = _sources(n, np.where(rng.random(n) < 0.2, np.nan, rng.random(n)))
    sources["pixelFlags_badCenter"] = rng.random(n) < 0.2
    association = Table({"diaSourceId": sources["diaSourceId"], "diaObjectId": rng.integers(-1, 3, n)})
    budget = loss_budget(_fates(fate.tolist(), ids.tolist()), sources, association=association)
    table = budget.table()
    assert table["n"].sum() == n
    assert (np.diff(table["n_left"]) <= 0).all()
    assert ((budget.rows["lost_at"] == "") == (budget.rows["reason"] == "")).all()
    kept = budget.rows[np.asarray(budget.rows["lost_at"] == "")]
    assert (kept["fate"] == "found").all() and (kept["score"] >= 0.5).all()
