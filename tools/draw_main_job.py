#!/usr/bin/env python
"""Draw what the tasks of the main job make of one detector: ``doc/images/main_job.png``.

    python tools/draw_main_job.py [REPO] [COLLECTION]

reads the repository that ``make demo`` leaves. Above a part of the images, step by step; below stamps of real
and bogus sources, and the scores of all sources of the run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy.table import Table
from lsst.daf.butler import Butler
from PIL import Image

import lsst.meas.realbogus as rb

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

ROOT = Path(__file__).parents[1]
PART, SIZE, STAMP = 256, 3.1, 31
REAL, BOGUS, FAKE = "#1a9850", "#d73027", "#4393c3"
STEPS = (
    ("preliminary_visit_image", "science image"),
    ("injected_preliminary_visit_image", "injectVisit"),
    ("template_detector", "buildTemplate"),
    ("difference_image", "subtractImages,\ndetectAndMeasureDiaSource"),
)


def find_part(sources: Table, size: int) -> tuple[float, int, int]:
    """Return how many sources of both labels the best part of an image has, and the corner of that part."""
    edges, counts = np.arange(0, size + 1, PART // 4), []
    for label in (0, 1):
        chosen = sources[(sources["label"] == label) & (sources["edge_distance"] > PART // 8)]
        cells = np.histogram2d(chosen["y"], chosen["x"], bins=(edges, edges))[0]
        counts.append(np.lib.stride_tricks.sliding_window_view(cells, (4, 4)).sum(axis=(2, 3)))
    blocks = np.minimum(*counts) + 0.1 * counts[1]
    row, column = np.unravel_index(np.argmax(blocks), blocks.shape)
    return float(blocks.max()), int(edges[column]), int(edges[row])


def show(ax: Axes, pixels: np.ndarray, extent: tuple[float, float, float, float] | None = None) -> None:
    """Draw pixels in grey, stretched as asinh of their noise."""
    good = pixels[np.isfinite(pixels)]
    middle = np.median(good)
    noise = 1.4826 * np.median(np.abs(good - middle))
    stretched = np.arcsinh((pixels - middle) / (2 * noise))
    ax.imshow(stretched, cmap="gray", vmin=-2, vmax=4, origin="lower", extent=extent, interpolation="nearest")
    ax.set_axis_off()


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repo", nargs="?", default=str(ROOT / "demo" / "repo"))
    parser.add_argument(
        "collection", nargs="?", default="u/demo/*", help="a pattern names the first that fits"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "doc" / "images" / "main_job.png")
    options = parser.parse_args()
    with Butler.from_config(options.repo) as butler:
        collection = next(iter(sorted(butler.collections.query(options.collection), key=len)))
    run = rb.read_collection(options.repo, collection)
    size = 1024  # of a detector of the demo
    parts = [(*find_part(image, size), image) for image in run.sources.group_by(["visit", "detector"]).groups]
    _, x0, y0, here = max(parts, key=lambda part: part[0])
    visit, detector = here["visit"][0], here["detector"][0]
    where = {"instrument": "RealBogusCam", "visit": int(visit), "detector": int(detector)}
    with Butler.from_config(options.repo, collections=[collection, "RealBogusCam/input"]) as butler:
        images = {name: butler.get(name, where) for name, _ in STEPS}
        fakes = butler.get("injected_preliminary_visit_image_catalog", where)

    fig = plt.figure(figsize=(4 * SIZE, 2 * SIZE), layout="constrained")
    grid = fig.add_gridspec(2, 4)
    for column, (name, title) in enumerate(STEPS):
        ax = fig.add_subplot(grid[0, column])
        image, box = images[name].image, images[name].bbox
        rows, columns = y0 - box.y.start, x0 - box.x.start
        extent = (x0 - 0.5, x0 + PART - 0.5, y0 - 0.5, y0 + PART - 0.5)
        show(ax, image.array[rows : rows + PART, columns : columns + PART], extent)
        ax.set_title(title, fontsize=10)
        if name.startswith("injected"):
            ax.plot(fakes["x"], fakes["y"], "o", mfc="none", mec=FAKE, ms=11, mew=1.5)
        if name.startswith("difference"):
            for label, color in ((1, REAL), (0, BOGUS)):
                chosen = here[here["label"] == label]
                ax.plot(chosen["x"], chosen["y"], "o", mfc="none", mec=color, ms=11, mew=1.5)
        ax.set(xlim=extent[:2], ylim=extent[2:])
    for column, (label, name, color) in enumerate(((1, "real", REAL), (0, "bogus", BOGUS))):
        inner = grid[1, column].subgridspec(4, 3, wspace=0.03, hspace=0.03)
        chosen = here[(here["label"] == label) & (here["snr"] > 8)]
        chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, 4).round().astype(int))]
        for place, image in enumerate(
            ("injected_preliminary_visit_image", "template_detector", "difference_image")
        ):
            stamps = rb.extract(images[image].image, chosen["x"], chosen["y"], STAMP)
            for row, pixels in enumerate(stamps.pixels):
                ax = fig.add_subplot(inner[row, place])
                show(ax, pixels)
                if row == 0 and place == 1:
                    ax.set_title(f"extractCutouts: {name}", fontsize=10, color=color)
    for column, (name, scores) in enumerate(run.models.items(), start=2):
        ax = fig.add_subplot(grid[1, column])
        for label, color, title in ((1, REAL, "real"), (0, BOGUS, "bogus")):
            of_label = np.asarray(run.sources[scores] if isinstance(scores, str) else scores)
            chosen = of_label[np.asarray(run.sources["label"]) == label]
            ax.hist(chosen, bins=np.linspace(0, 1, 26), histtype="step", color=color, label=title)
        ax.set_title(f"rbClassifier: {name}", fontsize=10)
        ax.set(yscale="log", xlabel="score", ylabel="sources")
        ax.legend(title="matchDiaSources", fontsize=8, title_fontsize=8)
    fig.savefig(options.output, dpi=80)
    with Image.open(options.output) as drawn:
        drawn.convert("RGB").quantize(128, Image.Quantize.MAXCOVERAGE).save(options.output, optimize=True)
    plt.close(fig)


if __name__ == "__main__":
    main()
