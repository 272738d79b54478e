"""Light of fakes into pixels."""

from __future__ import annotations

__all__ = ("Injection", "inject")

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.table import Table
from lsst.images import Mask, MaskPlane, MaskSchema, VisitImage

from ..errors import InvalidCatalogError, InvalidInputError
from ..imaging import local_jacobian
from ..legacy import write_header_cards
from ..tables import InjectionFlag, apply_schema, as_astropy, magnitude_to_njy, sky_to_pixel
from ._gain import GainRegion, gain_regions
from ._options import InjectionOptions
from ._painting import PixelGrid, PoissonNoise, SharedPixels, SlopeMap
from ._schema import FLAG_BITS, INJECTED_CATALOG
from ._stamps import GalSimStamper, PsfStamper, Stamp, Stamper
from ._validation import require_valid

type Floats = npt.NDArray[np.float64]

_POINT_SOURCES = ("Star", "DeltaFunction")
_BATCH = 256
_SERSIC_LIMITS = (0.3, 6.2)
_DEFAULT = InjectionOptions()


@dataclasses.dataclass(frozen=True)
class Injection:
    """What `inject` returns.

    Parameters
    ----------
    image
        The image with fakes.
    catalog
        The rows on or near the image: all columns of the input, and x, y [pixels], flux [nJy],
        injection_flag and injection_draw_size.
    n_dropped
        Rows that were left out because they lie off the padded image.
    """

    image: VisitImage
    catalog: Table
    n_dropped: int

    @property
    def n_drawn(self) -> int:
        """Number of rows whose light is in the image."""
        return int(np.count_nonzero(np.asarray(self.catalog["injection_flag"]) == 0))


def inject(
    image: VisitImage,
    catalog: Table,
    options: InjectionOptions = _DEFAULT,
    *,
    seed: int,
    name: str = "injection catalogue",
    dataset_type: str = "visit_image",
) -> Injection:
    """Add point sources to a copy of an image.

    Parameters
    ----------
    image
        Image in nJy, or with a photometric scaling to nJy.
    catalog
        Columns ``injection_id``, ``ra``, ``dec``, ``mag``; optional ``source_type``, ``draw_size``, and
        ``visit``, ``is_visit_source``, ``is_template_source``, which select rows.
    options
        How.
    seed
        Seed of the noise; each row has its own, keyed by seed, visit, detector and ``injection_id``.
    name
        What the catalogue is called in messages.
    dataset_type
        What the image is called in the metadata.

    Returns
    -------
    Injection
        Image, table and the number of rows left out.

    Raises
    ------
    InvalidCatalogError
        If the rows cannot be injected: every reason, with the rows.
    """
    rows, n_dropped = _rows_near(image, _rows_for(image, catalog, options, name), options.trim_padding)
    image = image.copy()
    _add_planes(image, *options.planes)
    if len(rows):
        regions = (
            gain_regions(image, options.bad_planes) if options.add_noise or options.inject_variance else []
        )
        x, y, flux = (np.asarray(rows[name], dtype=np.float64) for name in ("x", "y", "flux"))
        _Painter(image, regions, options, seed).paint(rows, _image_flux(image, flux, x, y))
    rows.meta.update(FLAG_BITS)
    drawn = int(np.count_nonzero(np.asarray(rows["injection_flag"]) == 0))
    told: dict[str, str | int] = {
        "INJECTED": dataset_type,
        "INJECTION_SEED": seed,
        "INJECTION_PLANE": options.planes[0],
        "INJECTION_N_DRAWN": drawn,
        "INJECTION_N_FLAGGED": len(rows) - drawn,
        "INJECTION_N_DROPPED": n_dropped,
    }
    # As a whole: one key at a time may not cover what lsst.source_injection has put into the FITS header.
    image.metadata = {**image.metadata.native, **told}
    write_header_cards(image, told)
    return Injection(image, rows, n_dropped)


