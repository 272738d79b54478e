"""Template coadds: warped visits, clipped and averaged, cell by cell."""

from __future__ import annotations

__all__ = ("CoaddInput", "assemble_coadd", "prepare_input")

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from lsst.images import Box, Image, Mask, MaskedImage, MaskPlane, MaskSchema, VisitImage
from lsst.images.cells import CellCoadd, CellGridBounds, CellIJ, CellPointSpreadFunction, PatchDefinition

from lsst.meas.realbogus.errors import ImageMismatchError, InvalidInputError

from ..imaging import TEMPLATE_PLANES, KernelField, any_plane, ensure_planes, psf_nodes
from ._clipped_mean import ClippedMean, clipped_mean
from ._options import CoaddOptions
from ._pixel_map import PixelMap, map_pixels
from ._tract import Tract
from ._warp import warp_by_map, warp_kernel

type FloatArray = npt.NDArray[np.float64]

_REJECTED_PLANES = ("BAD", "COSMIC_RAY", "NO_DATA", "SATURATED", "INTERPOLATED", "DETECTION_EDGE")
_PSF_NODES = 5
_SET_PLANES = ("CLIPPED", "REJECTED")
_DEFAULT = CoaddOptions()


@dataclasses.dataclass(frozen=True)
class CoaddInput:
    """One visit and detector on a patch's pixel grid.

    Parameters
    ----------
    image
        The warped image.
    kernels
        PSF kernel in each cell, shape ``(cells along y, cells along x, size, size)``.
    weight
        Inverse of the typical variance.
    """

    image: MaskedImage
    kernels: FloatArray
    weight: float


def prepare_input(
    visit_image: VisitImage, tract: Tract, patch: PatchDefinition, options: CoaddOptions = _DEFAULT
) -> CoaddInput | None:
    """Warp a visit image and its PSF to a patch; `None` where it does not reach the patch.

    Parameters
    ----------
    visit_image
        Calibrated image, or the part of it that `needed_box` asks for.
    tract, patch
        Where to.
    options
        How; the same as for `assemble_coadd`.

    Returns
    -------
    CoaddInput or None
        The part of the image on the patch.
    """
    pixels = map_pixels(tract.projection, patch.outer_bbox, visit_image.sky_projection)
    if pixels is None:
        return None
    warped = warp_by_map(visit_image, pixels, tract.projection)
    if warped is None:
        return None
    good = ~any_plane(warped.mask, _REJECTED_PLANES)
    if not good.any():
        return None
    weight = 1.0 / float(np.median(warped.variance.array[good]))
    return CoaddInput(warped, _cell_kernels(visit_image, pixels, patch, options.psf_radius), weight)


def _cell_kernels(
    visit_image: VisitImage, pixels: PixelMap, patch: PatchDefinition, radius: int
) -> FloatArray:
    """Warp the PSF to some places of the patch, and interpolate to the middles of the cells."""
    domain, grid = visit_image.bbox, patch.cells
    field = KernelField.from_psf(visit_image.psf, domain, order=2)
    inside = np.asarray(domain.contains(x=pixels.x, y=pixels.y))
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    covered = Box.from_shape(
        (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1),
        start=(grid.bbox.y.start + int(rows[0]), grid.bbox.x.start + int(columns[0])),
    )
    x, y = psf_nodes(covered, _PSF_NODES)
    kernels = []
    for row, column in zip(np.rint(y).astype(int), np.rint(x).astype(int), strict=True):
        row, column = int(row) - grid.bbox.y.start, int(column) - grid.bbox.x.start
        at_x = float(np.clip(pixels.x[row, column], domain.x.min, domain.x.max))
        at_y = float(np.clip(pixels.y[row, column], domain.y.min, domain.y.max))
        kernels.append(warp_kernel(field.at(at_x, at_y)[0], pixels.jacobian(row, column), radius))
    warped = KernelField.fit(np.stack(kernels), x, y, covered, 2)
    cells = [grid.bbox_of(CellIJ(i=i, j=j)) for i, j in np.ndindex(grid.grid_size.as_tuple())]
    middle_x = np.clip([cell.x.center for cell in cells], covered.x.min, covered.x.max)
    middle_y = np.clip([cell.y.center for cell in cells], covered.y.min, covered.y.max)
    return warped.at(middle_x, middle_y).reshape(*grid.grid_size.as_tuple(), 2 * radius + 1, 2 * radius + 1)


