"""The real tasks of the Science Pipelines, run on images of ours; nothing of the stack is imported before."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.table import Table
from lsst.images import Box, VisitImage

NEEDED = {
    "injection": ("lsst.afw", "lsst.meas.extensions.piff", "lsst.source.injection"),
    "difference imaging": ("lsst.afw", "lsst.meas.extensions.piff", "lsst.ip.diffim"),
    "images": ("lsst.afw", "lsst.meas.extensions.piff", "lsst.obs.base"),
}
"""Modules that each comparison needs."""
_FLAGS = ("bad", "cr", "edge", "interpolated", "nodata", "saturated")


def missing(what: str) -> list[str]:
    """Name the modules of the Science Pipelines that a comparison needs and that are not here."""
    return [name for name in NEEDED[what] if not _is_there(name)]


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def cpu(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call and its result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


@dataclasses.dataclass(frozen=True)
class TheirInjection:
    """What VisitInjectTask made of an image: pixels, the table it wrote, CPU seconds."""

    pixels: np.ndarray
    catalog: Table
    seconds: float


def inject_theirs(image: VisitImage, catalog: Table, calib_flux_radius: float) -> TheirInjection:
    """Run VisitInjectTask without noise on a copy of an image."""
    from lsst.source.injection.inject_visit import VisitInjectTask

    config = VisitInjectTask.ConfigClass()
    config.add_noise = False
    config.calib_flux_radius = calib_flux_radius
    exposure, table = image.copy().to_legacy(), catalog.copy()
    table["source_type"] = "Star"
    task = VisitInjectTask(config=config)
    seconds, result = cpu(
        lambda: task.run([table], exposure, exposure.getPsf(), exposure.getPhotoCalib(), exposure.getWcs())
    )
    return TheirInjection(result.output_exposure.image.array, result.output_catalog, seconds)


@dataclasses.dataclass(frozen=True)
class TheirSources:
    """DIA sources of DetectAndMeasureTask: x, y, flux, error; and CPU seconds of both tasks."""

    table: Table
    subtract_seconds: float
    detect_seconds: float


def subtract_theirs(science: VisitImage, template: VisitImage, sources: Table) -> TheirSources:
    """Run AlardLuptonSubtractTask and DetectAndMeasureTask, with their defaults, on copies of images.

    Parameters
    ----------
    science, template
        Images on one pixel grid.
    sources
        Sources of the science image, columns as `lsst.meas.realbogus.measurement.SOURCE`.
    """
    from lsst.ip.diffim.detectAndMeasure import DetectAndMeasureTask
    from lsst.ip.diffim.subtractImages import AlardLuptonSubtractTask

    catalog = source_catalog(sources, science.bbox)
    task = AlardLuptonSubtractTask(config=AlardLuptonSubtractTask.ConfigClass())
    # Its inputs are changed in place, and a task of a pipeline reads its own.
    exposures = [science.copy().to_legacy() for _ in range(2)]
    subtract_seconds, difference = cpu(lambda: task.run(template.copy().to_legacy(), exposures[0], catalog))
    detection = DetectAndMeasureTask(config=DetectAndMeasureTask.ConfigClass())
    detect_seconds, result = cpu(
        lambda: detection.run(
            exposures[1], difference.matchedTemplate, difference.difference, difference.kernelSources
        )
    )
    found = result.diaSources.copy(deep=True)
    table = Table(
        {
            "x": np.array(found.getX()),
            "y": np.array(found.getY()),
            "flux": np.array(found.getPsfInstFlux()),
            "error": np.array(found.getPsfInstFluxErr()),
        }
    )
    return TheirSources(table, subtract_seconds, detect_seconds)


def size_extendedness(sources: Table) -> np.ndarray:
    """Return what base_ClassificationSizeExtendedness measures, from 0 (as wide as the PSF) to 1."""
    size, psf = (np.asarray(sources[f"ixx{of}"] + sources[f"iyy{of}"], dtype=float) for of in ("", "PSF"))
    return 1.0 - np.exp(-0.5 * (size - psf) ** 2 / psf)


def source_catalog(sources: Table, bbox: Box) -> Any:
    """Write sources of a science image as the afw catalogue from which kernel sources are chosen.

    Parameters
    ----------
    sources
        Columns as `lsst.meas.realbogus.measurement.SOURCE`.
    bbox
        Pixels of the image, in which footprints stay.

    Returns
    -------
    lsst.afw.table.SourceCatalog
        Fields that AlardLuptonSubtractTask's source selector and kernel candidates read: slots of centroid,
        shape and PSF flux, extendedness, deblending, primary and pixel flags; footprints with one peak that
        reach to three standard deviations.
    """
    from lsst.afw.detection import Footprint
    from lsst.afw.geom import SpanSet
    from lsst.afw.table import SourceCatalog, SourceTable
    from lsst.geom import Box2I, Extent2I, Point2D, SpherePoint, degrees

    schema = SourceTable.makeMinimalSchema()
    for name in ("Centroid_x", "Centroid_y", "Shape_xx", "Shape_yy", "Shape_xy"):
        schema.addField(f"base_Sdss{name}", type="D", doc=f"{name} of realbogus.")
    for name in ("base_PsfFlux_instFlux", "base_PsfFlux_instFluxErr"):
        schema.addField(name, type="D", doc="PSF flux of realbogus.")
    schema.addField("base_ClassificationSizeExtendedness_value", type="D", doc="Measure of being a galaxy.")
    schema.addField("deblend_nChild", type="I", doc="Children; none.")
    schema.addField("detect_isPrimary", type="Flag", doc="Every source is.")
    for name in ("SdssCentroid_flag", "SdssShape_flag", "PsfFlux_flag"):
        schema.addField(f"base_{name}", type="Flag", doc="Failed measurement; never.")
    for name in _FLAGS:
        schema.addField(f"base_PixelFlags_flag_{name}", type="Flag", doc=f"Footprint touches {name} pixels.")
    for slot, name in (("Centroid", "SdssCentroid"), ("Shape", "SdssShape"), ("PsfFlux", "PsfFlux")):
        schema.getAliasMap().set(f"slot_{slot}", f"base_{name}")
    catalog = SourceCatalog(SourceTable.make(schema))
    catalog.reserve(len(sources))
    limits = bbox.to_legacy()
    for row, extendedness in zip(sources, size_extendedness(sources), strict=True):
        record = catalog.addNew()
        record.setId(int(row["sourceId"]))
        record.setCoord(SpherePoint(float(row["ra"]), float(row["dec"]), degrees))
        for ours, theirs in (
            ("x", "SdssCentroid_x"), ("y", "SdssCentroid_y"),
            ("ixx", "SdssShape_xx"), ("iyy", "SdssShape_yy"), ("ixy", "SdssShape_xy"),
            ("psfFlux", "PsfFlux_instFlux"), ("psfFluxErr", "PsfFlux_instFluxErr"),
        ):  # fmt: skip
            record[f"base_{theirs}"] = float(row[ours])
        record["base_ClassificationSizeExtendedness_value"] = float(extendedness)
        record["deblend_nChild"], record["detect_isPrimary"] = 0, True
        for name in _FLAGS:
            record[f"base_PixelFlags_flag_{name}"] = bool(row[f"pixelFlags_{name}"])
        reach = int(np.ceil(3 * np.sqrt(max(row["ixx"], row["iyy"]))))
        place = Point2D(float(row["x"]), float(row["y"]))
        box = Box2I.makeCenteredBox(place, Extent2I(2 * reach + 1, 2 * reach + 1))
        box.clip(limits)
        footprint = Footprint(SpanSet(box))
        footprint.addPeak(place.x, place.y, float(row["psfFlux"]))
        record.setFootprint(footprint)
    return catalog
