"""The pages as a browser shows them: what is drawn, filtered, sorted, copied and printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from chromium import EXECUTABLE, Browser
from lsst.meas.realbogus.cutouts import extract_triplets, read_dia_sources, stamp_table
from lsst.meas.realbogus.evaluation import Results
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.report import (
    CutoutCard,
    FakeCard,
    Gallery,
    TripletCard,
    make_cards,
    write_cutouts_page,
    write_fakes_page,
    write_page,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="there is no chromium on this machine"),
]

EVIL = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
N = 60


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def load(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Write cards on a page and open it."""

    def load(cards: list[CutoutCard], width: int = 1400) -> Browser:
        browser.open(write_cutouts_page(tmp_path / "page.html", cards, title=EVIL, note=EVIL), width)
        browser.drawn()
        return browser

    return load


def make_sources(
    n: int = N, reason: str = "injected", where: str = "visit 1000, detector 4"
) -> list[CutoutCard]:
    """Make cards of noise; SNR, scores and labels follow the row, every tenth source has no score."""
    rng = generator(3, "test-browser")
    row, image = np.arange(n), rng.normal(size=(80, 80)).astype(np.float32)
    x, y = rng.uniform(0, 79, (2, n))
    sources = read_dia_sources(
        {
            "diaSourceId": 8796093022208001 + row,
            "x": x,
            "y": y,
            "ra": np.linspace(0, 359.9999999, n),
            "dec": np.linspace(-89, 89, n),
            "psfFlux": (row + 1.0) * np.where(row % 4, 1, -1),
            "psfFluxErr": np.ones(n),
        }
    )
    scores = Table(
        {
            "id": sources["id"],
            "score": np.full(n, 0.5),
            "score_dia": np.where(row % 10 == 9, np.nan, row / n),
            "score_nodia": 1 - row / n,
            "flag_nan": row % 5 == 0,
        }
    )
    match = Table({"diaSourceId": sources["id"], "label": (row % 2).astype(np.int8)})
    match["label_reason"] = np.full(n, reason)
    stamps = extract_triplets(image, image, image, x, y, 21)
    return make_cards(stamp_table(sources, stamps), scores, match, where=where)


def found(browser: Browser) -> int:
    return int(browser.run("document.querySelector('#count').textContent").split()[0])


def wait_for_all(browser: Browser) -> None:
    """Wait for the cards below the first screens."""
    browser.wait(f"document.querySelectorAll('.card').length === {N}")


def shown_ids(browser: Browser) -> list[int]:
    wait_for_all(browser)
    script = "[...document.querySelectorAll('.card .name .copy')].map(node => node.textContent)"
    return [int(text) - 8796093022208001 for text in browser.run(script)]


def test_defect_23_stamps_are_labelled_and_badges_name_their_model(load: Callable[..., Browser]) -> None:
    page = load(make_sources())
    text = page.run("document.querySelector('.card').innerText")
    assert text.split("\n")[:3] == ["science", "template", "difference"]
    assert "dia 0.000" in text and "nodia 1.000" in text and "score 0.5" not in text
    assert "negative" in text and "bogus: injected" in text and "visit 1000, detector 4" in text
    assert page.run("document.querySelector('canvas').getAttribute('aria-label')").startswith(
        "science, template"
    )
    assert not page.faults()


def test_defect_23_an_empty_field_is_no_limit(load: Callable[..., Browser]) -> None:
    page = load(make_sources())
    assert found(page) == N
    page.enter("#high", "0.5")
    assert found(page) == 31 - 3 + 6
    page.enter("#high", "")
    assert found(page) == N
    page.enter("#low", "0.5")
    assert found(page) == 30 - 3 + 6
    page.run("document.querySelector('#unscored').click()")
    assert found(page) == 30 - 3
    page.enter("#low", "")
    assert found(page) == N - 6
    page.enter("#snr-low", "50")
    assert found(page) == 11 - 2
    page.run("document.querySelector('button[type=reset]').click()")
    page.wait(f"document.querySelector('#count').textContent.startsWith('{N} ')")


