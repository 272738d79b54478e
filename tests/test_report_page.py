"""The page of a run: complete, self-contained, and its numbers add up."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table, vstack

from lsst.meas.realbogus.evaluation import Results, count_kinds, summarize
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.report import CutoutCard, Gallery, TripletCard, choose_galleries, write_page
from lsst.meas.realbogus.report._galleries import CARDS
from lsst.meas.realbogus.report._page import _budgets, _tabulate_losses, render_page, tabulate_images
from lsst.meas.realbogus.report._stamps import LEVELS, pack_panels, stretch_fake, stretch_triplet

pytestmark = pytest.mark.slow


def _run(n_real: int = 60, n_bogus: int = 140, n_lost: int = 25, *, truth: bool = True) -> Results:
    rng = generator(9, "test-report")
    n = n_real + n_bogus
    real = np.arange(n) < n_real
    sources = Table(
        {
            "diaSourceId": 10_000 + np.arange(n),
            "visit": 100 + np.arange(n) % 3,
            "detector": np.arange(n) % 2,
            "x": 1000 * rng.random(n),
            "y": 1000 * rng.random(n),
            "xErr": np.full(n, 0.1),
            "yErr": np.full(n, 0.1),
            "psfFlux": 3000 + 500 * rng.normal(size=n),
            "psfFluxErr": np.full(n, 300.0),
            "snr": np.full(n, 10.0),
            "label": np.where(real, 1, 0 if truth else -1).astype(np.int8),
            "label_reason": np.where(real, "injected", "noise" if truth else "unmatched").astype("U24"),
            "injection_id": np.where(real, 1 + np.arange(n), 0),
            "score_dia": rng.beta(np.where(real, 8, 1), np.where(real, 1, 8)),
            "score_nodia": rng.beta(np.where(real, 3, 1), np.where(real, 1, 3)),
        }
    )
    sources["score_dia"][::40] = np.nan
    m = n_real + n_lost
    found = np.arange(m) < n_real
    fates = Table(
        {
            "visit": 100 + np.arange(m) % 3,
            "detector": np.arange(m) % 2,
            "injection_id": 1 + np.arange(m),
            "fate": np.where(found, "found", np.where(np.arange(m) % 2, "below_threshold", "masked")),
            "diaSourceId": np.where(found, 10_000 + np.arange(m), 0),
            "flux": np.where(found, 3000.0, 900.0),
            "snr_expected": rng.uniform(2, 60, m),
            "mag": rng.uniform(20, 25, m),
            "x": np.append(sources["x"][:n_real], np.zeros(n_lost)),
            "y": np.append(sources["y"][:n_real], np.zeros(n_lost)),
        }
    )
    return Results(
        sources=sources,
        fates=fates,
        models={"dia": "score_dia", "nodia": "score_nodia"},
        provenance={"command": "pipetask run -b repo && true"},
    )


def _galleries() -> list[Gallery]:
    stamp = generator(9, "test-stamps").normal(size=(51, 51))
    stamp[:5] = np.nan
    card = TripletCard(
        "visit 100 · <7>",
        {"science": stamp + 100, "template": stamp, "difference": stamp},
        {"dia": 0.93, "nodia": np.nan},
        {"SNR": "12.3"},
    )
    return [Gallery("Found", "Fakes.", [card] * 3, 60)]


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "link", "br", "use", "path"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "img", "link", "br", "use", "path"):
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("use", "path"):
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(_run(), _galleries(), title="A run")


def test_the_page_is_well_formed_and_refers_to_nothing_outside(page: str) -> None:
    parsed = _Page(page)
    assert not parsed.open
    assert parsed.links
    assert all(link.startswith(("#", "data:")) for link in parsed.links)
    for link in parsed.links:
        assert not link.startswith("#") or link[1:] in parsed.ids
    assert "url(http" not in page and "<script " not in page


def test_text_from_tables_is_escaped(page: str) -> None:
    assert "visit 100 · &lt;7&gt;" in page
    assert "pipetask run -b repo &amp;&amp; true" in page


def test_the_same_run_gives_the_same_page(page: str) -> None:
    assert render_page(_run(), _galleries(), title="A run") == page


def test_the_numbers_of_the_summary_add_up() -> None:
    results = _run()
    summary = summarize(results)
    assert summary.n_sources == summary.n_real + summary.n_bogus + summary.n_undecided == 200
    assert (summary.n_injected, summary.n_found, summary.n_images) == (85, 60, 6)
    dia = summary.models[0]
    assert dia.n_scored == 195
    kept = dia.injected_kept
    assert kept.successes == dia.performance.completeness.successes == dia.end_to_end.successes
    assert (kept.trials, dia.end_to_end.trials) == (60, 85)
    assert sum(row.n for row in count_kinds(results)) == 200
    images = tabulate_images(results)
    assert sum(row["sources"] for row in images) == 200  # type: ignore[misc]
    assert sum(row["injected"] for row in images) == 85  # type: ignore[misc]


def _with_kinds() -> Results:
    """A run whose truth has variables, half of them found, and an AGN that is not."""
    results = _run()
    sources = results.sources.copy()
    sources["kind"] = np.where(sources["label"] == 1, "fake", "ghost_disk").astype("U24")
    sources["truth_id"] = np.full(len(sources), -1)
    sources["kind"][:20], sources["truth_id"][:20] = "variable", np.arange(20)
    lost = Table({name: sources[name][:20] for name in ("visit", "detector", "truth_id", "kind")})
    lost["truth_id"] += 1000
    lost["kind"][0] = "agn"
    changes = vstack([sources["visit", "detector", "truth_id", "kind"][:20], lost])
    changes["snr_expected"] = np.where(np.arange(40) == 39, 1.0, 8.0)
    return dataclasses.replace(results, sources=sources, changes=changes)


def test_every_kind_tells_what_is_found_and_how_it_is_scored() -> None:
    results = _with_kinds()
    rows = {(row.label, row.kind): row for row in count_kinds(results)}
    assert list(rows) == [(1, "fake"), (1, "variable"), (1, "agn"), (0, "ghost_disk")]
    variable, agn, fake = rows[1, "variable"], rows[1, "agn"], rows[1, "fake"]
    assert (variable.n, variable.found.successes, variable.found.trials) == (20, 20, 38)
    assert (agn.n, agn.found.successes, agn.found.trials) == (0, 0, 1)
    assert fake.found.trials == (results.fates["snr_expected"] >= 5).sum()
    assert rows[0, "ghost_disk"].found is None
    scores = results.scores("dia")[:20]
    assert variable.models["dia"].above.successes == (scores >= 0.5).sum()
    assert variable.models["dia"].above.trials == 20  # sources without a score count
    assert variable.models["dia"].median == pytest.approx(np.nanmedian(scores))


def test_the_page_shows_every_kind() -> None:
    page = render_page(_with_kinds(), title="A run")
    assert not _Page(page).open
    for text in ("ghost disk", "variable", "agn", "of 38"):
        assert text in page


def test_the_gallery_of_changes_has_cards_of_every_kind() -> None:
    results = _with_kinds()
    results.sources["label_reason"][:20] = "variable"
    results.sources["label_reason"][:3] = "asteroid"
    results.sources["kind"][:3] = "asteroid"
    galleries = choose_galleries(results, lambda places: [{} for _ in places])
    (changes,) = [g for g in galleries if g.title == "Transients, variables and asteroids"]
    kinds = [card.facts[""] for card in changes.cards]
    assert len(kinds) == CARDS
    assert kinds.count("asteroid") == 3 and kinds.count("variable") == CARDS - 3


def test_without_a_truth_table_unmatched_sources_count_as_bogus_and_the_page_says_so() -> None:
    results = _run(truth=False)
    assert summarize(results).bogus_assumed
    assert summarize(results).n_bogus == 140
    assert (results.sources["label"] == -1).sum() == 140
    assert "purity is a lower limit" in render_page(results, title="A run")


@pytest.mark.parametrize("sizes", [(0, 0, 0), (0, 30, 0), (0, 0, 9), (12, 0, 0)], ids=str)
def test_runs_with_little_in_them_have_a_page(sizes: tuple[int, int, int], tmp_path: Path) -> None:
    path = write_page(tmp_path / "page.html", _run(*sizes), title="A run")
    assert not _Page(path.read_text()).open


def unpack(stamps: str) -> np.ndarray:
    *shape, levels, data = stamps.split(" ")
    pixels = np.frombuffer(zlib.decompress(base64.b64decode(data), -zlib.MAX_WBITS), np.uint8)
    assert int(levels) == LEVELS and pixels.max() <= LEVELS
    return pixels.reshape([int(side) for side in shape])


def test_stamps_are_packed_pixel_by_pixel() -> None:
    stamp = np.zeros((21, 31))
    stamp[10, 12], stamp[0, 0] = 100.0, np.nan
    science, difference = unpack(pack_panels(stretch_triplet({"science": stamp, "difference": -stamp})))
    assert science.shape == difference.shape == (21, 31)
    assert science[10, 12] == LEVELS and difference[10, 12] == 1
    missing = np.zeros((21, 31), bool)
    missing[20, 0] = True  # the lower left corner: rows go down from the top
    np.testing.assert_array_equal(science == 0, missing)
    assert (unpack(pack_panels(stretch_triplet({"science": np.full((5, 5), np.nan)}))) == 0).all()


def test_grey_levels_are_finer_than_the_noise() -> None:
    noise = generator(2, "test-report").normal(size=(51, 51))
    for role in ("science", "difference"):
        (panel,) = stretch_triplet({role: noise})
        (levels,) = unpack(pack_panels([panel]))
        near = np.abs(noise) < 1
        steps = np.ptp(np.flip(levels, 0)[near].astype(int)) / np.ptp(noise[near])
        assert steps > 3, "grey levels to a standard deviation of the noise"


def test_defect_21_ten_thousand_noisy_sources_stay_under_60_mb() -> None:
    """White noise is what compresses least; what else is on the page is a tenth of the stamps."""
    rng = generator(7, "test-report")
    roles = ("science", "template", "difference")
    packed = [
        pack_panels(stretch_triplet({role: rng.normal(50, 3, (51, 51)) for role in roles})) for _ in range(50)
    ]
    assert 10_000 * np.mean([len(stamps) for stamps in packed]) < 56e6


def test_defect_21_a_report_of_ten_thousand_sources_stays_under_60_mb() -> None:
    rng = generator(7, "test-report")
    roles = ("science", "template", "difference")
    stamps = [
        pack_panels(stretch_triplet({r: rng.normal(50, 3, (51, 51)) for r in roles})) for _ in range(20)
    ]
    cards = [
        CutoutCard(
            id=str(8796093022208001 + i), where=f"visit {1000 + i % 50}, detector 3", stamps=stamps[i % 20],
            roles=roles, snr=round(9.123 + i / 100, 2), x=1234.5, y=2345.6, ra=150.123456, dec=2.123456,
            scores={"score_dia": round(i / 10_000, 4), "score_nodia": 0.1234}, flags=("edge",) * (i % 9 == 0),
            planes=(), label="real", reason="injected",
        )
        for i in range(10_000)
    ]  # fmt: skip
    assert len(render_page(_run(4000, 6000, 500), title="A run", cards=cards).encode()) < 60e6


def test_losses_of_both_models_stand_beside_each_other_and_add_up() -> None:
    results = _run()
    rows = _tabulate_losses(_budgets(results))
    for name in results.models:
        assert sum(row["n"][name] for row in rows) == 85  # type: ignore[index, misc]
        assert rows[-1]["n"][name] == results.passes(name).sum()  # type: ignore[index]
    assert {"detected", "on good pixels"} <= {row["step"] for row in rows}


@pytest.mark.parametrize("host", [0.0, 3000.0])
@pytest.mark.parametrize("peak", [0.7, 3.0, 1000.0])
def test_defect_23_a_fake_shows_however_faint_it_and_bright_its_host(host: float, peak: float) -> None:
    """On one scale for all three, the fake is at least three grey levels above the difference's zero."""
    rng = generator(8, "test-report")
    y, x = np.mgrid[-20:21, -20:21]
    before = rng.normal(100, 1, (41, 41)) + host * np.exp(-np.hypot(x, y) / 3)
    after = before + peak * np.exp(-(x**2 + y**2) / 8)
    stretch = stretch_fake(before, after)
    first, second, difference = unpack(pack_panels(stretch.panels)).astype(int)
    assert difference[20, 20] - difference[0, 0] >= 3
    assert 0.85 < stretch.noise < 1.5
    assert stretch.white == pytest.approx(max(peak / stretch.noise, 3))
    # One scale: what has the same level has the same value above its zero.
    middle = np.nanmedian(before)
    flat = [np.flip(part, 0) for part in (before - middle, after - before)]
    same = np.abs(flat[0] - flat[1]) < 0.02
    assert np.abs(first - difference)[same].max(initial=0) <= 1
    assert (second >= first).all()


