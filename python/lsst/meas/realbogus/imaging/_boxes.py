"""Boxes of pixels."""

from __future__ import annotations

__all__ = ("overlap",)

from lsst.images import Box, NoOverlapError


def overlap(first: Box, second: Box) -> Box | None:
    """Return what two boxes have in common, `None` where they have nothing.

    Parameters
    ----------
    first, second
        Boxes in one system of parent coordinates.

    Returns
    -------
    lsst.images.Box or None
        The common pixels.

    Examples
    --------
    >>> overlap(Box.factory[0:4, 0:4], Box.factory[2:9, 3:9])
    Box(y=Interval(start=2, stop=4), x=Interval(start=3, stop=4))
    >>> overlap(Box.factory[0:4, 0:4], Box.factory[4:9, 3:9]) is None
    True
    """
    try:
        return first.intersection(second)
    except NoOverlapError:
        return None
