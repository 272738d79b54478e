"""From a difference image to a table of DIA sources."""

from __future__ import annotations

__all__ = ("DiaCatalog", "SourceIds", "detect_and_measure")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from astro_metadata_translator import ObservationInfo
from astropy.table import Table
from lsst.images import Box, Mask, MaskedImage, SkyProjection, VisitImage
from lsst.images.psfs import PointSpreadFunction

from lsst.meas.realbogus.errors import InvalidInputError

from ..imaging import KernelField, Place, any_plane, ensure_planes, own_psf, smooth_background
from ..tables import make_table
from ._detection import Detections, detect
from ._measured_frame import MeasuredFrame, forced_fluxes, shapes
from ._moments import aperture_fluxes
from ._options import DetectionOptions
from ._pixel_flags import pixel_flags
from ._rows import SourceRows, grow_footprints, measure_rows
from ._schema import DIA_SOURCE
from ._score_map import score_map
from ._sky import separation_and_angle, sky_positions
from ._template_error import template_error

type FloatArray = npt.NDArray[np.float64]
type BoolArray = npt.NDArray[np.bool_]

_NOT_BLANK = ("SATURATED", "BAD", "COSMIC_RAY", "INTERPOLATED", "SAT_TEMPLATE", "DETECTION_EDGE")
_FWHM = 2.3548


@dataclasses.dataclass(frozen=True)
class SourceIds:
    """What all sources of one image share.

    Parameters
    ----------
    visit, detector, band, midpoint
        Identifiers and middle of the exposure (MJD TAI).
    id_base
        Added to the number of each source to make its identifier.
    """

    visit: int = 0
    detector: int = 0
    band: str = ""
    midpoint: float = float("nan")
    id_base: int = 0

    @classmethod
    def of(cls, image: MaskedImage, *, id_base: int = 0) -> SourceIds:
        """Take what an image says of itself.

        Parameters
        ----------
        image
            Difference image; its projection may name visit and detector, a `~lsst.images.VisitImage` says
            band and time.
        id_base
            Added to the number of each source to make its identifier.

        Returns
        -------
        SourceIds
            What is known, the defaults elsewhere.
        """
        place = Place.of(image)
        known: dict[str, Any] = {"visit": place.visit, "detector": place.detector}
        if isinstance(image, VisitImage):
            known |= {"band": image.band, "midpoint": midpoint_mjd(image.obs_info)}
        return cls(**{name: value for name, value in known.items() if value is not None}, id_base=id_base)


@dataclasses.dataclass(frozen=True)
class DiaCatalog:
    """DIA sources of one image.

    Parameters
    ----------
    sources
        Table with the columns of `lsst.meas.realbogus.measurement.DIA_SOURCE`.
    mask
        Mask of the difference image with DETECTED and DETECTED_NEGATIVE.
    background
        What was taken away from the difference image before detection.
    score_rms
        Scatter of the score on blank sky before it was divided out; the errors in the table include it.
    template_error
        Share of the template's flux at a source's place that its errors in the table include.
    removed
        How many sources were left out, by flag.
    """

    sources: Table
    mask: Mask
    background: npt.NDArray[np.float32]
    score_rms: float
    template_error: float
    removed: dict[str, int]


def detect_and_measure(
    difference: MaskedImage,
    science: MaskedImage,
    template: MaskedImage,
    *,
    difference_psf: PointSpreadFunction | KernelField | None = None,
    science_psf: PointSpreadFunction | KernelField | None = None,
    template_psf: PointSpreadFunction | KernelField | None = None,
    ids: SourceIds | None = None,
    options: DetectionOptions | None = None,
    projection: SkyProjection[Any] | None = None,
) -> DiaCatalog:
    """Detect and measure sources on a difference image.

    Parameters
    ----------
    difference, science, template
        Images of one box; the template matched to the science image.
    difference_psf, science_psf, template_psf
        Their PSFs; by default those that the images carry, as a `~lsst.images.VisitImage` does.
    ids
        What goes into the identifying columns; by default what the difference image says of itself.
    options
        How to do it.
    projection
        Projection of the pixels, that of the difference where `None`.

    Returns
    -------
    DiaCatalog
        A table with all columns and no rows where nothing is found.
    """
    ids = SourceIds.of(difference) if ids is None else ids
    options = DetectionOptions() if options is None else options
    projection = difference.sky_projection if projection is None else projection
    fields = [
        _field(image, psf, difference.bbox, options.psf_order)
        for image, psf in (
            (difference, difference_psf),
            (science, science_psf),
            (template, template_psf),
        )
    ]
    plain = MeasuredFrame.make(difference, fields[0])
    background = np.zeros_like(plain.pixels)
    if options.background_box > 0:
        background = smooth_background(plain.pixels, plain.missing, options.background_box)
        plain = dataclasses.replace(plain, pixels=np.where(plain.missing, 0, plain.pixels - background))
    skip = any_plane(difference.mask, _NOT_BLANK)
    scores = score_map(
        plain.pixels,
        plain.variance,
        plain.missing,
        fields[0].middle(),
        skip=skip,
    )
    found = detect(scores.score, options.threshold)
    mask = _marked(difference.mask, found, options.grow)
    frame = dataclasses.replace(plain, variance=plain.variance * np.float32(scores.rms**2))
    rows = measure_rows(frame, found, options.dipole_distance * _FWHM * frame.sigma, options.grow)
    frames = {
        "science": MeasuredFrame.make(science, fields[1]),
        "template": MeasuredFrame.make(template, fields[2]),
    }
    forced = {name: forced_fluxes(other, rows.x, rows.y) for name, other in frames.items()}
    share = template_error(frame, frames["template"], skip)
    rows = rows.with_error(share * forced["template"][0])
    values = {
        **_identifiers(len(rows), ids),
        **rows.columns,
        **_positions(rows, projection),
        **shapes(frame, rows.x, rows.y, np.asarray(rows.columns["isNegative"], dtype=bool)),
        **pixel_flags(mask, rows.footprint, len(rows), rows.x, rows.y),
        "pixelFlags": ~np.isfinite(np.asarray(rows.columns["psfFlux"], dtype=np.float64)),
    }
    values["apFlux"], values["apFluxErr"] = aperture_fluxes(
        frame.pixels, frame.variance, frame.missing, frame.bbox, rows.x, rows.y, options.aperture_radius
    )
    for name, (flux, error) in forced.items():
        values[f"{name}Flux"], values[f"{name}FluxErr"] = flux, error
    table = make_table(DIA_SOURCE, values, len(rows))
    keep, removed = _select(table, options.bad_flags)
    return DiaCatalog(table[keep], mask, background, scores.rms, share, removed)