def test_defect_23_every_mark_of_the_curves_is_in_the_legend(page: str) -> None:
    for text in ("95 % interval of purity", "at a score of 0.5", "chance"):
        assert text in page


def test_defect_23_badges_name_their_model(page: str) -> None:
    assert ">dia 0.93</span>" in page and ">nodia –</span>" in page
    assert page.count('data-names="science,template,difference"') == 3


def test_galleries_show_what_went_right_and_wrong() -> None:
    results = _run()
    results.sources["label_reason"][5:15] = "transient"
    results.sources["label_reason"][100:120] = "cosmic_ray"
    results.sources["score_dia"][[2, 4]] = 0.3, 0.1
    asked: list[Table] = []

    def read(places: Table) -> list[dict[str, np.ndarray]]:
        asked.append(places)
        return [{"science": np.full((5, 5), x)} for x in places["x"]]

    galleries = {gallery.title: gallery for gallery in choose_galleries(results, read)}
    assert len(asked) == 1
    cards = [card for gallery in galleries.values() for card in gallery.cards]
    assert [card.stamps["science"][0, 0] for card in cards] == asked[0]["x"].tolist()
    found = galleries["Injected supernovae that were found"]
    assert (len(found.cards), found.total) == (CARDS, 50)
    assert galleries["Transients, variables and asteroids"].total == 10
    kinds = {card.facts[""] for card in galleries["Bogus sources"].cards}
    assert kinds == {"noise", "cosmic ray"}
    lost = galleries["Injected supernovae that were lost"]
    snr = [float(card.facts["expected SNR"]) for card in lost.cards]
    assert snr == sorted(snr, reverse=True) and lost.total == 25
    assert galleries["Sources without a score"].total == 5
    wrong = galleries["Real sources that dia takes for bogus"]
    assert [card.scores["dia"] for card in wrong.cards[:2]] == [0.1, 0.3]


def test_a_run_with_nothing_in_it_has_no_galleries() -> None:
    assert choose_galleries(_run(0, 0, 0), lambda places: []) == []
