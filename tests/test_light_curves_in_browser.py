"""The page of light curves as a browser shows it: three views that know of each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chromium import EXECUTABLE, Browser
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.report import SourceMap, write_light_curves_page
from test_light_curves_page import EVIL, cards_of, make_curves

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="there is no chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def load(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    def load(width: int = 1400) -> Browser:
        sources, curves = make_curves()
        rng = generator(5, "test-light-curves-page")
        places = SourceMap("umap", sources["diaSourceId"], rng.normal(size=(len(sources), 2)))
        page = write_light_curves_page(
            tmp_path / "page.html", curves, cards_of(sources), title=EVIL, source_map=places
        )
        browser.open(page, width)
        browser.drawn()
        return browser

    return load


def mouse(page: Browser, row: int, *kinds: str) -> None:
    """Move the mouse to the point of an epoch of the map, and press it there."""
    x, y = page.run(
        f"(([x, y], b) => [b.x + x, b.y + y])(map.spots.get({row}), map.canvas.getBoundingClientRect())"
    )
    for kind in ("mouseMoved", *kinds):
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def drag(page: Browser, x: float, y: float, by: float) -> None:
    """Move the mouse to the right with its button down."""
    for kind, step, down in (("mousePressed", 0, 1), ("mouseMoved", by, 1), ("mouseReleased", by, 0)):
        page.call(
            "Input.dispatchMouseEvent", type=kind, x=x + step, y=y, button="left", buttons=down, clickCount=1
        )


def text_of(page: Browser, selector: str) -> str:
    return str(page.run(f"document.querySelector({json.dumps(selector)}).innerText"))


def test_a_point_shows_its_stamps_and_a_click_its_object(load: Callable[..., Browser]) -> None:
    page = load()
    row = page.run("[...map.spots.keys()].find(row => epochs.object[row] !== chosen)")
    mouse(page, row)
    page.wait("!document.querySelector('#tip').hidden")
    page.drawn()
    identifier = page.run(f"epochs.id[{row}]")
    assert identifier in text_of(page, "#tip") and page.run("!!document.querySelector('#tip canvas')")
    mouse(page, row, "mousePressed", "mouseReleased")
    page.drawn()
    object_id = page.run(f"objects.id[epochs.object[{row}]]")
    assert text_of(page, "#name") == object_id and identifier in text_of(page, ".epochs")
    assert page.run("location.hash") == "#" + object_id
    count = page.run(f"ofObject[epochs.object[{row}]].length")
    assert page.run("document.querySelectorAll('.epochs .card').length") == count
    assert page.run("document.querySelectorAll('#curve [data-row]').length") == count
    assert page.run("document.querySelector('tr.marked').innerText").startswith(object_id)
    assert page.run("document.title") != "taken" and not page.faults()


def test_a_non_detection_is_a_triangle(load: Callable[..., Browser]) -> None:
    page = load()
    page.run("select(ofObject.findIndex(rows => rows.some(row => !epochs.id[row])))")
    assert "not found; 5σ 500 nJy" in text_of(page, ".epochs")
    assert page.run("document.querySelectorAll('#curve path').length") >= 1


def test_filters_choose_objects_in_all_views(load: Callable[..., Browser]) -> None:
    page = load()
    assert text_of(page, "#count") == "80 of 80 objects"
    page.enter("#confirmation", "confirmed")
    assert text_of(page, "#count") == "40 of 80 objects"
    assert page.run("[...map.spots.keys()].every(row => isConfirmed(epochs.object[row]))")
    assert page.run("document.querySelectorAll('tbody tr').length") == 40
    page.enter("#fewest", "6")
    assert page.run("passing.every(object => objects.sources[object] >= 6)")
    page.enter("#find", "no such id")
    assert text_of(page, "#count") == "0 of 80 objects" and "No object" in text_of(page, "#name")
    page.run("document.querySelector('button[type=reset]').click()")
    page.wait("document.querySelector('#count').innerText.startsWith('80 ')")
    assert not page.faults()


def test_axes_colours_zoom_and_order(load: Callable[..., Browser]) -> None:
    page = load()
    total = page.run("sources.length")
    for axes in ("score", "sky", "time", "map"):
        page.enter("#axes", axes)
        assert page.run("map.spots.size") == total, axes
    for colour in ("label", "confirmation", "band"):
        page.enter("#colour", colour)
        assert page.run("document.querySelectorAll('#legend .dot').length") >= 2, colour
    page.click("#legend button")
    assert 0 < page.run("map.spots.size") < total
    for colour in ("snr", "score"):
        page.enter("#colour", colour)
        assert page.run("document.querySelectorAll('#legend canvas').length") == 1, colour
        assert page.run("new Set(map.colors).size") >= 2 and page.run("map.spots.size") == total
    x, y = page.run("(b => [b.x + b.width / 2, b.y + b.height / 2])(map.canvas.getBoundingClientRect())")
    for _ in range(5):
        page.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-100)
    page.wait(f"map.spots.size < {total}")
    page.run("map.canvas.dispatchEvent(new MouseEvent('dblclick'))")
    assert page.run("map.spots.size") == total
    selected = page.run("objects.id[chosen]")
    drag(page, x, y, by=120)
    page.wait(f"map.spots.size < {total}")  # points at the right have left the frame
    assert page.run("objects.id[chosen]") == selected
    page.run("document.querySelector('#list').scrollIntoView()")
    page.click("th[data-by=score]")
    page.click("th[data-by=score]")
    scores = page.run("[...document.querySelectorAll('tbody td:nth-child(5)')].map(cell => +cell.innerText)")
    assert scores == sorted(scores) and not page.faults()


def test_a_phone_and_paper_show_it_too(load: Callable[..., Browser], tmp_path: Path) -> None:
    page = load(width=390)
    assert page.overflow() == 0
    page.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
