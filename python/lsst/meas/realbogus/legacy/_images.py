"""Images, and parts of images, stored as `lsst.images` or as afw exposures."""

from __future__ import annotations

__all__ = (
    "DeferredImage",
    "convert_mask",
    "convert_projection",
    "read_grid",
    "read_mask",
    "read_masked_image",
    "read_parts",
    "read_pixels",
    "read_projection",
    "read_psf",
)

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._calibration import read_photo_calib
from ._stored import NATIVE, is_exposure, read_exposure_component, stored_class

if TYPE_CHECKING:
    from lsst.daf.butler import DeferredDatasetHandle
    from lsst.images import Box, Image, Mask, MaskedImage, SkyProjection
    from lsst.images.psfs import PointSpreadFunction

# afw's names of planes that lsst.images calls otherwise.
_RENAMED_PLANES = {
    "CR": "COSMIC_RAY",
    "EDGE": "DETECTION_EDGE",
    "INTRP": "INTERPOLATED",
    "SAT": "SATURATED",
    "UNMASKEDNAN": "UNMASKED_NAN",
}


def read_mask(handle: DeferredDatasetHandle, **parameters: Any) -> Mask:
    """Read the mask of an image dataset.

    Parameters
    ----------
    handle
        Deferred handle of a ``VisitImage`` or ``DifferenceImage`` connection.
    **parameters
        Passed on to ``get``. A box is honoured by `lsst.images` datasets and ignored by afw's.

    Returns
    -------
    lsst.images.Mask
        The mask, planes by the names of lsst.images.
    """
    try:
        mask: Mask = handle.get(component="mask", **parameters)
    except (ValueError, RuntimeError):
        # An afw exposure with a plane that lsst.images did not guess, such as CLIPPED on a template.
        mask = _read_afw_mask(handle)
    return mask


def _read_afw_mask(handle: DeferredDatasetHandle) -> Mask:
    return convert_mask(handle.get(component="mask", storageClass="MaskX"))


def convert_mask(legacy: Any) -> Mask:
    """Convert a mask of afw's with any planes.

    Parameters
    ----------
    legacy
        ``lsst.afw.image.Mask``.

    Returns
    -------
    lsst.images.Mask
        The mask, planes by the names of lsst.images.
    """
    from lsst.images import Mask, MaskPlane

    planes = {
        name: MaskPlane(_RENAMED_PLANES.get(name, name), f"afw plane {name}")
        for name in legacy.getMaskPlaneDict()
    }
    return Mask.from_legacy(legacy, plane_map=planes)


def _read_component[T](
    handle: DeferredDatasetHandle, legacy: str, native: str, convert: Callable[[Any], T]
) -> T:
    """Read a component by afw's name for it, or else by that of lsst.images.

    Asked for one that the stored kind lacks, the stack reads and converts all of the image.
    """
    found, failure = read_exposure_component(handle, legacy, convert)
    if found is not None:
        return found
    try:
        part: T = handle.get(component=native)
    except Exception as error:
        if failure is not None:
            error.add_note(f"and {legacy} of it as an afw exposure: {type(failure).__name__}: {failure}")
        raise
    return part


def read_projection(handle: DeferredDatasetHandle) -> SkyProjection[Any]:
    """Read the sky projection of an image dataset, without its pixels and without a Detector.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.

    Returns
    -------
    lsst.images.SkyProjection
        The projection.
    """
    return _read_component(handle, "wcs", "sky_projection", convert_projection)


def convert_projection(wcs: Any) -> SkyProjection[Any]:
    """Convert a projection of afw's.

    Parameters
    ----------
    wcs
        ``lsst.afw.geom.SkyWcs``.

    Returns
    -------
    lsst.images.SkyProjection
        The projection, of pixels that are no particular image's.
    """
    import astropy.units as u
    from lsst.images import GeneralFrame, SkyProjection

    return SkyProjection.from_legacy(wcs, GeneralFrame(unit=u.pix))


