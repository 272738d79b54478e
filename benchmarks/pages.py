"""What the page of stamps takes: bytes a source, and the time until a browser shows and filters it.

10 000 triplets of 51 by 51 pixels of white noise with sources in them (noise is what does not compress)
become one page, with scores of two models, labels and flags. `page_bytes_per_source` and `page_mb` are of the
whole file, `make_cpu_ms` a source the CPU time to make it. In a headless Chromium, where there is one:
`first_view_s` from opening the file to the first screen with its stamps drawn, `filter_s` from a change of a
filter to the same (median of several), `scroll_s` from a jump to another place in the list to its stamps,
`cards` how many of the sources are in the document then.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from astropy.table import Table

from lsst.meas.realbogus.cutouts import extract_triplets, read_dia_sources, stamp_table
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.report import CutoutCard, make_cards, write_cutouts_page

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from chromium import EXECUTABLE, Browser

SIZE, SIDE, ON_IMAGE = 51, 2048, 500


def make_image(number: int) -> list[CutoutCard]:
    """Make the cards of one image."""
    rng = generator(number, "benchmark-pages")
    science, template = (rng.normal(1000, noise, (SIDE, SIDE)).astype(np.float32) for noise in (20, 8))
    x, y = rng.uniform(30, SIDE - 30, (2, ON_IMAGE))
    psf = np.exp(-(np.arange(-8, 9) ** 2) / 8)
    for column, row, peak in zip(
        x.astype(int), y.astype(int), 10 ** rng.uniform(1, 3, ON_IMAGE), strict=True
    ):
        place = np.s_[row - 8 : row + 9, column - 8 : column + 9]
        science[place] += peak * np.outer(psf, psf)
        template[place] += peak * rng.uniform() * np.outer(psf, psf)
    sources = {
        "diaSourceId": 8796093022208000 + number * ON_IMAGE + np.arange(ON_IMAGE),
        **{"x": x, "y": y, "ra": 150 + x / 18000, "dec": 2 + y / 18000},
        **{"psfFlux": rng.normal(3000, 3000, ON_IMAGE), "psfFluxErr": np.full(ON_IMAGE, 200.0)},
    }
    rows = read_dia_sources(sources)
    scores = Table(
        {"id": rows["id"], **{name: rng.random(ON_IMAGE) for name in ("score_dia", "score_nodia")}}
    )
    scores["flag_edge"] = rng.random(ON_IMAGE) < 0.05
    match = Table({"diaSourceId": rows["id"], "label": rng.integers(0, 2, ON_IMAGE).astype(np.int8)})
    match["label_reason"] = rng.choice(["injected", "noise", "star", "cosmic_ray"], ON_IMAGE)
    stamps = extract_triplets(science, template, science - template, x, y, SIZE)
    return make_cards(stamp_table(rows, stamps), scores, match, where=f"visit {1000 + number}, detector 4")


def look(page: Path, folder: Path) -> dict[str, float]:
    """Open, filter and scroll the page in a browser."""
    with Browser(folder) as browser:

        def seconds(*steps: str) -> float:
            start = time.perf_counter()
            for step in steps:
                browser.run(f"{step}; 0")
            browser.wait("inView() && [...document.querySelectorAll('canvas')].every(c => c.dataset.drawn)")
            return time.perf_counter() - start

        in_view = (
            "globalThis.inView = () => [...document.querySelectorAll('.card')].some(card => (box => "
            "box.top < innerHeight && box.bottom > 0)(card.getBoundingClientRect()))"
        )
        start = time.perf_counter()
        browser.open(page)
        first = seconds(in_view) + time.perf_counter() - start
        event = "get('filter').dispatchEvent(new Event('input'))"
        changes = ("get('low').value = 0.5", "get('id').value = 'visit 1001'", "get('order').value = '-snr'")
        filtered = [seconds(f"{change}; {event}") for change in changes]
        seconds(f"get('low').value = get('id').value = ''; {event}")
        heights = (0.3, 0.9, 0.6)
        scrolled = [
            seconds(f"scrollTo(0, {part} * document.documentElement.scrollHeight)") for part in heights
        ]
        cards = browser.run("document.querySelectorAll('.card').length")
    return {
        "first_view_s": first,
        "filter_s": float(np.median(filtered)),
        "scroll_s": float(np.median(scrolled)),
        "cards": cards,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1 000 sources")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    n = 1000 if arguments.quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        cards = [card for number in range(n // ON_IMAGE) for card in make_image(number)]
        page = write_cutouts_page(Path(folder) / "page.html", cards, title="Benchmark")
        size = page.stat().st_size
        figures = {
            "page_bytes_per_source": size / n,
            "page_mb": size / 1e6,
            "make_cpu_ms": (time.process_time() - start) / n * 1e3,
        }
        if EXECUTABLE is not None:
            figures |= look(page, Path(folder) / "profile")
    for name, value in figures.items():
        print(f"{name:24s} {value:.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
