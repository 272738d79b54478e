"""`realbogus explain` and its page: what is drawn, hovered, labelled with keys, saved, and learnt from."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from chromium import EXECUTABLE, Browser
from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.explanation import EXPLANATION, WINNERS
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tables import read_table_file
from lsst.meas.realbogus.training import StampSet

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]
pytest.importorskip("tensorflow")

N = 40
FIRST = 8796093022208001
"""More digits than a browser's numbers have."""
EVIL = "</script><img src=x>"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in arguments])


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write stars and hot pixels: every fifth with the wrong label, one without label, one without pixels."""
    rng = generator(1, "test-explanation-page")
    y, x = np.mgrid[-20:21, -20:21]
    label = (np.arange(N) % 2).astype(np.int64)
    star, pixel = 15 * np.exp(-0.125 * (x**2 + y**2)), 60.0 * (np.hypot(x, y) < 0.5)
    source = np.where(label[:, None, None] == 1, star, pixel)
    template = rng.normal(size=(N, 41, 41))
    science = rng.normal(size=(N, 41, 41)) + source
    pixels = {"difference": science - template, "science": science, "template": template}
    for image in pixels.values():
        image[7] = np.nan
    label[::5] = 1 - label[::5]
    label[11] = -1
    kind = np.where(np.arange(N) % 2, "fake", "cosmic_ray").astype("U24")
    kind[3] = EVIL
    path = tmp_path_factory.mktemp("explanation") / "stamps.npz"
    snr = np.linspace(5, 50, N)
    np.savez(path, id=FIRST + np.arange(N), label=label, kind=kind, snr=snr, visit=np.full(N, 42), **pixels)
    return path


@pytest.fixture(scope="module")
def page(stamps: Path) -> Path:
    path = stamps.with_name("page.html")
    tables = ("--table", stamps.with_name("table.parquet"), "--winners", stamps.with_name("winners.ecsv"))
    result = run("explain", stamps, "-o", path, *tables, "-c", "embedding.method=pca", "-c", "hardest=6")
    assert result.exit_code == 0, result.output
    assert f"{N} of {N} sources" in result.output and "unscored: 1 sources" in result.output
    return path


def test_tables_hold_every_source(page: Path) -> None:
    table = read_table_file(page.with_name("table.parquet"))
    assert table.colnames == list(EXPLANATION) and len(table) == N
    assert table["diaSourceId"].tolist() == list(range(FIRST, FIRST + N)) and set(table["visit"]) == {42}
    assert np.isnan(table["score"][7]) and table["outcome"][11] == "undecided"
    winners = read_table_file(page.with_name("winners.ecsv"))
    assert winners.colnames == list(WINNERS) and winners["n"].sum() == N


def test_what_cannot_be_explained_is_said_on_one_line(stamps: Path, tmp_path: Path) -> None:
    assert run("explain", "-o", tmp_path / "x.html").exit_code == 2
    again = run("explain", stamps, "-o", stamps.with_name("stamps.npz"))
    assert again.exit_code == 1 and "exists" in again.output
    wrong = run("explain", stamps, "-o", tmp_path / "x.html", "-c", "embedding.method=tsne")
    assert wrong.exit_code == 1 and "umap" in wrong.output


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if EXECUTABLE is None:
        pytest.skip("there is no chromium on this machine")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def point(browser: Browser, row: int) -> tuple[float, float]:
    """Return where the point of a source is in the window, with the map scrolled into view."""
    browser.run("document.querySelector('#map').scrollIntoView({block: 'center'})")
    box = "document.querySelector('#map').getBoundingClientRect()"
    x, y, dx, dy = browser.run(f"(box => [box.x, box.y, ...map.spots.get({row})])({box})")
    return x + dx, y + dy


def move(browser: Browser, x: float, y: float, kind: str = "mouseMoved", **more: object) -> None:
    browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)


def press(browser: Browser, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key)


@pytest.mark.browser
def test_the_point_under_the_pointer_shows_its_stamps(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.drawn()
    under = "document.querySelector('#under').innerText"
    # The point farthest from all others, so that no other can be meant.
    row = browser.run(
        "map.rows.map(a => [Math.min(...map.rows.filter(b => b !== a).map(b => Math.hypot("
        "facts.x[a] - facts.x[b], facts.y[a] - facts.y[b]))), a]).sort((a, b) => b[0] - a[0])[0][1]"
    )
    place = point(browser, row)
    move(browser, *place)
    browser.wait(f"{under}.includes('{FIRST + row}')")
    browser.drawn()
    text = browser.run(under)
    assert text.split("\n")[:3] == ["science", "template", "difference"] and "shares: difference" in text
    move(browser, 5, 5)
    browser.wait(f"{under} === ''")
    for kind in ("mousePressed", "mouseReleased"):
        move(browser, *place, kind=kind, button="left", clickCount=1)
    move(browser, 5, 5)
    assert str(FIRST + row) in browser.run(under)  # a click keeps it
    press(browser, "ArrowRight")
    assert browser.run(under) and str(FIRST + row) not in browser.run(under)
    assert not browser.faults()


@pytest.mark.browser
def test_the_map_is_coloured_by_whatever_is_chosen(browser: Browser, page: Path) -> None:
    browser.open(page)
    legend = "document.querySelector('#legend').innerText"
    assert "TP (" in browser.run(legend) and "of 40 sources have a place" in browser.run(
        "document.body.innerText"
    )
    for name, shown in (
        ("class", "undecided (1)"),
        ("kind", f"{EVIL} (1)"),
        ("segment", "("),
        ("score", "1.00"),
    ):
        browser.enter("#color", name)
        assert shown in browser.run(legend), name
    browser.enter("#color", "snr")
    assert browser.run(legend).split() == ["5.00", "50.0"]
    assert len(set(browser.run("map.colors"))) > 20
    browser.enter("#color", "kind")
    browser.run("document.querySelector('#legend').scrollIntoView({block: 'center'})")
    browser.click("#legend button")
    assert browser.run("map.hidden.filter(Boolean).length") >= 18
    assert browser.run("document.querySelectorAll('img[src=x]').length") == 0
    assert not browser.faults()


@pytest.mark.browser
def test_two_keys_label_and_the_table_is_learnt_from(browser: Browser, page: Path, stamps: Path) -> None:
    browser.open(page)
    press(browser, "r")  # nothing is chosen yet
    assert browser.run("byHand.size") == 0 and browser.run("document.querySelector('#save').disabled")
    rows = browser.run("cards.map(card => card.row)")
    browser.run("document.querySelector('#hardest .card').scrollIntoView()")
    browser.click("#hardest .card .text")
    for key in ("b", "r", "R", "b", "ArrowLeft", "u"):
        press(browser, key)
    expected = dict(zip(rows[:3], (0, 1, 1), strict=True))
    folder = page.parent / "saved"
    folder.mkdir(exist_ok=True)
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.run("document.querySelector('#save').scrollIntoView({block: 'center'})")
    browser.click("#save")
    for _ in range(200):
        if (folder / "labels.csv").exists():
            break
        browser.run("new Promise(done => setTimeout(done, 20))")
    saved = (folder / "labels.csv").read_text()
    found = {int(row["diaSourceId"]): int(row["label"]) for row in csv.DictReader(io.StringIO(saved))}
    assert found == {FIRST + row: label for row, label in expected.items()}
    assert not browser.faults()
    result = run("train", "stamps", stamps, "--labels", folder / "labels.csv", "-o", page.parent / "set")
    assert result.exit_code == 0, result.output
    learnt = StampSet(page.parent / "set").load()
    assert learnt.label.tolist() == [expected[row] for row in sorted(expected)]
    with np.load(stamps) as file:
        np.testing.assert_array_equal(
            learnt.pixels["science"], file["science"][sorted(expected)].astype(np.float32)
        )


@pytest.mark.browser
@pytest.mark.parametrize("width", [1300, 400])
def test_the_page_fits_its_window(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width)
    browser.drawn()
    assert browser.overflow() == 0 and not browser.faults()
