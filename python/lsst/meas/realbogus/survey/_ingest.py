"""Turning calibrated FITS images into the same repository that a simulated survey makes."""

from __future__ import annotations

__all__ = ("ingest_fits",)

from collections.abc import Sequence
from pathlib import Path

import astropy.table
from lsst.images import VisitImage

from lsst.meas.realbogus.errors import InvalidInputError

from ..tables import magnitude_to_njy
from ._calibrate import CalibratedFrame, calibrate_frame, match_fluxes
from ._config import SEARCH_START
from ._fits_frame import FitsFrame, FrameOptions, read_frame
from ._progress import Progress
from ._repository import (
    VisitRecord,
    create_repository,
    make_tract,
    register_tract,
    register_visit,
    whole_or_nothing,
)
from .named_instruments import instrument_class


def ingest_fits(
    root: Path | str,
    science: Sequence[Path | str],
    templates: Sequence[Path | str] = (),
    *,
    instrument: str,
    band: str,
    physical_filter: str | None = None,
    options: FrameOptions | None = None,
    skymap: str = "realbogus",
    progress: Progress | None = None,
) -> str:
    """Ingest calibrated FITS images.

    Parameters
    ----------
    root
        Folder of the repository, which is made if it does not exist.
    science
        Files that become ``preliminary_visit_image``, each a visit of its own, with ``source_detector``.
    templates
        Files that become ``template_visit_image``, each a visit of its own. Their coadd is the template, on
        the pixel grid of the first of them.
    instrument
        Name of the instrument; any.
    band
        Band of all images.
    physical_filter
        Filter of all images; what the headers say, or the band, without it.
    options
        What is known of all images beside their headers.
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
    Fluxes: an image without zero point, from its header or the options, is brought to the scale of the first
    image (the first template) through sources that both have. If the first has none either, one of its counts
    is taken to be 1 nJy (zero point 31.4). Metadata ``zero_point_source`` of every image says which it was:
    ``given``, ``matched`` or ``assumed``.
    """
    if not science:
        raise InvalidInputError("no science images to ingest")
    options, camera = options or FrameOptions(), instrument_class(instrument)()
    paths = [Path(path) for path in (*templates, *science)]
    _check(paths, options)
    with whole_or_nothing(Path(root)) as folder:
        butler = create_repository(folder, camera)
        reference: astropy.table.Table | None = None
        footprint = []
        for number, path in enumerate(paths):
            is_template = number < len(templates)
            visit = 1 + number if is_template else SEARCH_START + number - len(templates)
            frame = read_frame(path, options)
            filter_name = physical_filter or frame.physical_filter or band
            found = calibrate_frame(frame, instrument, visit, band, options.background_box)
            scale, how = _flux_scale(found, reference)
            image = found.to_visit_image(instrument, visit, band, filter_name, scale, **how)
            sources = found.scaled_sources(scale)
            reference = sources if reference is None else reference
            camera.register_parts(butler.registry, detectors=[frame.detector], filters={filter_name: band})
            register_visit(butler, camera, _record(frame, image, filter_name))
            data_id = {"instrument": instrument, "visit": visit, "detector": frame.detector}
            butler.put(image, "template_visit_image" if is_template else "preliminary_visit_image", data_id)
            if not is_template:
                butler.put(sources, "source_detector", data_id)
            if is_template or not templates:
                footprint.append((image.sky_projection, image.bbox))
            if progress is not None:
                progress(number + 1, len(paths), path.name)
        grid = read_frame(paths[0], options).wcs
        register_tract(butler, make_tract(skymap, grid, footprint, padding=0))
    return camera.input_run


def _check(paths: Sequence[Path], options: FrameOptions) -> None:
    """Read every file once, so that faults show before the long work begins."""
    first_has_none = False
    for number, path in enumerate(paths):
        has_none = read_frame(path, options).zero_point is None
        first_has_none = has_none if number == 0 else first_has_none
        if first_has_none and not has_none:
            raise InvalidInputError(
                f"{path} has a zero point and the first image, {paths[0]}, has none; give one for all"
            )


def _flux_scale(
    found: CalibratedFrame, reference: astropy.table.Table | None
) -> tuple[float, dict[str, str | int]]:
    """Return nJy per count, and metadata on where it comes from."""
    if found.frame.zero_point is not None:
        scale = float(magnitude_to_njy(found.frame.zero_point))
        return scale, {"zero_point_source": "given"}
    if reference is None:
        return 1.0, {"zero_point_source": "assumed"}
    scale, count = match_fluxes(found.sources, reference, found.frame.name)
    return scale, {"zero_point_source": "matched", "n_zero_point_stars": count}


def _record(frame: FitsFrame, image: VisitImage, filter_name: str) -> VisitRecord:
    visit = int(image.obs_info.visit_id or 0)
    return VisitRecord(
        id=visit,
        name=f"{visit:06d}_{Path(frame.name).stem}",
        physical_filter=filter_name,
        begin=frame.begin,
        exposure_time=frame.exposure_time,
        is_simulated=False,
        projections={frame.detector: (image.sky_projection, image.bbox)},
    )