def test_filters_add_up(load: Callable[..., Browser]) -> None:
    page = load(make_sources(20, where="visit 7, detector 1") + make_sources(30))
    page.enter("#id", "Visit 7")
    assert found(page) == 20
    page.run("document.querySelector('#flags input[value=negative]').click()")
    assert found(page) == 5
    page.enter("#label", "real")
    assert found(page) == 0
    assert page.run("document.querySelector('#nothing').hidden") is False
    page.enter("#label", "bogus")
    page.enter("#id", "8796093022208005")
    assert found(page) == 2


def test_sources_are_sorted_and_those_without_a_score_come_last(load: Callable[..., Browser]) -> None:
    page = load(make_sources())
    scored, unscored = [row for row in range(N) if row % 10 != 9], list(range(9, N, 10))
    assert shown_ids(page) == list(range(N))
    page.enter("#order", "-score")
    assert shown_ids(page) == scored[::-1] + unscored
    page.enter("#order", "score")
    assert shown_ids(page) == scored + unscored
    page.enter("#which", "score_nodia")
    assert shown_ids(page) == list(range(N))[::-1]
    page.enter("#order", "-snr")
    assert shown_ids(page) == list(range(N))[::-1]


def test_defect_23_positions_are_shown_and_can_be_copied(load: Callable[..., Browser]) -> None:
    page = load(make_sources())
    wait_for_all(page)
    texts, titles = (
        page.run(f"[...document.querySelectorAll('.card [title]')].map(node => node.{what})")
        for what in ("textContent", "title")
    )
    degrees = np.array([text.split() for text in texts], float)
    np.testing.assert_allclose(degrees[:, 0], np.linspace(0, 359.9999999, N), atol=6e-7)
    np.testing.assert_allclose(degrees[:, 1], np.linspace(-89, 89, N), atol=6e-7)
    told = SkyCoord(titles, unit=("hourangle", "deg"))
    assert told.separation(SkyCoord(*degrees.T, unit="deg")).arcsec.max() < 0.02
    assert all(int(title[:2]) < 24 and ":60." not in title for title in titles)
    page.run("getSelection().removeAllRanges()")
    page.click(".card [title]")
    assert page.run("getSelection().toString()") == texts[0]


def test_defect_21_a_long_list_holds_few_cards_and_shows_all(load: Callable[..., Browser]) -> None:
    page = load(make_sources(400) * 10)
    assert found(page) == 4000
    assert page.run("document.querySelectorAll('.card').length") < 500
    page.run("window.scrollTo(0, document.documentElement.scrollHeight)")
    last = "document.querySelector('.block:last-child .card:last-child')"
    page.wait(f"{last} && {last}.getBoundingClientRect().top < innerHeight")
    assert page.run(f"{last}.querySelector('.copy').textContent") == str(8796093022208001 + 399)
    page.drawn()
    assert page.run("document.querySelectorAll('.card').length") < 500
    page.resize(500)
    page.wait("document.querySelector('main').style.getPropertyValue('--columns') === '1'")
    assert page.run("document.querySelectorAll('.card').length") < 500
    assert not page.faults()


def test_stamps_are_drawn_as_they_are(load: Callable[..., Browser]) -> None:
    """A source in the upper right of its stamp is in the upper right of the picture, gaps are salmon."""
    image = np.zeros((40, 40), np.float32)
    image[25, 26] = 100.0
    sources = read_dia_sources({"diaSourceId": [1], "x": [20.0], "y": [20.0], "psfFlux": [1.0]})
    image[14, 14] = np.nan
    page = load(make_cards(stamp_table(sources, extract_triplets(image, image, -image, [20], [20], 13))))
    pixels = page.run(
        "(c => [c.width, c.height, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data])"
        "(document.querySelector('canvas'))"
    )
    assert pixels[:2] == [3 * 13 + 2 * 2, 13]
    drawn = np.array(pixels[2:]).reshape(13, 43, 4)
    assert (
        (drawn[1, 12, :3] == 255).all() and (drawn[1, 27, :3] == 255).all() and (drawn[1, 42, :3] == 0).all()
    )
    assert tuple(drawn[12, 0]) == (237, 199, 184, 255)
    assert (drawn[:, 13:15, 3] == 0).all()


