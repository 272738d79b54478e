"""What it costs to make fakes and to put them into an image.

A 4096 x 4096 image with a Piff PSF of the kind that LSST fits (a grid of 25 x 25 pixels, each a polynomial of
second order of the position) takes 100, 1,000 and 10,000 point sources with Poisson noise, variance and mask
planes. In the same run, in turns, the PSF stamps alone are evaluated at the same positions. Figures are CPU
seconds, the best of some repeats:

* ``injection_over_psf``: cost of a source (from the slope between 100 and 1,000 on an image of 1024 x 1024)
  over the cost of its PSF stamp, the median over short turns: the machine's speed then is that of one second
  for both; ``injection_over_analytic_psf`` the same for the cheapest Piff model, Moffat profiles on stamps of
  41 x 41, where drawing Poisson numbers costs as much as the profile;
* ``fixed_s``: cost that does not depend on the number: copy, new mask planes, fit of the gain;
* ``total_over_psf_N``: all of an injection of N sources over all of their stamps;
* ``peak_over_image``: growth of the peak memory during an injection over the bytes of the image;
* ``hosts_per_s``: galaxies of a source table that `make_catalog` turns into a catalogue per second.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import Table
from astropy.time import Time
from astropy.wcs import WCS
from judging.memory import peak_megabytes
from lsst.images import (
    Box,
    DetectorFrame,
    Mask,
    MaskSchema,
    SkyProjection,
    VisitImage,
    get_legacy_visit_image_mask_planes,
)
from lsst.images.fields import ChebyshevField

from lsst.meas.realbogus.imaging import KernelField
from lsst.meas.realbogus.injection import CatalogOptions, Footprint, SupernovaOptions, inject, make_catalog
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._psf import PsfField, make_psf
from lsst.meas.realbogus.survey._visit_image import make_visit_image

AMPLIFIERS = 16


def make_image(size: int, *, analytic: bool = False) -> VisitImage:
    """Make an image of sky, with a variance that grows with flux."""
    bbox = Box.factory[0:size, 0:size]
    rng = np.random.default_rng(1)
    flux = rng.normal(0.0, 30.0, (size, size)).astype(np.float32)
    variance = (900.0 + 20.0 * np.maximum(flux, 0.0)).astype(np.float32)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [size / 2, size / 2]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    frame = DetectorFrame(instrument="BenchCam", visit=1, detector=0, bbox=bbox)
    field = PsfField(3.5, np.array([[2.0, 0.1, 0, 0.1, 0, 0], [0.01] + [0.0] * 5, [0.02] + [0.0] * 5]), size)
    psf = make_psf(field, (size / 2, size / 2), bbox)
    return make_visit_image(
        flux,
        variance,
        Mask(0, schema=MaskSchema(list(get_legacy_visit_image_mask_planes().values())), bbox=bbox),
        projection=SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=bbox),
        psf=psf if analytic else KernelField.from_psf(psf, bbox, order=2, radius=12).to_psf(bbox),
        detector=make_detector(
            CameraGeometry.single("BenchCam", 0, bbox, 0.2), 0, 1, gains=(1.0,) * AMPLIFIERS
        ),
        scaling=ChebyshevField(bbox, np.array([[1.0]]), unit=u.nJy / u.adu),
        visit=1,
        band="r",
        physical_filter="r",
        begin=Time("2026-01-01", scale="tai"),
        exposure_time=30.0,
    )


def make_rows(image: VisitImage, n_rows: int) -> Table:
    """Place sources at random on the image."""
    rng = np.random.default_rng(n_rows)
    x, y = rng.uniform(image.bbox.x.min, image.bbox.x.max, (2, n_rows))
    sky = image.sky_projection.pixel_to_sky(x=x, y=y)
    rows = Table({"injection_id": np.arange(1, n_rows + 1), "ra": sky.ra.deg, "dec": sky.dec.deg})
    rows["mag"] = rng.uniform(20.0, 25.0, n_rows)
    rows["x_made"], rows["y_made"] = x, y
    return rows


def make_sources(footprint: Footprint, n_rows: int) -> Table:
    """Make a source table of galaxies."""
    rng = np.random.default_rng(2)
    x, y = rng.uniform(footprint.bbox.x.min, footprint.bbox.x.max, (2, n_rows))
    sky = footprint.projection.pixel_to_sky(x=x, y=y)
    table = Table(
        {"sourceId": np.arange(1, n_rows + 1), "x": x, "y": y, "ra": sky.ra.deg, "dec": sky.dec.deg}
    )
    table["apFlux"], table["extendedness"] = 10.0 ** rng.uniform(2.5, 5.0, n_rows), np.ones(n_rows)
    table["ixx"], table["iyy"], table["ixy"] = (
        rng.uniform(low, high, n_rows) for low, high in ((5, 20), (5, 20), (-2, 2))
    )
    return table


def cpu_seconds(*works: Callable[[], object], repeats: int) -> npt.NDArray[np.float64]:
    """Return the CPU time of each work in each of some repeats, done in turns."""
    seconds = np.empty((len(works), repeats))
    for turn, number in np.ndindex(repeats, len(works)):
        start = time.process_time()
        works[number]()
        seconds[number, turn] = time.process_time() - start
    return seconds


def measure_injection(image: VisitImage, numbers: tuple[int, ...], repeats: int) -> dict[str, float]:
    """Time injections and bare PSF stamps."""
    bytes_of_image = sum(part.array.nbytes for part in (image.image, image.variance, image.mask))
    figures, injection, stamps = {}, {}, {}
    for number in numbers:
        rows = make_rows(image, number)
        positions = list(zip(rows["x_made"].tolist(), rows["y_made"].tolist(), strict=True))
        runs = repeats if number > 2000 else 3 * repeats

        def bare(positions: list[tuple[float, float]] = positions) -> None:
            for x, y in positions:
                image.psf.compute_stellar_image(x=x, y=y)

        before = peak_megabytes()
        inject(image, rows, seed=1)
        after = peak_megabytes()
        figures.setdefault("peak_over_image", (after - before) * 2**20 / bytes_of_image)
        injection[number], stamps[number] = cpu_seconds(
            lambda rows=rows: inject(image, rows, seed=1), bare, repeats=runs
        ).min(axis=1)
        figures[f"injection_s_{number}"] = injection[number]
        figures[f"total_over_psf_{number}"] = injection[number] / stamps[number]
    low, high = numbers[0], numbers[-1]
    per_source = (injection[high] - injection[low]) / (high - low)
    return figures | {
        "per_source_ms": 1e3 * per_source,
        "per_psf_stamp_ms": 1e3 * stamps[high] / high,
        "fixed_s": injection[low] - low * per_source,
    }


def source_over_stamp(image: VisitImage, turns: int, low: int = 100, high: int = 1000) -> float:
    """Return the cost of a source over that of its PSF stamp, the median over turns."""
    few, many = make_rows(image, low), make_rows(image, high)
    positions = list(zip(many["x_made"].tolist(), many["y_made"].tolist(), strict=True))
    works = (
        lambda: inject(image, few, seed=1),
        lambda: inject(image, many, seed=1),
        lambda: [image.psf.compute_stellar_image(x=x, y=y) for x, y in positions],
    )
    seconds = cpu_seconds(*works, repeats=turns)
    return float(np.median((seconds[1] - seconds[0]) / (high - low) / (seconds[2] / high)))


def measure_catalogs(n_hosts: int, repeats: int) -> dict[str, float]:
    """Time making catalogues."""
    image = make_image(512)
    footprint = Footprint(1, 0, "r", 61000.0, image.bbox, image.sky_projection)
    sources = make_sources(footprint, n_hosts)
    default = CatalogOptions()
    curves = dataclasses.replace(default, supernova=SupernovaOptions(fraction=0.05))
    one_epoch, with_curves = cpu_seconds(
        lambda: make_catalog(sources, footprint, default, seed=1),
        lambda: make_catalog(sources, footprint, curves, seed=1),
        repeats=repeats,
    ).min(axis=1)
    return {"hosts_per_s": n_hosts / one_epoch, "hosts_per_s_with_light_curves": n_hosts / with_curves}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smaller image, fewer sources")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    if arguments.quick:
        size, numbers, repeats, turns = 2048, (100, 1000), 2, 9
    else:
        size, numbers, repeats, turns = 4096, (100, 1000, 10_000), 3, 31
    figures = measure_injection(make_image(size), numbers, repeats)
    figures["injection_over_psf"] = source_over_stamp(make_image(1024), turns)
    figures["injection_over_analytic_psf"] = source_over_stamp(make_image(1024, analytic=True), turns)
    figures |= measure_catalogs(100_000, repeats)
    for name, value in figures.items():
        print(f"{name:32s} {value:12.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