def _field(
    image: MaskedImage, psf: PointSpreadFunction | KernelField | None, bbox: Box, order: int
) -> KernelField:
    psf = own_psf(image) if psf is None else psf
    return psf if isinstance(psf, KernelField) else KernelField.from_psf(psf, bbox, order=order)


def _marked(mask: Mask, found: Detections, grow: int) -> Mask:
    """Return the mask with the planes of detections."""
    out = ensure_planes(mask, ["DETECTED", "DETECTED_NEGATIVE"]).copy()
    negative = np.concatenate([[False], found.score < 0])
    grown = grow_footprints(found.footprint, grow)
    out.clear("DETECTED")
    out.clear("DETECTED_NEGATIVE")
    out.set("DETECTED", (grown > 0) & ~negative[grown])
    out.set("DETECTED_NEGATIVE", negative[grown])
    return out


def _identifiers(count: int, ids: SourceIds) -> dict[str, Any]:
    return {
        "diaSourceId": ids.id_base + np.arange(1, count + 1),
        "visit": ids.visit,
        "detector": ids.detector,
        "band": ids.band,
        "midpointMjdTai": ids.midpoint,
    }


def _positions(rows: SourceRows, projection: SkyProjection[Any] | None) -> dict[str, Any]:
    with np.errstate(invalid="ignore"):
        values: dict[str, Any] = {
            "x": rows.x,
            "y": rows.y,
            "xErr": np.sqrt(rows.covariance[:, 0, 0]),
            "yErr": np.sqrt(rows.covariance[:, 1, 1]),
        }
    if projection is None:
        return values
    values.update(sky_positions(projection, rows.x, rows.y, rows.covariance))
    tried = np.isfinite(rows.lobes).all(axis=(1, 2))
    length, angle = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    length[tried], angle[tried] = separation_and_angle(projection, rows.lobes[tried, 0], rows.lobes[tried, 1])
    return {**values, "dipoleLength": length, "dipoleAngle": angle}


def _select(table: Table, bad_flags: tuple[str, ...]) -> tuple[BoolArray, dict[str, int]]:
    """Return which rows have none of the bad flags, and how many have each."""
    keep = np.ones(len(table), dtype=bool)
    removed = {}
    for flag in bad_flags:
        column = f"pixelFlags_{flag}"
        if column not in table.colnames:
            known = sorted(name.removeprefix("pixelFlags_") for name in table.colnames if "Flags_" in name)
            raise InvalidInputError(f"there is no pixel flag {flag!r}; known are {known}")
        bad = np.asarray(table[column])
        removed[flag] = int((bad & keep).sum())
        keep &= ~bad
    return keep, removed


def midpoint_mjd(obs_info: ObservationInfo) -> float:
    """Return the middle of an exposure as MJD TAI, NaN where its times are not known.

    Parameters
    ----------
    obs_info
        What is known of the observation.

    Returns
    -------
    float
        MJD TAI.
    """
    begin, end = obs_info.datetime_begin, obs_info.datetime_end
    if begin is None:
        return float("nan")
    if end is not None:
        return float((begin.tai.mjd + end.tai.mjd) / 2)
    seconds = 0.0 if obs_info.exposure_time is None else obs_info.exposure_time.to_value("s")
    return float(begin.tai.mjd + (0.0 if not np.isfinite(seconds) else seconds) / 2 / 86_400)