@pytest.mark.parametrize("width", [1400, 500, 360])
def test_defect_23_nothing_is_wider_than_the_window(load: Callable[..., Browser], width: int) -> None:
    page = load(make_sources(), width)
    page.run("document.querySelector('#panel').open = true")
    assert page.overflow() == 0
    for selector in ("header", "#panel", "main", ".card"):
        assert page.run(f"(e => e.scrollWidth - e.clientWidth)(document.querySelector('{selector}'))") <= 0


def test_what_is_drawn_is_printed(load: Callable[..., Browser], tmp_path: Path) -> None:
    page = load(make_sources(400) * 3)
    page.wait("document.querySelectorAll('.card').length === 120")
    page.drawn()
    page.pdf(tmp_path / "page.pdf")
    assert page.run("document.querySelector('#printed').textContent").startswith("120 of them")
    page.call("Emulation.setEmulatedMedia", media="print")
    hidden = "getComputedStyle(document.querySelector('#filter')).display"
    height = page.run("document.documentElement.scrollHeight")
    page.call("Emulation.setEmulatedMedia", media="")
    assert page.run(hidden) == "flex"
    assert height < page.run("document.documentElement.scrollHeight") / 3


def test_defect_23_text_from_data_stays_text(load: Callable[..., Browser]) -> None:
    page = load(make_sources(3, reason=EVIL, where=EVIL))
    assert page.run("document.title") == EVIL
    assert page.run("document.querySelectorAll('script').length") == 3
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.querySelector('.card').textContent").count(EVIL) == 2
    assert not page.faults()


def fakes(population: str = "hosted") -> tuple[Table, list[FakeCard]]:
    rng = generator(4, "test-browser")
    before = rng.normal(100, 5, (31, 31))
    catalog = Table(
        {
            "population": [population, population, "hostless"],
            "injection_id": [5, 6, 7],
            "supernova_id": [1, 2, 3],
            "visit": [1, 1, 2],
            "detector": [0, 0, 0],
            "band": ["r", "r", "g"],
            "sn_type": ["Ia", "Ia", "II"],
            "sn_model": ["other", "other", "other"],
            "mjd": [60000.0, 60000.0, 60003.0],
            "peak_mjd": [60000.0, 60001.0, 60002.0],
            "mag": [20.0, 25.1, 23.0],
            "ra": [10.0, 10.01, 10.02],
            "dec": [-5.0, -5.01, -5.02],
            "x": [15.0, 16.0, 17.0],
            "y": [15.0, 16.0, 17.0],
            "host_mag": [22.0, 21.0, np.nan],
            "host_offset": [0.3, 0.2, np.nan],
            "host_a": [1.0, 1.0, np.nan],
            "injection_flag": [0, 0, 0],
            "fate": ["found", "below_threshold", ""],
            "snr_expected": [50.0, 2.5, np.nan],
        }
    )
    y, x = np.mgrid[-15:16, -15:16]
    psf = np.exp(-(x**2 + y**2) / 8)
    peaks = (500.0, 2.5, 50.0)
    return catalog, [
        FakeCard(dict(zip(catalog.colnames, row, strict=True)), before, before + peak * psf)
        for row, peak in zip(catalog, peaks, strict=True)
    ]