def read_psf(handle: DeferredDatasetHandle) -> PointSpreadFunction:
    """Read the PSF of an image dataset, without its pixels and without a Detector.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.

    Returns
    -------
    lsst.images.psfs.PointSpreadFunction
        The PSF; that of an afw exposure is evaluated by afw.
    """

    def wrap(psf: Any) -> PointSpreadFunction:
        from ._psfs import AfwPsf

        return AfwPsf(psf, handle.get(component="bbox"))

    return _read_component(handle, "psf", "psf", wrap)


def read_grid(handle: DeferredDatasetHandle) -> tuple[Box, SkyProjection[Any]]:
    """Read the box and the sky projection of an image dataset, opening its file once where that can be.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.

    Returns
    -------
    tuple
        Box and projection.
    """
    if _is_native(handle):
        parts = read_parts(handle, ["bbox", "sky_projection"])
        return parts["bbox"], parts["sky_projection"]
    return handle.get(component="bbox"), read_projection(handle)


def read_parts(handle: DeferredDatasetHandle, names: Sequence[str]) -> dict[str, Any]:
    """Read components of an image dataset, opening its file once.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.
    names
        Components of its storage class, such as ``detector`` and ``obs_info``.

    Returns
    -------
    dict
        The components by name. An afw exposure has few of them: it is read and converted as a whole, and must
        have a Detector.
    """
    if _is_native(handle):
        parts: dict[str, Any] = handle.get(component="components", parameters={"components": list(names)})
        return parts
    whole = handle.get()
    return {name: getattr(whole, name) for name in names}


def read_pixels(handle: DeferredDatasetHandle, box: Box | None = None) -> tuple[Image, Mask]:
    """Read the pixels and the mask of an image dataset.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.
    box
        Part of the image to return; default: all of it. Of an afw exposure all is read and then cropped.

    Returns
    -------
    tuple
        Image and mask.
    """
    if _is_native(handle):
        parameters: dict[str, Any] = {"components": ["image", "mask"]}
        if box is not None:
            parameters["bbox"] = box
        parts = handle.get(component="components", parameters=parameters)
        return parts["image"], parts["mask"]
    image, mask = handle.get(component="image"), read_mask(handle)
    return (image, mask) if box is None else (image[box], mask[box])


def read_masked_image(handle: DeferredDatasetHandle, box: Box | None = None) -> MaskedImage:
    """Read image, mask, variance and sky projection of an image dataset, without a Detector.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.
    box
        Part of the image to return; default: all of it.

    Returns
    -------
    lsst.images.MaskedImage
        What a warped template of ip_diffim has, which cannot become a `~lsst.images.VisitImage`; its PSF is
        read by `read_psf`. Pixels without a unit, which templates have, are brought to nJy.
    """
    import astropy.units as u
    from lsst.images import Image, MaskedImage

    (image, mask), variance = read_pixels(handle, box), handle.get(component="variance")
    if box is not None:
        variance = variance[box]
    scale = read_photo_calib(handle) if image.unit is None else None
    if scale is not None:
        image = Image(image.array * image.array.dtype.type(scale), bbox=image.bbox, unit=u.nJy)
        variance = Image(variance.array * variance.array.dtype.type(scale**2), bbox=image.bbox, unit=u.nJy**2)
    return MaskedImage(image, mask=mask, variance=variance, sky_projection=read_projection(handle))


def _is_native(handle: DeferredDatasetHandle) -> bool:
    return stored_class(handle) in NATIVE or not is_exposure(handle)


@dataclasses.dataclass(frozen=True)
class DeferredImage:
    """A deferred image whose components read alike in both worlds.

    Parameters
    ----------
    handle
        Deferred handle of a ``VisitImage`` or ``DifferenceImage`` connection.
    """

    handle: DeferredDatasetHandle

    def get(self, **kwargs: Any) -> Any:
        """Read the image or, with ``component=``, a part of it; see `read_mask` for why masks are special.

        Parameters
        ----------
        **kwargs
            Passed on to ``get``: ``component``, ``parameters``.

        Returns
        -------
        object
            The image or its part.
        """
        if kwargs.get("component") == "mask":
            return read_mask(self.handle, **{k: v for k, v in kwargs.items() if k != "component"})
        return self.handle.get(**kwargs)
