"""Cost of difference imaging, and its results next to those of lsst.ip.diffim.

    python benchmarks/diffim.py [--quick] [--json FILE]     CPU seconds, and ratios to the bare arithmetic
    python benchmarks/diffim.py --judge                     who found what on stored images, as Markdown

Times are CPU seconds of one process; ratios compare with what the same step cannot do without, measured in
the same run: warping with one spline interpolation of the image, subtracting with the Fourier transforms
of one convolution with a kernel of degree two, detecting with one Gaussian filter of the image.
`chain_over_bare` is all three steps over the sum of the three.
`chain_with_io_over_without` is the chain run as pipeline tasks on a repository, every image read and written,
over the same functions on images in memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import astropy.wcs
import numpy as np
import scipy.fft
import scipy.ndimage
from astro_metadata_translator import ObservationInfo
from astropy.coordinates import SkyCoord
from judging.differences import report
from judging.stored import unpack_results
from lsst.daf.butler import Butler
from lsst.images import (
    Box,
    DetectorFrame,
    Image,
    MaskSchema,
    SkyProjection,
    VisitImage,
    get_legacy_visit_image_mask_planes,
)
from lsst.images.psfs import GaussianPointSpreadFunction
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lsst.meas.realbogus.diffim import subtract_visit
from lsst.meas.realbogus.measurement import measure_difference
from lsst.meas.realbogus.survey import PRESETS, simulate_survey
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.templates import Tract, assemble_coadd, build_template, prepare_input

SCHEMA = MaskSchema(list(get_legacy_visit_image_mask_planes().values()))


def cpu(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call and its result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def simulate(size: int, visit: int, sigma: float, noise: float, turn: float) -> VisitImage:
    """Draw stars of a fixed sky on one detector; search visits (visit 0) have some new ones."""
    bbox = Box.factory[0:size, 0:size]
    wcs = astropy.wcs.WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [size / 2, size / 2]
    cos, sin = np.cos(turn), np.sin(turn)
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * 0.2 / 3600
    frame = DetectorFrame(instrument="ToyCam", visit=visit, detector=0, bbox=bbox)
    projection = SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=bbox)
    rng = np.random.default_rng(1)
    count = size * size // 7000
    ra, dec = np.array([[150.0], [2.0]]) + rng.uniform(-0.45, 0.45, (2, count)) * size * 0.2 / 3600
    flux = 10 ** rng.uniform(3.3, 5.0, count)
    if visit:
        flux[::3] = 0.0
    places = projection.sky_to_pixel(SkyCoord(ra, dec, unit="deg"))
    psf = GaussianPointSpreadFunction(sigma, bounds=bbox, stamp_size=33)
    image = np.zeros((size + 80, size + 80))
    for x, y, f in zip(places.x + 40, places.y + 40, flux, strict=True):
        if 20 < x < size + 59 and 20 < y < size + 59:
            stamp = psf.compute_stellar_image(x=x, y=y)
            image[stamp.bbox.y.start : stamp.bbox.y.stop, stamp.bbox.x.start : stamp.bbox.x.stop] += (
                f * stamp.array
            )
    image = image[40:-40, 40:-40]
    variance = noise**2 + 5 * image
    pixels = np.random.default_rng(visit).normal(image, np.sqrt(variance))
    return VisitImage(
        Image(pixels.astype(np.float32), bbox=bbox, unit=u.nJy),
        mask_schema=SCHEMA,
        variance=Image(variance.astype(np.float32), bbox=bbox),
        sky_projection=projection,
        psf=psf,
        detector=make_detector(CameraGeometry.grid("ToyCam", (1, 1), (size, size), 0, 0.2), 0, visit),
        obs_info=ObservationInfo(
            instrument="ToyCam", detector_num=0, physical_filter="r_toy", visit_id=visit
        ),
        band="r",
    )


def measure_cost(size: int) -> dict[str, float]:
    """Time the chain on one detector, and the bare arithmetic."""
    science = simulate(size, 0, 1.9, 40.0, 0.3)
    templates = [simulate(size, visit, 1.5, 20.0, 0.1 * visit) for visit in (1, 2, 3)]
    wcs = astropy.wcs.WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [size / 2, size / 2]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    cells = -(-size // 50) * 50
    tract = Tract.from_wcs("toy", 0, wcs, Box.factory[0:size, 0:size], cells, 50)

    def assemble() -> Any:
        patch = tract.patch(0)
        inputs = [item for item in (prepare_input(image, tract, patch) for image in templates) if item]
        return assemble_coadd(inputs, tract, patch, band="r")

    times: dict[str, float] = {}
    times["assemble"], coadd = cpu(assemble)
    times["build"], template = cpu(
        lambda: build_template(
            [coadd],
            science.bbox,
            science.sky_projection,
            detector=science.detector,
            obs_info=science.obs_info,
            band="r",
        )
    )
    assert template is not None
    times["subtract"], products = cpu(lambda: subtract_visit(science, template))
    times["detect"], (_, catalog) = cpu(
        lambda: measure_difference(
            products.difference,
            science,
            products.template,
            science_psf=science.psf,
            template_psf=products.template.psf,
        )
    )
    pixels = np.nan_to_num(template.image.array)
    y, x = np.indices(pixels.shape, dtype=np.float64)
    times["bare_spline"], _ = cpu(
        lambda: scipy.ndimage.map_coordinates(pixels, [y + 0.3 + 0.01 * x, x + 0.4 - 0.01 * y], order=5)
    )

    def convolve() -> None:
        transform = scipy.fft.rfft2(pixels)
        for _ in range(6):
            scipy.fft.irfft2(transform * scipy.fft.rfft2(pixels[:31, :31], pixels.shape))

    times["bare_convolution"], _ = cpu(convolve)
    times["bare_filter"], _ = cpu(lambda: scipy.ndimage.gaussian_filter(pixels, 2.0))
    chain = times["build"] + times["subtract"] + times["detect"]
    out = {f"{name}_cpu_s_{size}": value for name, value in times.items()}
    out[f"chain_cpu_s_{size}"] = chain
    out[f"chain_cpu_s_per_megapixel_{size}"] = chain / (size * size / 1e6)
    out[f"build_over_spline_{size}"] = times["build"] / times["bare_spline"]
    out[f"subtract_over_convolution_{size}"] = times["subtract"] / times["bare_convolution"]
    out[f"detect_over_filter_{size}"] = times["detect"] / times["bare_filter"]
    bare = times["bare_spline"] + times["bare_convolution"] + times["bare_filter"]
    out[f"chain_over_bare_{size}"] = chain / bare
    out[f"n_sources_{size}"] = float(len(catalog.sources))
    return out


TASKS = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
CHAIN = "buildTemplate,subtractImages,detectAndMeasureDiaSource"


def measure_io(size: int) -> dict[str, float]:
    """Time the chain as tasks on a repository of one simulated detector, and as functions in memory."""
    with tempfile.TemporaryDirectory() as folder:
        repo = Path(folder) / "repo"
        survey = dataclasses.replace(
            PRESETS["small"],
            detector_grid=(1, 1),
            detector_size=(size, size),
            n_search_visits=1,
            bands=("r",),
        )
        simulate_survey(repo, survey)
        where = f"instrument='{survey.instrument}' AND skymap='{survey.skymap}'"
        inputs = [f"{survey.instrument}/input"]

        def executor(subset: str, output: str) -> SimplePipelineExecutor:
            butler = SimplePipelineExecutor.prep_butler(str(repo), inputs=inputs, output=output)
            pipeline = Pipeline.from_uri(f"{TASKS}#{subset}")
            pipeline.addConfigOverride("parameters", "science", "preliminary_visit_image")
            return SimplePipelineExecutor.from_pipeline(pipeline, where=where, butler=butler)

        executor("assembleTemplate", "u/bench/coadds").run(register_dataset_types=True)
        inputs.insert(0, "u/bench/coadds")
        with_io, without = [], []
        for turn in range(2):
            run = executor(CHAIN, f"u/bench/chain{turn}")
            with_io.append(cpu(lambda run=run: run.run(register_dataset_types=True))[0])
            butler = Butler.from_config(str(repo), collections=inputs)
            (ref,) = butler.query_datasets("preliminary_visit_image")
            science = butler.get(ref)
            coadds = [butler.get(coadd) for coadd in butler.query_datasets("template_coadd")]
            without.append(cpu(lambda science=science, coadds=coadds: _chain(science, coadds))[0])
    return {
        f"chain_with_io_cpu_s_{size}": min(with_io),
        f"chain_without_io_cpu_s_{size}": min(without),
        "chain_with_io_over_without": min(with_io) / min(without),
    }


def _chain(science: VisitImage, coadds: list[Any]) -> None:
    template = build_template(
        coadds,
        science.bbox,
        science.sky_projection,
        detector=science.detector,
        obs_info=science.obs_info,
        band=science.band,
    )
    assert template is not None
    products = subtract_visit(science, template)
    measure_difference(
        products.difference,
        science,
        products.template,
        science_psf=science.psf,
        template_psf=products.template.psf,
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="512 pixels only")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--judge", action="store_true", help="compare with stored results of ip_diffim")
    options = parser.parse_args()
    if options.judge:
        with tempfile.TemporaryDirectory() as folder:
            print(report(unpack_results(Path(folder))))
        return
    measure_cost(256)
    figures: dict[str, float] = {}
    for size in (512,) if options.quick else (512, 1024, 2048):
        figures.update(measure_cost(size))
    figures.update(measure_io(512 if options.quick else 2048))
    for name, value in figures.items():
        print(f"{name:40s} {value:10.3f}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
