"""Whether images and catalogues belong together: one pixel grid, one visit, nothing swapped."""

from __future__ import annotations

__all__ = ("Place", "check_catalog", "check_together", "looks_swapped")

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.images import Box, DifferenceImage, Image, MaskedImage, SkyProjection, VisitImage

from ..errors import ImageMismatchError, InvalidCatalogError
from ..legacy import DeferredImage, read_grid, stored_class
from ..tables import pixel_to_sky, sky_to_pixel

type Floats = npt.NDArray[np.float64]

#: Pixel grids are one if the sky at the corners agrees to this (pixels).
_GRID_TOLERANCE = 0.5
#: Pixel and sky positions of a catalogue agree if their median distance on the image is below this (pixels).
_POSITION_TOLERANCE = 3.0
_CHECKED_ROWS = 200
_CHECKED_PIXELS = 1 << 18
_MIN_CORRELATION = 0.3
#: Bright pixels count no more than this many times the scatter of an image.
_CLIP = 10.0


_STORED = {"DifferenceImage": True, "VisitImage": False}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an image lies and what it shows, as far as it says so; no pixels.

    Parameters
    ----------
    box
        Its pixels.
    projection
        From its pixels to the sky; None if it has none.
    visit, detector
        What it is an image of; None if it does not say.
    is_difference
        Whether it is a difference image; None if it does not say.
    """

    box: Box
    projection: SkyProjection[Any] | None = None
    visit: int | None = None
    detector: int | None = None
    is_difference: bool | None = None

    @classmethod
    def of(cls, pixels: Any) -> Place:
        """Read the place of an image.

        Parameters
        ----------
        pixels
            Any form of image that `~lsst.meas.realbogus.cutouts.open_pixels` takes. Of a deferred handle only
            the box and the projection are read.

        Returns
        -------
        Place
            What is known. Visit and detector are those that the projection names, or those of the data id.
        """
        is_difference = isinstance(pixels, DifferenceImage) if isinstance(pixels, VisitImage) else None
        match pixels:
            case MaskedImage() | Image():
                box, projection = pixels.bbox, pixels.sky_projection
            case np.ndarray():
                box, projection = Box.from_shape(pixels.shape), None
            case (Image() as image, _):
                box, projection = image.bbox, image.sky_projection
            case _:
                handle = pixels.handle if isinstance(pixels, DeferredImage) else pixels
                box, projection = read_grid(handle)
                is_difference = _STORED.get(stored_class(handle) or "")
        frame = getattr(projection, "pixel_frame", None)
        data_id = getattr(getattr(pixels, "handle", pixels), "dataId", {})
        visit, detector = (
            getattr(frame, name, None) if getattr(frame, name, None) is not None else data_id.get(name)
            for name in ("visit", "detector")
        )
        return cls(box, projection, visit, detector, is_difference)


def check_together(images: Mapping[str, Place]) -> None:
    """Refuse images that are not of the same pixels of the sky.

    Parameters
    ----------
    images
        The places of images by name. ``science``, or else the first, is what the others are compared with. A
        template may be of any visit; everything else must be of the same visit and detector.

    Raises
    ------
    ImageMismatchError
        Raised if two images have no pixel in common, are not on one pixel grid, are of different visits or
        detectors, or if a difference image is where a science image or template should be. What an image does
        not tell of itself is not compared.
    """
    for name, place in images.items():
        if place.is_difference and not name.startswith("difference"):
            raise ImageMismatchError(
                f"the {name} image is a difference image: are {name} and difference swapped?"
            )
    reference = "science" if "science" in images else next(iter(images), "")
    others = {name: place for name, place in images.items() if name != reference}
    for compare in (_compare_ids, _compare_grids):  # what an image is of tells more than where it lies
        for name, place in others.items():
            compare(name, place, reference, images[reference])


def _compare_ids(name: str, place: Place, reference: str, other: Place) -> None:
    for what in ("visit", "detector") if "template" not in name else ():
        mine, theirs = getattr(place, what), getattr(other, what)
        if mine is not None and theirs is not None and mine != theirs:
            raise ImageMismatchError(
                f"the {name} image is of {what} {mine}, the {reference} image of {what} {theirs}"
            )


def _compare_grids(name: str, place: Place, reference: str, other: Place) -> None:
    start, stop = np.maximum(place.box.start, other.box.start), np.minimum(place.box.stop, other.box.stop)
    if (start >= stop).any():
        raise ImageMismatchError(
            f"{name} on {place.box} has no pixel in common with {reference} on {other.box}"
        )
    if place.projection is None or other.projection is None or place.projection is other.projection:
        return
    (y0, x0), (y1, x1) = start.tolist(), (stop - 1).tolist()
    x, y = np.array([x0, x1, x0, x1, (x0 + x1) / 2.0]), np.array([y0, y0, y1, y1, (y0 + y1) / 2.0])
    there = sky_to_pixel(place.projection, *pixel_to_sky(other.projection, x, y))
    offset = _offset(x, y, *there)
    if offset.max() > _GRID_TOLERANCE:
        raise ImageMismatchError(
            f"{name} and {reference} are not on one pixel grid: the same sky is {_apart(offset.max())} at "
            f"the corners. Is {name} of another visit or detector, or not warped to the {reference} image?"
        )


def check_catalog(
    name: str, catalog: Table, image: str, place: Place, *, columns: tuple[str, ...] = ("visit", "detector")
) -> None:
    """Refuse a catalogue that is of another image.

    Parameters
    ----------
    name
        What to call the catalogue in messages.
    catalog
        Columns ``visit`` and ``detector``, and ``x``, ``y`` [pixels] with ``ra``, ``dec`` [degrees], as far
        as it has them.
    image
        What to call the image.
    place
        The image.
    columns
        Which of the columns must say what the image says.

    Raises
    ------
    InvalidCatalogError
        Raised if rows are of another visit or detector, or if pixel and sky positions contradict each other
        on this image.
    """
    reasons = []
    # Sources of bare pixels, measured outside a pipeline, have visit 0.
    unknown = (
        np.asarray(catalog["visit"]) == 0 if "visit" in catalog.colnames else np.zeros(len(catalog), bool)
    )
    for what in columns:
        here = getattr(place, what)
        if here is None or what not in catalog.colnames:
            continue
        values = np.ma.asarray(catalog[what])
        other = np.flatnonzero(np.ma.filled(values != here, False) & ~unknown)
        if other.size:
            row = int(other[0])
            reasons.append(
                f"{what} is {values[row]} in row {row} ({other.size} of {len(catalog)} rows), but the "
                f"{image} is of {what} {here}"
            )
    offset = _median_offset(catalog, place.projection)
    if offset > _POSITION_TOLERANCE:
        reasons.append(
            f"x, y and ra, dec of the same sources are {_apart(offset)} on the {image}: the catalogue is of "
            "another image, or its positions are in other units than pixels and degrees"
        )
    if reasons:
        raise InvalidCatalogError(name, reasons)


def _median_offset(catalog: Table, projection: SkyProjection[Any] | None) -> float:
    names = ("x", "y", "ra", "dec")
    if projection is None or any(name not in catalog.colnames for name in names):
        return 0.0
    x, y, ra, dec = (np.ma.filled(np.ma.asarray(catalog[name], float), np.nan) for name in names)
    rows = np.flatnonzero(np.isfinite(x + y + ra + dec))
    rows = rows[:: max(1, rows.size // _CHECKED_ROWS)]
    if not rows.size:
        return 0.0
    there = sky_to_pixel(projection, ra[rows], dec[rows])
    return float(np.median(_offset(x[rows], y[rows], *there)))


def _offset(x: Floats, y: Floats, other_x: Floats, other_y: Floats) -> Floats:
    """Return distances in pixels, infinite where a position has no pixel."""
    distance = np.hypot(x - other_x, y - other_y)
    return np.where(np.isfinite(distance), distance, np.inf)


def _apart(pixels: float) -> str:
    return f"{pixels:.3g} pixels apart" if np.isfinite(pixels) else "on different sides of the sky"


def looks_swapped(science: npt.ArrayLike, template: npt.ArrayLike, difference: npt.ArrayLike) -> bool:
    """Tell from pixels whether science and difference image were given in place of each other.

    Parameters
    ----------
    science, template, difference
        Pixels of the same sky, of one shape; NaN where missing.

    Returns
    -------
    bool
        True if the difference is much more like the template than the science image is. What does not change
        is in science image and template alike, and not in their difference. False where there is nothing
        that could tell, such as in empty sky.
    """
    planes = [np.asarray(p).ravel() for p in (science, template, difference)]
    step = max(1, planes[0].size // _CHECKED_PIXELS)
    pixels = np.stack([plane[::step].astype(np.float64) for plane in planes])
    pixels = pixels[:, np.isfinite(pixels).all(axis=0)]
    if pixels.shape[1] < 2:
        return False
    pixels -= np.median(pixels, axis=1, keepdims=True)
    scatter = np.median(np.abs(pixels), axis=1, keepdims=True) / 0.6745
    if not (scatter > 0).all():
        return False
    pixels = np.clip(pixels / scatter, -_CLIP, _CLIP)
    correlation: Floats = np.asarray(np.corrcoef(pixels))
    like_science, like_difference = correlation[1, 0], correlation[1, 2]
    return bool(like_difference > _MIN_CORRELATION and like_difference > 2 * like_science)
