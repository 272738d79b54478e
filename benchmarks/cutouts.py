"""What cutting stamps costs, next to copying the same bytes.

10 000 triplets of 51 by 51 pixels are cut at random places out of three images of 4096 by 4096 pixels with
masks (the template larger by 20 pixels on each side, some pixels without data, some stamps over the edges), a
block at a time: pixels, missing pixels, their fraction, mask planes of the centre and of the whole stamp.
`cutouts_over_copy` is the ratio of CPU seconds to a copy of an array of the same stamps into another,
`loop_over_copy` that of a bare indexing loop without bookkeeping and without a thought for edges,
`cutout2d_over_copy` that of `astropy.nddata.Cutout2D`, one by one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from astropy.nddata import Cutout2D
from judging.memory import peak_megabytes
from lsst.images import Box, Image, Mask, MaskPlane, MaskSchema

from lsst.meas.realbogus.cutouts import PLANES, extract_triplets
from lsst.meas.realbogus.randomness import generator

SIZE = 51
EDGE_SHARE = 0.01
COPIES = 10


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU seconds of one run."""
    start = time.process_time()
    function()
    return time.process_time() - start


def make_images(side: int) -> list[tuple[Image, Mask]]:
    """Make science image, template and difference image, with as many mask planes as such images have."""
    schema = MaskSchema([MaskPlane(name, name) for name in PLANES[:20]])
    images = []
    for role, border in (("science", 0), ("template", 20), ("difference", 0)):
        box = Box.factory[1000 : 1000 + side, 500 : 500 + side].padded(border)
        rng = generator(1, "benchmark-cutouts", role)
        image = Image(rng.standard_normal(box.shape, np.float32), bbox=box)
        mask = Mask(0, schema=schema, bbox=box)
        bad = np.zeros(box.shape, bool)
        bad[rng.integers(0, box.y.size, 200), rng.integers(0, box.x.size, 200)] = True
        mask.set("NO_DATA", bad)
        images.append((image, mask))
    return images


def positions(n: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw positions, a few of them so near the edge that their stamps leave the image."""
    rng = generator(2, "benchmark-cutouts")
    x, y = rng.uniform(530, 470 + side, n), rng.uniform(1030, 970 + side, n)
    x[: int(n * EDGE_SHARE)] = 505.0
    return x, y


def main() -> None:
    parser = argparse.ArgumentParser(description="What cutting stamps costs, next to copying the same bytes.")
    parser.add_argument("--quick", action="store_true", help="2000 triplets of 2048 by 2048 pixels")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    n, side = (2000, 2048) if arguments.quick else (10_000, 4096)
    images = make_images(side)
    x, y = positions(n, side)

    stamps = np.ones((n, SIZE, SIZE), np.float32)
    target = np.empty_like(stamps)
    target[...] = 0

    def copy() -> None:
        for _ in range(3 * COPIES):
            np.copyto(target, stamps)

    def loop() -> None:
        for image, _ in images:
            rows = (np.rint(y).astype(int) - image.bbox.y.start - SIZE // 2).clip(0).tolist()
            columns = (np.rint(x).astype(int) - image.bbox.x.start - SIZE // 2).clip(0).tolist()
            array = image.array
            for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
                target[i] = array[row : row + SIZE, column : column + SIZE]

    def ours() -> int:
        return sum(len(block) for block in extract_triplets(*images, x, y, SIZE))

    def astropy() -> None:
        for image, _ in images:
            for column, row in zip(x[:500] - image.bbox.x.start, y[:500] - image.bbox.y.start, strict=True):
                Cutout2D(image.array, (column, row), SIZE, mode="partial", copy=True)

    assert ours() == n
    # In turns, each for about as long, so that whatever else the machine does slows all alike.
    rounds = [[cpu_seconds(function) for function in (copy, loop, ours)] for _ in range(9)]
    copied, looped, cut = np.array(rounds).T / [[COPIES], [1], [1]]
    figures = {
        "copy_cpu_s": float(np.median(copied)),
        "loop_cpu_s": float(np.median(looped)),
        "cutouts_cpu_s": float(np.median(cut)),
        "loop_over_copy": float(np.median(looped / copied)),
        "cutouts_over_copy": float(np.median(cut / copied)),
        "cutout2d_over_copy": cpu_seconds(astropy) * n / 500 / float(np.median(copied)),
    }
    figures["triplets_per_cpu_s"] = n / figures["cutouts_cpu_s"]
    figures["peak_rss_mb"] = peak_megabytes()
    for name, value in figures.items():
        print(f"{name:24s} {value:.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
