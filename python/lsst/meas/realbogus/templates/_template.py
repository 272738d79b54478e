"""A template on a detector's pixel grid, from the coadds that overlap it."""

from __future__ import annotations

__all__ = ("build_template",)

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astro_metadata_translator import ObservationInfo
from lsst.images import Box, DetectorFrame, Image, Mask, MaskedImage, SkyProjection, VisitImage
from lsst.images.cameras import Detector
from lsst.images.cells import CellCoadd

from lsst.meas.realbogus.errors import ImageMismatchError, InvalidInputError

from ..imaging import TEMPLATE_PLANES, KernelField, ensure_planes, overlap, psf_nodes, resize
from ._options import TemplateOptions
from ._patch_coadd import PatchCoadd
from ._pixel_map import SPLINE_REACH, PixelMap, map_pixels
from ._warp import warp_by_map, warp_kernel

type FloatArray = npt.NDArray[np.float64]

_DEFAULT = TemplateOptions()


def build_template(
    coadds: Sequence[CellCoadd | PatchCoadd],
    bbox: Box,
    projection: SkyProjection[DetectorFrame],
    *,
    detector: Detector,
    obs_info: ObservationInfo,
    band: str,
    options: TemplateOptions = _DEFAULT,
) -> VisitImage | None:
    """Warp coadds to a detector.

    Parameters
    ----------
    coadds
        Coadds of one band; where they overlap, a patch's inner box goes first (a later patch, where the boxes
        are not known), and earlier tracts.
    bbox, projection
        Pixel grid of the science image.
    detector, obs_info, band
        What a `VisitImage` must know, from the science image.
    options
        How.

    Returns
    -------
    VisitImage or None
        Template with NaN and NO_DATA where no coadd reaches and a Piff PSF; `None` where none reaches at
        all.
    """
    grown = bbox.padded(options.border)
    parts: list[MaskedImage] = []
    kernels: list[tuple[float, float, FloatArray]] = []
    for group in _by_tract(coadds):
        pixels = map_pixels(projection, grown, _projection(group[0]))
        if pixels is None:
            continue
        wanted = overlap(pixels.source_bbox.padded(2 * SPLINE_REACH), _hull(group))
        if wanted is None:
            continue
        warped = warp_by_map(_mosaic(group, wanted), pixels, projection)
        if warped is not None:
            parts.append(warped)
            kernels.extend(_warped_kernels(group, pixels, grown, options.psf_nodes))
    if not parts or not kernels:
        return None
    image = _stack(parts)
    good = ~image.mask.get("NO_DATA")
    if not good.any():
        return None
    variance = image.variance.array
    image.mask.set("HIGH_VARIANCE", good & (variance > options.high_variance * np.median(variance[good])))
    x, y = (np.array([kernel[axis] for kernel in kernels]) for axis in (0, 1))
    reach = max(stamp.shape[0] // 2 for _, _, stamp in kernels)
    stamps = np.concatenate([resize(stamp[None], reach) for _, _, stamp in kernels])
    psf = KernelField.fit(stamps, x, y, grown, options.psf_order).to_psf(grown)
    return VisitImage(
        image.image,
        mask=image.mask,
        variance=image.variance,
        sky_projection=projection,
        psf=psf,
        detector=detector,
        obs_info=obs_info,
        band=band,
    )


def _by_tract(coadds: Sequence[CellCoadd | PatchCoadd]) -> list[list[PatchCoadd]]:
    if not coadds:
        raise InvalidInputError("a template needs at least one coadd; got none")
    groups: dict[tuple[str, int], list[PatchCoadd]] = {}
    for coadd in coadds:
        patch = PatchCoadd.of(coadd) if isinstance(coadd, CellCoadd) else coadd
        groups.setdefault((patch.skymap, patch.tract), []).append(patch)
    units = {str(patch.image.unit) for group in groups.values() for patch in group}
    if len(units) > 1:
        raise ImageMismatchError(f"coadds have different units: {sorted(units)}")
    return list(groups.values())


def _projection(coadd: PatchCoadd) -> SkyProjection[Any]:
    if coadd.image.sky_projection is None:
        raise ImageMismatchError("a coadd without a sky projection cannot be warped")
    return coadd.image.sky_projection


def _hull(coadds: Sequence[PatchCoadd]) -> Box:
    """Return the smallest box that holds coadds."""
    boxes = [coadd.image.bbox for coadd in coadds]
    y0, y1 = min(box.y.start for box in boxes), max(box.y.stop for box in boxes)
    x0, x1 = min(box.x.start for box in boxes), max(box.x.stop for box in boxes)
    return Box.factory[y0:y1, x0:x1]


def _mosaic(coadds: Sequence[PatchCoadd], bbox: Box) -> MaskedImage:
    """Paste coadds of one tract together, inner boxes over borders."""
    mask = ensure_planes(coadds[0].image.mask, TEMPLATE_PLANES)
    names = {name for coadd in coadds for name in coadd.image.mask.schema.names}
    schema = ensure_planes(mask, sorted(names)).schema
    out = MaskedImage(
        Image(np.full(bbox.shape, np.nan, dtype=np.float32), bbox=bbox, unit=coadds[0].image.unit),
        mask=Mask(0, schema=schema, bbox=bbox),
        variance=Image(np.full(bbox.shape, np.nan, dtype=np.float32), bbox=bbox),
        sky_projection=coadds[0].image.sky_projection,
    )
    out.mask.set("NO_DATA")
    for inner in (False, True):
        for coadd in coadds:
            box = overlap(bbox, coadd.image.bbox)
            if inner and box is not None:
                box = None if coadd.inner_bbox is None else overlap(box, coadd.inner_bbox)
            if box is not None:
                _paste(out, coadd.image, box)
    return out


def _paste(target: MaskedImage, source: MaskedImage, box: Box) -> None:
    target.image[box] = source.image[box]
    target.variance[box] = source.variance[box]
    window = target.mask[box]
    window.clear()
    window.update(source.mask[box])


def _warped_kernels(
    coadds: Sequence[PatchCoadd], pixels: PixelMap, bbox: Box, n_nodes: int
) -> list[tuple[float, float, FloatArray]]:
    """Sample the PSFs of the cells under a grid of nodes, on the detector's grid."""
    out = []
    for x, y in zip(*psf_nodes(bbox, n_nodes), strict=True):
        row = min(max(round(y) - bbox.y.start, 1), bbox.y.size - 2)
        column = min(max(round(x) - bbox.x.start, 1), bbox.x.size - 2)
        kernel = _kernel(coadds, round(float(pixels.x[row, column])), round(float(pixels.y[row, column])))
        if kernel is not None:
            radius = kernel.shape[0] // 2
            out.append((float(x), float(y), warp_kernel(kernel, pixels.jacobian(row, column), radius)))
    return out


def _kernel(coadds: Sequence[PatchCoadd], x: int, y: int) -> FloatArray | None:
    kernels = (coadd.kernel(x, y) for coadd in coadds)
    return next((kernel for kernel in kernels if kernel is not None), None)


def _stack(parts: Sequence[MaskedImage]) -> MaskedImage:
    """Lay images over each other, the first on top."""
    top = parts[0]
    for below in parts[1:]:
        hole = top.mask.get("NO_DATA") & ~below.mask.get("NO_DATA")
        top.image.array[hole] = below.image.array[hole]
        top.variance.array[hole] = below.variance.array[hole]
        top.mask.clear(None, hole)
        for name in top.mask.schema.names & below.mask.schema.names:
            top.mask.set(name, hole & below.mask.get(name))
    return top
