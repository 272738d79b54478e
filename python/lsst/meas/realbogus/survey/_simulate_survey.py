"""Simulating a whole survey into a Butler repository."""

from __future__ import annotations

__all__ = ("simulate_survey",)

from pathlib import Path

from lsst.daf.butler import Butler

from ..measurement import measure_sources
from ._astrometry import detector_projection, make_wcs
from ._config import SurveyConfig
from ._progress import Progress
from ._repository import (
    VisitRecord,
    create_repository,
    register_visit,
    whole_or_nothing,
)
from ._schedule import Visit, make_schedule
from ._simulate_visit import camera_of, simulate_visit, stated_wcs
from ._template_flaws import TemplateFlaws
from ._tract import make_tract, register_tract
from .instrument import FlexibleInstrument
from .named_instruments import instrument_class


def simulate_survey(root: Path | str, config: SurveyConfig, *, progress: Progress | None = None) -> str:
    """Simulate a survey.

    Parameters
    ----------
    root
        Folder of the repository, which is made if it does not exist.
    config
        The survey.
    progress
        Called after each image.

    Returns
    -------
    str
        The RUN collection with ``template_visit_image``, ``preliminary_visit_image``, ``source_detector``
        (of the latter), ``visit_truth`` (of both; that of a science image tells of the flaws of its
        template visits too) and ``tract_geometry``.

    Raises
    ------
    InvalidInputError
        If the repository already has images in that collection.
    """
    instrument = instrument_class(config.instrument)()
    with whole_or_nothing(Path(root)) as folder:
        butler = create_repository(folder, instrument)
        _register(butler, instrument, config)
        _simulate(butler, config, progress)
    return instrument.input_run


def _register(butler: Butler, instrument: FlexibleInstrument, config: SurveyConfig) -> None:
    """Insert all dimension records."""
    visits = make_schedule(config)
    instrument.register_parts(
        butler.registry,
        detectors=camera_of(config).detectors,
        filters={visit.physical_filter: visit.band for visit in visits},
    )
    records = [_record(config, visit) for visit in visits]
    for record in records:
        register_visit(butler, instrument, record)
    grid = make_wcs(config.ra, config.dec, pixel_scale=config.pixel_scale)
    covered = [parts for record in records for parts in record.projections.values()]
    register_tract(butler, make_tract(config.skymap, grid, covered))


def _simulate(butler: Butler, config: SurveyConfig, progress: Progress | None) -> None:
    """Put all images and tables."""
    visits = sorted(make_schedule(config), key=lambda visit: not visit.is_template)
    todo = [(visit, detector) for visit in visits for detector in camera_of(config).detectors]
    flaws = TemplateFlaws()
    for done, (visit, detector) in enumerate(todo, 1):
        simulated = simulate_visit(config, visit, detector)
        data_id = {"instrument": config.instrument, "visit": visit.id, "detector": detector}
        truth = simulated.truth
        if visit.is_template:
            flaws.add(simulated.image, truth)
            butler.put(simulated.image, "template_visit_image", data_id)
        else:
            truth = flaws.complete(simulated.image, truth)
            butler.put(simulated.image, "preliminary_visit_image", data_id)
            butler.put(measure_sources(simulated.image), "source_detector", data_id)
        butler.put(truth, "visit_truth", data_id)
        if progress is not None:
            progress(done, len(todo), f"visit {visit.id} detector {detector}")


def _record(config: SurveyConfig, visit: Visit) -> VisitRecord:
    camera = camera_of(config)
    return VisitRecord(
        id=visit.id,
        name=f"{config.instrument}_{visit.id:06d}",
        physical_filter=visit.physical_filter,
        begin=visit.begin,
        exposure_time=visit.exposure_time,
        is_simulated=True,
        projections={
            detector: (
                detector_projection(
                    stated_wcs(config, visit, camera, detector),
                    config.instrument,
                    visit.id,
                    detector,
                    camera.boxes[detector],
                ),
                camera.boxes[detector],
            )
            for detector in camera.detectors
        },
    )
