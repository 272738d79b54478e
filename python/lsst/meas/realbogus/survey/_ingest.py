"""Turning calibrated FITS images into the same repository that a simulated survey makes."""

from __future__ import annotations

__all__ = ("ingest_fits",)

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import astropy.table
from lsst.daf.butler import Butler
from lsst.images import Box, DetectorFrame, SkyProjection, VisitImage

from lsst.meas.realbogus.errors import InvalidInputError

from ._calibrate import CalibratedFrame, calibrate_frame, match_fluxes
from ._companions import Companions, PlaneFile
from ._config import SEARCH_START
from ._fits_frame import FitsFrame, read_frame
from ._frame_options import FrameOptions
from ._progress import Progress
from ._remarks import Remarks
from ._repository import (
    VisitRecord,
    create_repository,
    open_survey,
    register_visit,
    whole_or_nothing,
)
from ._tract import make_tract, register_tract
from .instrument import FlexibleInstrument
from .named_instruments import instrument_class


@dataclasses.dataclass(frozen=True)
class _Job:
    """One image to ingest."""

    path: Path
    visit: int
    is_template: bool
    beside: Mapping[str, PlaneFile]


def ingest_fits(
    root: Path | str,
    science: Sequence[Path | str],
    templates: Sequence[Path | str] = (),
    *,
    instrument: str,
    band: str,
    physical_filter: str | None = None,
    options: FrameOptions | None = None,
    beside: Companions | None = None,
    skymap: str = "realbogus",
    progress: Progress | None = None,
) -> str:
    """Ingest calibrated FITS images.

    Parameters
    ----------
    root
        Folder of the repository, which is made if it does not exist.
    science
        Files that become ``preliminary_visit_image``, each a visit of its own, with ``source_detector``. None
        where templates are added to a repository that has science images and no templates yet.
    templates
        Files that become ``template_visit_image``, each a visit of its own. Their coadd is the template, on
        the pixel grid of the first image.
    instrument
        Name of the instrument; any.
    band
        Band of all images.
    physical_filter
        Filter of all images; what the headers say, or the band, without it.
    options
        What is known of all images beside their headers.
    beside
        Where noise, masks and PSFs of the images are.
    skymap
        Name of the sky map.
    progress
        Called after each image.

    Returns
    -------
    str
        The RUN collection.

    Raises
    ------
    InvalidInputError
        If a file cannot be used, has fewer than three sources in common with the first image where its flux
        scale must come from there, has a zero point where the first image has none, or if the repository
        already has images in that collection.

    Notes
    -----
    Fluxes: an image whose counts are not said to be fluxes, by its header or the options, is brought to the
    scale of the first image (the first template) through sources that both have. If the first has none
    either, one of its counts is taken to be 1 nJy (zero point 31.4). Metadata ``zero_point_source`` of every
    image says which it was: ``given``, ``matched`` or ``assumed``.
    """
    if not science and not templates:
        raise InvalidInputError("no images to ingest")
    options, camera = options or FrameOptions(), instrument_class(instrument)()
    jobs = _jobs([Path(path) for path in science], [Path(path) for path in templates], beside or Companions())
    remarks = Remarks()
    first_scale = _check(jobs, options, remarks)
    survey = _Survey(camera, band, physical_filter, options, progress, remarks)
    try:
        if science:
            with whole_or_nothing(Path(root)) as folder:
                butler = create_repository(folder, camera)
                images = survey.add(butler, jobs, None)
                footprint = images[: len(templates) or None]
                grid = read_frame(jobs[0].path, options).wcs
                register_tract(butler, make_tract(skymap, grid, footprint, padding=0))
        else:
            butler = open_survey(Path(root), camera)
            reference = _reference(butler, camera, first_scale)
            with butler.transaction():
                survey.add(butler, jobs, reference)
    finally:
        remarks.say()
    return camera.input_run


def _jobs(science: Sequence[Path], templates: Sequence[Path], beside: Companions) -> list[_Job]:
    """List the images in the order of the work, the first one being that of the flux scale and the grid."""
    planes = beside.of_images(science, templates)
    return [
        *(_Job(path, 1 + n, True, planes[len(science) + n]) for n, path in enumerate(templates)),
        *(_Job(path, SEARCH_START + n, False, planes[n]) for n, path in enumerate(science)),
    ]