def _add_planes(image: VisitImage, plane: str, core: str) -> None:
    """Append the planes that the mask lacks, copying bytes instead of plane by plane."""
    wanted = {plane: "Stamp of an injected source.", core: "3 x 3 pixels about an injected source."}
    old = image.mask
    new = [MaskPlane(name, doc) for name, doc in wanted.items() if name not in old.schema.names]
    if new:
        schema = MaskSchema([*old.schema, *new], dtype=old.schema.dtype)
        array = np.zeros((*old.array.shape[:2], schema.mask_size), dtype=old.array.dtype)
        array[:, :, : old.array.shape[2]] = old.array
        image.mask = Mask(array, schema=schema, bbox=old.bbox, sky_projection=old.sky_projection)


def _rows_for(image: VisitImage, catalog: Table, options: InjectionOptions, name: str) -> Table:
    """Return a copy of the rows that are meant for this image."""
    catalog = as_astropy(catalog, name)
    if "injection_id" not in catalog.colnames:
        raise InvalidCatalogError(name, ["column injection_id is missing"])
    kind = f"is_{options.target}_source"
    selecting = [column for column in ("visit", kind) if column in catalog.colnames]
    schema = {column: INJECTED_CATALOG[column] for column in selecting}
    chosen = apply_schema(catalog[selecting] if selecting else {}, schema, name=name)
    wanted = np.ones(len(catalog), dtype=bool)
    if "visit" in selecting:
        wanted &= np.asarray(chosen["visit"]) == image.obs_info.visit_id
    if kind in selecting:
        wanted &= np.asarray(chosen[kind])
    return require_valid(catalog[wanted], name=name, strict=options.strict)


def _rows_near(image: VisitImage, rows: Table, padding: int) -> tuple[Table, int]:
    """Add pixel positions, fluxes and flags, and leave out the rows far from the image."""
    x, y = sky_to_pixel(image.sky_projection, np.asarray(rows["ra"], float), np.asarray(rows["dec"], float))
    box = image.bbox.padded(padding)
    near = (
        (x >= box.x.start - 0.5)
        & (x <= box.x.stop - 0.5)
        & (y >= box.y.start - 0.5)
        & (y <= box.y.stop - 0.5)
    )
    rows, x, y = rows[near], x[near], y[near]
    mag = np.asarray(rows["mag"])
    flag = np.where(np.isfinite(mag), 0, int(InjectionFlag.MAG_BAD))
    if "source_type" in rows.colnames:
        known = np.isin(np.asarray(rows["source_type"], dtype=str), _POINT_SOURCES)
        flag = np.where(known, flag, flag | int(InjectionFlag.TYPE_UNKNOWN))
    if "n" in rows.colnames:
        n = np.asarray(rows["n"])
        extreme = (n <= _SERSIC_LIMITS[0]) | (n >= _SERSIC_LIMITS[1])
        flag = np.where(extreme, flag | int(InjectionFlag.SERSIC_EXTREME), flag)
    rows["x"], rows["y"] = x, y
    rows["x"].unit = rows["y"].unit = u.pix
    rows["flux"] = magnitude_to_njy(mag)
    rows["flux"].unit = u.nJy
    rows["injection_flag"] = flag.astype(np.int64)
    rows["injection_draw_size"] = np.zeros(len(rows), dtype=np.int64)
    return rows, int(np.count_nonzero(~near))


def _image_flux(image: VisitImage, flux: Floats, x: Floats, y: Floats) -> Floats:
    """Convert nJy to the unit of the image."""
    if image.unit.is_equivalent(u.nJy):
        return np.asarray(flux * (u.nJy).to(image.unit))
    scaling = image.photometric_scaling
    if scaling is None or scaling.unit is None:
        raise InvalidInputError(f"an image in {image.unit} needs a photometric scaling to take fluxes in nJy")
    nearest_x = np.clip(x, image.bbox.x.min, image.bbox.x.max)
    nearest_y = np.clip(y, image.bbox.y.min, image.bbox.y.max)
    per_unit = (scaling.unit * image.unit).to(u.nJy) * np.asarray(scaling(x=nearest_x, y=nearest_y))
    return np.asarray(flux / per_unit)


