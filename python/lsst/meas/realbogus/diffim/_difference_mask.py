"""Mask of a difference image, from those of the science image and the template."""

from __future__ import annotations

__all__ = ("difference_mask",)

from lsst.images import Mask

from ..imaging import DIFFERENCE_PLANES, dilate_bits, ensure_planes

_SCIENCE_CLEARED = ("DETECTED", "DETECTED_NEGATIVE")
_TEMPLATE_TO_DIFFERENCE = {
    "BAD": "BAD",
    "NO_DATA": "NO_DATA",
    "HIGH_VARIANCE": "HIGH_VARIANCE",
    "SATURATED": "SAT_TEMPLATE",
    "INJECTED": "INJECTED_TEMPLATE",
    "INJECTED_CORE": "INJECTED_CORE_TEMPLATE",
    "INJECTED_TEMPLATE": "INJECTED_TEMPLATE",
    "INJECTED_CORE_TEMPLATE": "INJECTED_CORE_TEMPLATE",
}
_NOT_SPREAD = (
    "INJECTED",
    "INJECTED_CORE",
    "INJECTED_TEMPLATE",
    "INJECTED_CORE_TEMPLATE",
    "HIGH_VARIANCE",
)


def difference_mask(science: Mask, template: Mask, *, spread: int, spread_science: bool = False) -> Mask:
    """Combine masks.

    Parameters
    ----------
    science, template
        Masks of one box.
    spread
        Reach in pixels of the matching kernel: how far flagged pixels of the convolved image spread.
    spread_science
        Was the science image the one convolved?

    Returns
    -------
    Mask
        All planes of the science image but its detections; of the template, NO_DATA, BAD and HIGH_VARIANCE
        under their names, and SATURATED, INJECTED and INJECTED_CORE under the same names with
        ``_TEMPLATE`` added, unless the template has it already. Planes of injected sources and HIGH_VARIANCE
        do not spread. These are the rules of ip_diffim.
    """
    out = ensure_planes(science, DIFFERENCE_PLANES).copy()
    for name in _SCIENCE_CLEARED:
        out.clear(name)
    if spread and spread_science:
        wide = _spread(science, spread)
        for name in science.schema.names - {*_NOT_SPREAD, *_SCIENCE_CLEARED}:
            out.set(name, wide.get(name))
    wide = _spread(template, 0 if spread_science else spread)
    for name, new in _TEMPLATE_TO_DIFFERENCE.items():
        if name in template.schema.names:
            out.set(new, (template if name in _NOT_SPREAD else wide).get(name))
    return out


def _spread(mask: Mask, radius: int) -> Mask:
    if radius == 0:
        return mask
    return Mask(dilate_bits(mask.array, radius), schema=mask.schema, bbox=mask.bbox)