def _check(jobs: Sequence[_Job], options: FrameOptions, remarks: Remarks) -> str:
    """Read every file once, so that faults show before the long work begins.

    Returns
    -------
    str
        First file whose counts are said to be fluxes, or empty.
    """
    first_has_scale = True
    with_scale, missing = "", {kind: 0 for job in jobs for kind in job.beside}
    for number, job in enumerate(jobs):
        frame = read_frame(job.path, options, job.beside)
        remarks.add(frame.name, frame.remarks)
        for kind in frame.missing:
            missing[kind] += 1
            remarks.add(frame.name, [f"there is no {kind} beside it"])
        has_scale = frame.calibration.flux_scale is not None
        first_has_scale = has_scale if number == 0 else first_has_scale
        with_scale = with_scale or (str(job.path) if has_scale else "")
        if has_scale and not first_has_scale:
            raise InvalidInputError(
                f"{job.path} has a zero point and the first image, {jobs[0].path}, has none; give one for all"
            )
    for kind, count in missing.items():
        if count == sum(kind in job.beside for job in jobs):
            planes = next(job.beside[kind] for job in jobs if kind in job.beside)
            raise InvalidInputError(f"{kind}: no image has it; the first one should have {planes.where}")
    return with_scale


def _reference(butler: Butler, camera: FlexibleInstrument, with_scale: str) -> astropy.table.Table:
    """Return the sources of the first science image of a survey that gets its templates now."""
    name = camera.getName()
    refs = sorted(butler.query_datasets("preliminary_visit_image", camera.input_run))
    if butler.query_datasets("template_visit_image", camera.input_run, explain=False):
        raise InvalidInputError(f"the survey in {camera.input_run} has templates already")
    image = butler.get(refs[0])
    if with_scale and image.metadata["zero_point_source"] == "assumed":
        raise InvalidInputError(
            f"{with_scale} has a zero point and the science images of {name} have none; ingest all of them "
            "into a new repository, with a zero point"
        )
    sources: astropy.table.Table = butler.get("source_detector", refs[0].dataId)
    return sources


@dataclasses.dataclass(frozen=True)
class _Survey:
    """What all images of a survey share."""

    camera: FlexibleInstrument
    band: str
    physical_filter: str | None
    options: FrameOptions
    progress: Progress | None
    remarks: Remarks

    def add(
        self, butler: Butler, jobs: Sequence[_Job], reference: astropy.table.Table | None
    ) -> list[tuple[SkyProjection[DetectorFrame], Box]]:
        """Calibrate images and put them into a repository.

        Parameters
        ----------
        butler
            The repository.
        jobs
            The images.
        reference
            Sources with the wanted flux scale; those of the first image if there are none yet.

        Returns
        -------
        list of tuple
            Projections and boxes of the images.
        """
        places = []
        for number, job in enumerate(jobs):
            found, image, scale = self._calibrate(job, reference)
            sources = found.scaled_sources(scale)
            reference = sources if reference is None else reference
            self._put(butler, job, found.frame, image)
            if not job.is_template:
                data_id = {"visit": job.visit, "detector": found.frame.detector}
                butler.put(sources, "source_detector", data_id, instrument=self.camera.getName())
            places.append((image.sky_projection, image.bbox))
            self.remarks.add(found.frame.name, found.remarks)
            if self.progress is not None:
                self.progress(number + 1, len(jobs), job.path.name)
        return places

    def _calibrate(
        self, job: _Job, reference: astropy.table.Table | None
    ) -> tuple[CalibratedFrame, VisitImage, float]:
        name = self.camera.getName()
        frame = read_frame(job.path, self.options, job.beside)
        found = calibrate_frame(frame, name, job.visit, self.band, self.options.background_box)
        scale, how = _flux_scale(found, reference)
        image = found.to_visit_image(name, job.visit, self.band, self._filter(frame), scale, **how)
        return found, image, scale

    def _filter(self, frame: FitsFrame) -> str:
        return self.physical_filter or frame.physical_filter or self.band

    def _put(self, butler: Butler, job: _Job, frame: FitsFrame, image: VisitImage) -> None:
        self.camera.register_parts(
            butler.registry, detectors=[frame.detector], filters={self._filter(frame): self.band}
        )
        record = VisitRecord(
            id=job.visit,
            name=f"{job.visit:06d}_{Path(frame.name).stem}",
            physical_filter=self._filter(frame),
            begin=frame.begin,
            exposure_time=frame.exposure_time,
            is_simulated=False,
            projections={frame.detector: (image.sky_projection, image.bbox)},
        )
        register_visit(butler, self.camera, record)
        dataset_type = "template_visit_image" if job.is_template else "preliminary_visit_image"
        data_id = {"instrument": self.camera.getName(), "visit": job.visit, "detector": frame.detector}
        butler.put(image, dataset_type, data_id)


def _flux_scale(
    found: CalibratedFrame, reference: astropy.table.Table | None
) -> tuple[float, dict[str, str | int]]:
    """Return nJy per count, and metadata on where it comes from."""
    calibration = found.frame.calibration
    if calibration.flux_scale is not None:
        return calibration.flux_scale, {"zero_point_source": "given", "zero_point_from": calibration.source}
    if reference is None:
        return 1.0, {"zero_point_source": "assumed"}
    scale, count = match_fluxes(found.sources, reference, found.frame.name)
    return scale, {"zero_point_source": "matched", "n_zero_point_stars": count}