class _Painter:
    """Adds stamps to the planes of one image."""

    def __init__(
        self, image: VisitImage, regions: Sequence[GainRegion], options: InjectionOptions, seed: int
    ) -> None:
        self._options = options
        self._grid, self._start = PixelGrid(image.bbox), image.bbox.start
        self._projection = image.sky_projection
        self._image, self._variance = image.image.array, image.variance.array
        stamp_bit, core_bit = (image.mask.schema.bit(plane) for plane in options.planes)
        self._stamps, self._stamp_bit = image.mask.array[:, :, stamp_bit.index], stamp_bit.mask
        self._cores, self._core_bit = image.mask.array[:, :, core_bit.index], core_bit.mask
        self._slopes = SlopeMap(regions, image.bbox)
        self._noise = PoissonNoise(seed, options.target, int(image.obs_info.visit_id or 0), image.detector.id)
        stamper = GalSimStamper if options.renderer == "galsim" else PsfStamper
        self._stamper: Stamper = stamper(image.psf, image.bbox, options.calib_flux_radius)

    def paint(self, rows: Table, flux: Floats) -> None:
        """Draw rows from low to high y, near ones of one image row by their ids.

        Sums of overlapping stamps then do not depend on the order of the table, and memory is read in order.
        """
        x, y = np.asarray(rows["x"], float), np.asarray(rows["y"], float)
        ids = np.asarray(rows["injection_id"], dtype=np.int64)
        sizes, flags = np.asarray(rows["injection_draw_size"]), np.asarray(rows["injection_flag"])
        jacobians = self._jacobians(x, y)
        order = np.lexsort((ids, np.floor(y)))
        order = order[flags[order] == 0]
        columns = (order, x[order], y[order], flux[order], ids[order], _wanted_sizes(rows)[order])
        todo = zip(*(column.tolist() for column in columns), strict=True)
        for part in itertools.batched(todo, _BATCH):
            # All stamps of a batch first: evaluating the PSF and adding to large arrays in turns is slower.
            stamps = [
                self._stamper.stamp(xi, yi, jacobians[row], wanted) for row, xi, yi, _, _, wanted in part
            ]
            for (row, _, _, light, row_id, _), stamp in zip(part, stamps, strict=True):
                if stamp is None:
                    flags[row] = InjectionFlag.PSF_COMPUTE_ERROR
                    continue
                sizes[row] = stamp.draw_size
                pixels = self._grid.overlap(stamp.y0, stamp.x0, *stamp.array.shape)
                if pixels is None:
                    flags[row] = InjectionFlag.NO_OVERLAP
                    continue
                self._add(stamp, pixels, light, row_id)
        drawn = flags == 0
        self._mark_cores(np.floor(x[drawn]).astype(int), np.floor(y[drawn]).astype(int))
        rows["injection_draw_size"], rows["injection_flag"] = sizes, flags

    def _jacobians(self, x: Floats, y: Floats) -> Floats:
        if self._options.renderer == "psf":  # it has no use for them
            return np.zeros((len(x), 2, 2))
        return local_jacobian(self._projection, x, y)

    def _add(self, stamp: Stamp, pixels: SharedPixels, flux: float, row_id: int) -> None:
        """Add flux, noise and variance."""
        star = stamp.array[pixels.of_stamp]
        image, mask = self._image[pixels.of_image], self._stamps[pixels.of_image]
        mask |= self._stamp_bit
        if not self._slopes:
            image += flux * star
            return
        slope = self._slopes.at(pixels)
        counts = star * (flux / slope)  # their mean is their variance
        if self._options.inject_variance:
            variance = self._variance[pixels.of_image]
            variance += counts * (slope * slope)
        if self._options.add_noise:
            counts = self._noise.draw(counts, row_id)
        image += counts * slope

    def _mark_cores(self, x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> None:
        """Mark 3 x 3 pixels about the sources' own, those that are on the image."""
        height, width = self._cores.shape
        for dy, dx in itertools.product((-1, 0, 1), repeat=2):
            rows, columns = y - self._start.y + dy, x - self._start.x + dx
            on = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            self._cores[rows[on], columns[on]] |= self._core_bit


def _wanted_sizes(rows: Table) -> npt.NDArray[np.int64]:
    if "draw_size" not in rows.colnames:
        return np.zeros(len(rows), dtype=np.int64)
    return np.asarray(rows["draw_size"])