@pytest.mark.parametrize("width", [1400, 500, 360])
def test_defect_23_the_fakes_page_shows_fates_and_expected_snr(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    page = browser
    page.open(write_fakes_page(tmp_path / "fakes.html", "Fakes", *fakes()), width)
    page.drawn()
    cards = page.run("[...document.querySelectorAll('.card')].map(node => node.innerText)")
    assert "found" in cards[0] and "expected SNR 50.0" in cards[0]
    assert (
        "below threshold" in cards[1] and "expected SNR 2.5" in cards[1] and "10.010000 -5.010000" in cards[1]
    )
    assert "SNR" not in cards[2] and "found" not in cards[2]
    assert cards[0].split("\n")[:3] == ["before", "after", "difference"]
    assert page.overflow() == 0 and not page.faults()


def test_defect_23_text_of_the_fakes_page_stays_text(browser: Browser, tmp_path: Path) -> None:
    catalog, cards = fakes(population=EVIL + " $\\frac$")
    browser.open(write_fakes_page(tmp_path / "fakes.html", EVIL, catalog, cards))
    browser.drawn()
    assert browser.run("document.title") == EVIL
    assert EVIL in browser.run("document.querySelector('.card').textContent")
    assert not browser.faults()


@pytest.mark.parametrize("width", [1400, 500, 360])
def test_defect_23_the_report_fits_its_window(browser: Browser, tmp_path: Path, width: int) -> None:
    stamp = generator(5, "test-browser").normal(size=(21, 21))
    card = TripletCard(
        "1 · 2",
        dict.fromkeys(("science", "difference"), stamp),
        {"<b>$\\dia$": 0.9, "b": np.nan},
        {"SNR": EVIL},
    )
    n = 40
    sources = Table(
        {
            "diaSourceId": np.arange(n) + 1,
            "visit": np.full(n, 10**14),
            "detector": np.zeros(n, int),
            "label": (np.arange(n) % 2).astype(np.int8),
            "label_reason": np.where(np.arange(n) % 2, "transient", "noise").astype("U24"),
            "score": np.linspace(0, 1, n),
            **dict.fromkeys(("psfFlux", "psfFluxErr", "x", "y", "xErr", "yErr"), np.ones(n)),
        }
    )
    columns = ("visit", "detector", "diaSourceId", "x", "y", "flux", "snr_expected", "mag")
    fates = Table({name: np.zeros(0) for name in columns} | {"fate": np.zeros(0, "U24")})
    provenance = {EVIL: EVIL, "command": "pipetask run -b /" + "x" * 300}
    results = Results(sources, fates, {"<b>$\\dia$": "score"}, 0.5, provenance)
    galleries = [Gallery(EVIL, EVIL, [card] * 5, 9)]
    browser.open(write_page(tmp_path / "report.html", results, galleries, title=EVIL), width)
    browser.drawn()
    text = browser.run("document.querySelector('.card').innerText")
    assert (
        text.split("\n")[:2] == ["science", "difference"]
        and "<b>$\\dia$ 0.90" in text
        and "b –" in text
        and EVIL in text
    )
    assert (
        browser.run("document.title") == EVIL and browser.run("document.querySelectorAll('img').length") == 0
    )
    assert browser.overflow() == 0
    assert browser.run("(e => e.scrollWidth - e.clientWidth)(document.querySelector('header'))") <= 0
    assert not browser.faults()


def run_of(cards: list[CutoutCard]) -> Results:
    """Make the run that cards are of, with a found fake for every real one and as many that were lost."""
    n = len(cards)
    real = np.array([card.label == "real" for card in cards])
    ids = np.array([int(card.id) for card in cards])
    sources = Table({"diaSourceId": ids, "visit": np.full(n, 1000), "detector": np.full(n, 4)})
    sources["label"], sources["label_reason"] = real.astype(np.int8), np.where(real, "injected", "noise")
    sources["snr"], sources["psfFlux"], sources["psfFluxErr"] = np.full(n, 20.0), 2000.0, 100.0
    for name in ("x", "y", "xErr", "yErr"):
        sources[name] = np.ones(n)
    for name in ("score_dia", "score_nodia"):
        sources[name] = [np.nan if (v := card.scores[name]) is None else v for card in cards]
    found = np.repeat([True, False], real.sum())
    fates = Table({"visit": np.full(found.size, 1000), "detector": np.full(found.size, 4)})
    fates["injection_id"], fates["fate"] = np.arange(found.size), np.where(found, "found", "undetected")
    fates["diaSourceId"] = np.where(found, np.tile(ids[real], 2), -1)
    for name, value in {"x": 1.0, "y": 1.0, "flux": 2000.0, "snr_expected": 20.0, "mag": 23.0}.items():
        fates[name] = np.full(found.size, value)
    models = {"dia": "score_dia", "nodia": "score_nodia"}
    return Results(sources, fates, models, 0.5, {"software": "numpy 2"})


def move(browser: Browser, x: float, y: float, kind: str = "mouseMoved") -> None:
    """Move the mouse over the map of sources, to a place in parts of its axes."""
    left, top, width, height = browser.run(
        "(b => [b.x + 46, b.y + 10, b.width - 58, b.height - 48])"
        "(document.querySelector('#dots').getBoundingClientRect())"
    )
    place = {"x": left + x * width, "y": top + (1 - y) * height}
    browser.call("Input.dispatchMouseEvent", type=kind, button="none", **place)


@pytest.mark.parametrize("width", [1400, 390])
def test_every_source_of_the_report_shows_its_stamps_and_passes_filters(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    cards = make_sources()
    browser.open(write_page(tmp_path / "report.html", run_of(cards), title="Run", cards=cards), width)
    browser.drawn()
    browser.run("document.querySelector('#explorer').scrollIntoView()")
    passing = "parseInt(document.querySelector('#passing').textContent)"
    chosen = "document.querySelector('#chosen .card')?.dataset.row"
    assert browser.run(passing) == N and browser.run(chosen) is None
    # dia is row / n and nodia is 1 - row / n: row 30 lies in the middle.
    move(browser, 0.5, 0.5)
    assert browser.run(chosen) == "30"
    browser.drawn()
    text = browser.run("document.querySelector('#chosen .card').innerText")
    assert "dia 0.500" in text and "nodia 0.500" in text and cards[30].id in text
    move(browser, 1 - 45 / N, 45 / N)
    assert browser.run(chosen) == "45"
    browser.run("document.querySelector('#is').value = 'real'; 0")
    browser.enter("#from", "0.5")
    expected = [i for i, c in enumerate(cards) if c.label == "real" and (c.scores["score_dia"] or 0) >= 0.5]
    assert browser.run(passing) == len(expected)
    browser.run("document.querySelector('#narrow').reset(); 0")
    browser.wait(f"{passing} === {N}")
    browser.enter("#search", cards[7].id)
    assert browser.run(passing) == 1
    browser.run("document.querySelector('#narrow').reset(); 0")
    browser.wait(f"{passing} === {N}")
    browser.run("document.querySelector('#against').value = 'snr'; 0")
    browser.enter("#which", "score_nodia")
    assert browser.run(passing) == N
    assert browser.overflow() == 0 and not browser.faults()


def test_the_report_says_in_short_what_it_shows_in_length(browser: Browser, tmp_path: Path) -> None:
    cards = make_sources()
    browser.open(write_page(tmp_path / "report.html", run_of(cards), title="Run", cards=cards))
    words = browser.run("document.querySelector('#summary').innerText")
    assert "Detection finds 50.0 %" in words and "Area under the ROC curve" in words
    assert "Validation of the injections" in words
    kept = browser.run("[...document.querySelectorAll('tr.kept td')].map(cell => cell.innerText)")
    lost = browser.run("document.querySelector('#injected').innerText")
    assert "adds up" not in lost and "add up to 60" in lost
    numbers = browser.run(
        "[...document.querySelectorAll('#injected tbody tr')].map(row => +row.cells[2].innerText)"
    )
    assert sum(numbers) == 60 and int(kept[2]) == numbers[-1]
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().count(b"/Type /Page") >= 3
    assert not browser.faults()