def assemble_coadd(
    inputs: Sequence[CoaddInput],
    tract: Tract,
    patch: PatchDefinition,
    *,
    band: str,
    options: CoaddOptions = _DEFAULT,
) -> CellCoadd:
    """Average warped visits into a coadd.

    Parameters
    ----------
    inputs
        Warped visits, all of the same unit.
    tract, patch
        Where they were warped to.
    band
        Name of the band.
    options
        How.

    Returns
    -------
    CellCoadd
        Inverse-variance weighted mean, with the PSF in each cell the mean of the inputs' PSFs with the
        weights of the pixels. NO_DATA and NaN where no input reaches.

    Raises
    ------
    InvalidInputError
        If there are no inputs.
    ImageMismatchError
        If their pixels have different units.
    """
    if not inputs:
        raise InvalidInputError(f"patch {patch.id} of tract {tract.id} has no inputs")
    units = sorted({str(item.image.unit) for item in inputs})
    if len(units) > 1:
        raise ImageMismatchError(
            f"patch {patch.id} of tract {tract.id}: the inputs have pixels in {' and in '.join(units)}; "
            "calibrate them to one unit"
        )
    planes = _union_schema(inputs)
    masks = [_masked_as(item.image.mask, planes) for item in inputs]
    reject = np.stack([any_plane(mask, _REJECTED_PLANES) for mask in masks])
    empty = np.stack([any_plane(mask, ["NO_DATA"]) for mask in masks])
    mean = clipped_mean(
        np.stack([item.image.image.array for item in inputs]),
        np.stack([item.image.variance.array for item in inputs]),
        np.array([item.weight for item in inputs]),
        empty=empty,
        reject=reject,
        clip_sigma=options.clip_sigma,
        clip_softening=options.clip_softening,
        contrasts=_psf_contrasts(inputs),
    )
    kernels, missing = _mean_kernels(inputs, mean.weights, patch)
    mask = _combine_masks(masks, mean, patch.outer_bbox)
    for cell in missing:
        mask[patch.cells.bbox_of(cell)].set("NO_DATA")
    unit = inputs[0].image.unit
    bounds = CellGridBounds(grid=patch.cells, bbox=patch.outer_bbox, missing=frozenset(missing))
    return CellCoadd(
        Image(mean.value, bbox=patch.outer_bbox, unit=unit),
        mask=mask,
        variance=Image(mean.variance, bbox=patch.outer_bbox, unit=None if unit is None else unit**2),
        sky_projection=tract.projection,
        band=band,
        psf=CellPointSpreadFunction(kernels, bounds),
        patch=patch,
    )


def _psf_contrasts(inputs: Sequence[CoaddInput]) -> FloatArray:
    """Return how much a star's pixels differ between each input and the mean, as a share of its peak."""
    kernels = np.stack([item.kernels.mean(axis=(0, 1)) for item in inputs])
    mean = kernels.mean(axis=0)
    return np.asarray(np.abs(kernels - mean).max(axis=(1, 2)) / mean.max())


def _union_schema(inputs: Sequence[CoaddInput]) -> MaskSchema:
    planes: dict[str, MaskPlane] = {}
    for item in inputs:
        for plane in item.image.mask.schema:
            if plane is not None:
                planes.setdefault(plane.name, plane)
    return MaskSchema(list(planes.values()))


def _masked_as(mask: Mask, schema: MaskSchema) -> Mask:
    out = Mask(0, schema=schema, bbox=mask.bbox)
    out.update(mask)
    return out


def _combine_masks(masks: Sequence[Mask], mean: ClippedMean, bbox: Box, fraction: float = 0.1) -> Mask:
    """Set a plane where inputs that carry it have this share of the weight."""
    out = ensure_planes(Mask(0, schema=masks[0].schema, bbox=bbox), [*TEMPLATE_PLANES, *_SET_PLANES])
    total = mean.weights.sum(axis=0)
    nothing = total <= 0
    for name in masks[0].schema.names:
        share = np.zeros(bbox.shape)
        for mask, weight in zip(masks, mean.weights, strict=True):
            share += weight * mask.get(name)
        out.set(name, share > fraction * total)
    out.set("NO_DATA", nothing)
    out.set("CLIPPED", mean.clipped)
    out.set("REJECTED", mean.rejected)
    return out


def _mean_kernels(
    inputs: Sequence[CoaddInput], weights: npt.NDArray[np.float32], patch: PatchDefinition
) -> tuple[FloatArray, list[CellIJ]]:
    ny, nx = patch.cells.grid_size.as_tuple()
    height, width = patch.cells.cell_shape
    share = weights.reshape(len(inputs), ny, height, nx, width).mean(axis=(2, 4), dtype=np.float64)
    total = share.sum(axis=0)
    kernels = np.zeros_like(inputs[0].kernels)
    for item, part in zip(inputs, share, strict=True):
        reaches = part > 0
        kernels[reaches] += part[reaches, np.newaxis, np.newaxis] * item.kernels[reaches]
    with np.errstate(invalid="ignore", divide="ignore"):
        kernels /= total[:, :, np.newaxis, np.newaxis]
    missing = [CellIJ(i=int(i), j=int(j)) for i, j in np.argwhere(total <= 0)]
    return kernels, missing
