"""Fakes in templates: variables have two rows and are one object, light in the template alone is negative."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table, vstack
from hypothesis import given, settings
from hypothesis import strategies as st

from lsst.meas.realbogus.errors import InvalidCatalogError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tables import NO_ID
from lsst.meas.realbogus.tasks.match_dia_sources import MatchDiaSourcesTask
from lsst.meas.realbogus.truth import (
    Conditions,
    injected_fates,
    injected_objects,
    join_injected,
    label_dia_sources,
    match,
)

SCALE = 0.2 / 3600
RA, DEC = 50.0, -20.0


def _sky(x: np.ndarray) -> dict[str, np.ndarray]:
    x = np.asarray(x, float)
    y = np.full(x.shape, 100.0)
    return {"ra": RA + x * SCALE / np.cos(np.radians(DEC)), "dec": DEC + y * SCALE, "x": x, "y": y}


def _sources(x: object, flux: object) -> Table:
    flux = np.asarray(flux, float)
    ids = 1000 + np.arange(flux.size)
    columns = {"diaSourceId": ids, "psfFlux": flux, "psfFluxErr": np.full(flux.size, 100.0)}
    return Table(_sky(np.asarray(x, float)) | columns)


def _catalog(ids: object, x: object, flux: object, twins: object = 0, *, visit: bool = True) -> Table:
    """What the injection writes: the rows of one target."""
    ids = np.asarray(ids, np.int64)
    table = Table(_sky(np.asarray(x, float)))
    table["injection_id"], table["flux"] = ids, np.asarray(flux, float)
    table["injection_flag"], table["twin_id"] = np.zeros(ids.size, np.int64), np.asarray(twins, np.int64)
    table["is_visit_source"], table["is_template_source"] = visit, not visit
    table["mag"] = 31.4 - 2.5 * np.log10(table["flux"])
    return table


# A supernova, a variable that fades, one that brightens, one that stays, and light in the template alone.
VISIT = _catalog([1, 12, 13, 14], [100, 200, 300, 400], [5000, 9e3, 2e4, 7e3], [0, 22, 23, 24])
TEMPLATE = _catalog(
    [22, 23, 24, 31], [200, 300, 400, 500], [1.3e4, 1.6e4, 7e3, 3e3], [12, 13, 14, 0], visit=False
)
SOURCES = _sources([100, 200, 300, 500, 200.5], [5100, -3900, 4200, -3100, 3000])


def test_defect_07_fakes_of_templates_and_variables_match_by_sign_and_twin() -> None:
    joined = join_injected(VISIT, TEMPLATE)
    matched = label_dia_sources(SOURCES, joined)
    assert matched.table["label_reason"].tolist() == ["injected"] * 4 + ["near_real"]
    assert matched.table["label"].tolist() == [1, 1, 1, 1, -1]
    assert matched.table["injection_id"].tolist() == [1, 12, 13, 31, NO_ID]
    assert matched.injected_to_source.tolist() == [0, 1, 2, -1, 1, 2, -1, 3]


def test_defect_07_twins_share_a_fate_and_count_once() -> None:
    joined = join_injected(VISIT, TEMPLATE)
    noise = Conditions.unknown(len(joined))
    noise.flux_error[:] = 100.0
    fates = injected_fates(joined, SOURCES, label_dia_sources(SOURCES, joined), noise)
    assert fates["injection_id"].tolist() == [1, 12, 13, 14, 22, 23, 24, 31]
    assert fates["fate"].tolist() == [
        "found", "found", "found", "below_threshold", "found", "found", "below_threshold", "found",
    ]  # fmt: skip
    assert fates["diaSourceId"].tolist() == [1000, 1001, 1002, NO_ID, 1001, 1002, NO_ID, 1003]
    assert fates["is_primary"].tolist() == [True] * 4 + [False] * 3 + [True]
    assert fates["flux"].tolist() == [5000, -4000, 4000, 0, -4000, 4000, 0, -3000]
    assert fates["snr_expected"].tolist() == [50, 40, 40, 0, 40, 40, 0, 30]
    assert fates["mag"][[0, 1, 7]] == pytest.approx(31.4 - 2.5 * np.log10([5000, 4000, 3000]))


def test_what_was_drawn_counts_not_what_was_meant() -> None:
    """Nothing is known of a template that no catalogue tells of, and of rows that could not be drawn."""
    alone = injected_objects(join_injected(VISIT))
    assert alone.change.tolist() == [5000, 9e3, 2e4, 7e3]
    template = TEMPLATE.copy()
    template["injection_flag"][0] = 32
    joined = join_injected(VISIT, template)
    fates = injected_fates(joined, SOURCES, label_dia_sources(SOURCES, joined))
    assert fates["flux"][[1, 4]].tolist() == [9000, 1.3e4]
    assert fates["fate"][[1, 4]].tolist() == ["found", "not_drawn"]  # by the positive source there
    assert fates["is_primary"][[1, 4]].tolist() == [True, False]


def test_catalogues_that_are_one_already_match_as_well() -> None:
    stacked = vstack([VISIT, TEMPLATE])
    one, two = match(SOURCES, stacked), match(SOURCES, VISIT, injected_template=TEMPLATE)
    assert one.sources["injection_id"].tolist() == two.sources["injection_id"].tolist()
    assert one.sources["injection_id"].tolist()[:4] == [1, 12, 13, 31]
    assert one.fates["flux"].tolist() == two.fates["flux"].tolist()


def test_a_row_that_goes_into_both_images_is_one_row_and_no_change() -> None:
    visit, template = _catalog([7], [100], [5e3]), _catalog([7], [100], [5e3], visit=False)
    joined = join_injected(visit, template)
    assert len(joined) == 1 and injected_objects(joined).change.tolist() == [0]
    visit["injection_flag"] = 8
    joined = join_injected(visit, template)
    assert joined["injection_flag"].tolist() == [0] and injected_objects(joined).change.tolist() == [-5e3]


def test_twins_come_in_pairs() -> None:
    with pytest.raises(InvalidCatalogError, match="twins come in pairs"):
        injected_objects(_catalog([1, 2, 3], [0, 0, 0], [1, 1, 1], [2, 1, 1]))
    # A twin off the padded image is not in the table, and an id of 0 is named by no one.
    assert injected_objects(_catalog([1, 0, 5], [0, 0, 0], [1, 1, 1], [99, 5, 0])).of_row.tolist() == [
        0,
        1,
        1,
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 30))
def test_objects_add_up(key: int, n: int) -> None:
    rng = generator(2, "test-objects", key)
    kind = rng.integers(0, 3, n)
    visit = _catalog(np.arange(1, n + 1), 400 * rng.random(n), 1 + 4e3 * rng.random(n))
    template = visit.copy()
    template["injection_id"] += 1000
    template["flux"] = 1 + 4e3 * rng.random(n)
    visit["twin_id"] = np.where(kind == 2, visit["injection_id"] + 1000, 0)
    template["twin_id"] = np.where(kind == 2, visit["injection_id"], 0)
    visit, template = visit[kind != 1], template[kind != 0]
    joined = join_injected(visit, template)
    objects = injected_objects(joined)
    assert len(joined) == len(visit) + len(template)
    assert len(objects) == n
    assert objects.change.sum() == pytest.approx(visit["flux"].sum() - template["flux"].sum())
    order = rng.permutation(len(joined))
    again = injected_objects(joined[order])
    assert sorted(again.change.tolist()) == pytest.approx(sorted(objects.change.tolist()))
    chosen = joined["injection_id"][objects.primary]
    assert sorted(chosen) == sorted(joined["injection_id"][order][again.primary])


def test_the_task_counts_objects() -> None:
    task = MatchDiaSourcesTask()
    result = task.run(SOURCES, VISIT, injected_template=TEMPLATE)
    assert len(result.fates) == len(VISIT) + len(TEMPLATE)
    counts = {name: task.metadata[name] for name in task.metadata.names() if name.startswith("n_injected_")}
    assert counts == {"n_injected_found": 4, "n_injected_below_threshold": 1}
