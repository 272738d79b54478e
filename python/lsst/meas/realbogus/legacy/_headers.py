"""Cards of FITS headers, which images of `lsst.images` carry along without looking at them."""

from __future__ import annotations

__all__ = ("write_header_cards",)

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsst.images import MaskedImage


def write_header_cards(image: MaskedImage, cards: Mapping[str, str | int | float | bool]) -> None:
    """Put cards into the primary header that an image is written with, in place.

    An image that is stored as an afw exposure keeps its metadata in numbered pairs of cards that only
    `lsst.images` reads back; what other code looks for in the header must be in the header.

    Parameters
    ----------
    image
        The image. Headers are shared by copies and subsets of an image; this one gets its own.
    cards
        Values by keyword; those of more than eight characters become HIERARCH cards.
    """
    from astropy.io.fits import Header
    from lsst.images.fits import ExtensionKey, FitsOpaqueMetadata

    opaque = image._opaque_metadata
    headers = dict(opaque.headers) if isinstance(opaque, FitsOpaqueMetadata) else {}
    header = headers.get(ExtensionKey(), Header()).copy()
    for keyword, value in cards.items():
        header[keyword if len(keyword) <= 8 else f"HIERARCH {keyword}"] = value
    image._opaque_metadata = FitsOpaqueMetadata(headers={**headers, ExtensionKey(): header})
