"""Mask planes: which there are, how to add, combine, spread and look for them."""

from __future__ import annotations

__all__ = (
    "DIFFERENCE_PLANES",
    "TEMPLATE_PLANES",
    "UNUSABLE_PLANES",
    "any_plane",
    "dilate_bits",
    "ensure_planes",
    "missing_pixels",
)

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from lsst.images import Mask, MaskedImage, MaskPlane

type BoolArray = npt.NDArray[np.bool_]

_PLANES = {
    "BAD": "Pixel is defective.",
    "SATURATED": "Pixel is saturated.",
    "INTERPOLATED": "Pixel was interpolated.",
    "COSMIC_RAY": "Pixel was hit by a cosmic ray.",
    "DETECTION_EDGE": "Pixel is too close to an edge to detect sources.",
    "NO_DATA": "Pixel has no data.",
    "DETECTED": "Pixel lies in a positive detection.",
    "CLIPPED": "An input of the coadd was clipped here as an outlier.",
    "REJECTED": "An input of the coadd was left out here because of its mask.",
    "HIGH_VARIANCE": "Template pixel with fewer inputs than usual and hence high noise.",
    "DETECTED_NEGATIVE": "Pixel lies in a negative detection.",
    "SAT_TEMPLATE": "Pixel is saturated in the template.",
    "INJECTED_TEMPLATE": "Pixel was touched by a source injected into the template.",
    "INJECTED_CORE_TEMPLATE": "Pixel is in the core of a source injected into the template.",
}

TEMPLATE_PLANES = (
    "NO_DATA",
    "BAD",
    "SATURATED",
    "INTERPOLATED",
    "COSMIC_RAY",
    "DETECTION_EDGE",
    "HIGH_VARIANCE",
)
"""Planes every assembled or warped template has."""

DIFFERENCE_PLANES = (
    "NO_DATA",
    "BAD",
    "SATURATED",
    "DETECTED",
    "DETECTED_NEGATIVE",
    "DETECTION_EDGE",
    "HIGH_VARIANCE",
    "SAT_TEMPLATE",
    "INJECTED_TEMPLATE",
    "INJECTED_CORE_TEMPLATE",
)
"""Planes every difference image has, besides those of its science image."""


UNUSABLE_PLANES = (
    "SATURATED",
    "COSMIC_RAY",
    "BAD",
    "INTERPOLATED",
    "NO_DATA",
    "SAT_TEMPLATE",
    "DETECTION_EDGE",
)
"""Planes of pixels that no fit should see."""


def ensure_planes(mask: Mask, names: Iterable[str]) -> Mask:
    """Return the mask with planes added that it lacks; the same object where it lacks none.

    Parameters
    ----------
    mask
        The mask.
    names
        Names of the planes that there must be.

    Returns
    -------
    lsst.images.Mask
        Mask with all of them.
    """
    missing = [name for name in names if name not in mask.schema.names]
    if not missing:
        return mask
    return mask.add_planes([MaskPlane(name, _PLANES.get(name, name)) for name in missing])


def any_plane(mask: Mask, names: Iterable[str]) -> BoolArray:
    """Return where any of the named planes is set; planes the mask lacks are set nowhere.

    Parameters
    ----------
    mask
        The mask.
    names
        Names of planes.

    Returns
    -------
    numpy.ndarray
        Bool, shape of the mask's box.
    """
    out = np.zeros(mask.bbox.shape, dtype=bool)
    for name in names:
        if name in mask.schema.names:
            out |= mask.get(name)
    return out


def missing_pixels(image: MaskedImage) -> BoolArray:
    """Return where an image has no usable value: NO_DATA, or no finite value or variance.

    Parameters
    ----------
    image
        Image with mask and variance.

    Returns
    -------
    numpy.ndarray
        Bool, shape of the image.
    """
    return (
        any_plane(image.mask, ["NO_DATA"])
        | ~np.isfinite(image.image.array)
        | ~(np.isfinite(image.variance.array) & (image.variance.array > 0))
    )


def dilate_bits(bits: npt.NDArray[np.integer], radius: int) -> npt.NDArray[np.integer]:
    """Spread every bit of a packed mask, shape ``(ny, nx, ...)``, over a square of a half width.

    Parameters
    ----------
    bits
        Packed mask.
    radius
        Half width of the square in pixels.

    Returns
    -------
    numpy.ndarray
        New mask of the same shape and type.
    """
    out = bits.copy()
    for axis in (0, 1):
        line = np.moveaxis(out, axis, 0)
        before = line.copy()
        for step in range(1, radius + 1):
            line[step:] |= before[:-step]
            line[:-step] |= before[step:]
    return out
