"""A stand-in for afw and obs_base that reads the files they wrote, as the reference data describe them.

Pixels, masks and WCS come from the files, by `lsst.images` itself; PSFs are Gaussians. What the real stack
refuses is refused: whole images and PSFs where there is no Detector, planes that lsst.images does not guess.
"""

from __future__ import annotations

import shutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Column, Table
from astropy.time import Time
from lsst.daf.butler import FormatterV2, StorageClassDelegate
from lsst.images import (
    Box,
    DetectorFrame,
    DifferenceImage,
    GeneralFrame,
    MaskedImage,
    SkyProjection,
    VisitImage,
)
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import GaussianPointSpreadFunction, LegacyPointSpreadFunction

from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._visit_image import make_visit_image
from lsst.meas.realbogus.tables import as_astropy

from .geometry import Box2I, Point2D, Point2I
from .images import Image, Mask, PhotoCalib
from .modules import add_modules

whole_reads: list[str] = []
"""Files that were read as a whole."""
SIGMA = {"template": 1.45, "science": 1.9}
"""Widths of the PSFs, in pixels."""


class Wcs:
    """``lsst.afw.geom.SkyWcs``."""

    def __init__(self, projection: SkyProjection[Any]) -> None:
        self.projection = projection


class Psf:
    """``lsst.afw.detection.Psf``."""

    def __init__(self, sigma: float, box: Box) -> None:
        self._psf = GaussianPointSpreadFunction(sigma, bounds=box.padded(1000), stamp_size=25)

    def computeKernelBBox(self, _: Point2D) -> Box2I:
        return Box2I.of(self._psf.kernel_bbox)

    def computeKernelImage(self, point: Point2D) -> Image:
        return self._legacy(self._psf.compute_kernel_image(x=point.x, y=point.y))

    def computeImage(self, point: Point2D) -> Image:
        return self._legacy(self._psf.compute_stellar_image(x=point.x, y=point.y))

    @staticmethod
    def _legacy(image: Any) -> Image:
        return Image(image.array, xy0=Point2I(image.bbox.x.start, image.bbox.y.start))


class Exposure:
    """``lsst.afw.image.Exposure``: a file."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)


class ExposureF(Exposure):
    pass


class ExposureReader:
    """What `FitsExposureFormatter` reads of a file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.has_detector = "template" not in Path(path).name

    def part(self, name: str) -> Any:
        """As read; templates that GetTemplateTask makes have no unit."""
        part = MaskedImage.read_legacy(self.path, component=name)
        return part if self.has_detector or name == "mask" else type(part)(part.array, bbox=part.bbox)

    @property
    def box(self) -> Box:
        return self.part("image").bbox

    @property
    def projection(self) -> SkyProjection[Any]:
        frame = GeneralFrame(unit=u.pix)
        return MaskedImage.read_legacy(self.path, component="image", fits_wcs_frame=frame).sky_projection

    @property
    def psf(self) -> Psf:
        return Psf(SIGMA["science" if self.has_detector else "template"], self.box)

    @property
    def mask(self) -> Mask:
        with fits.open(self.path) as hdus:
            cards = hdus[2].header
            planes = {key[3:]: int(value) for key, value in cards.items() if key.startswith("MP_")}
            mask = Mask(Box2I.of(self.box), planes)
            mask.array[:] = hdus[2].data
            return mask

    def require_detector(self) -> None:
        if not self.has_detector:
            raise ValueError(f"Exposure file {self.path!r} does not have a Detector.")

    def whole(self, data_id: Any, kind: type[VisitImage]) -> VisitImage:
        self.require_detector()
        pixels, box = MaskedImage.read_legacy(self.path), self.box
        visit, detector = int(data_id["visit"]), int(data_id["detector"])
        frame = DetectorFrame(instrument="OracleCam", visit=visit, detector=detector, bbox=box)
        image = make_visit_image(
            pixels.image.array,
            pixels.variance.array,
            pixels.mask,
            projection=MaskedImage.read_legacy(
                self.path, component="image", fits_wcs_frame=frame
            ).sky_projection,
            psf=GaussianPointSpreadFunction(SIGMA["science"], bounds=box, stamp_size=25),
            detector=make_detector(
                CameraGeometry.grid("OracleCam", (1, 1), (box.x.stop, box.y.stop), 0, 0.2), 0, visit
            ),
            scaling=ChebyshevField(box, np.array([[1.0]]), unit=u.nJy / u.adu),
            visit=visit,
            band="r",
            physical_filter="r_oracle",
            begin=Time("2025-11-22T01:00:00", scale="tai"),
            exposure_time=30.0,
        )
        image._opaque_metadata = pixels._opaque_metadata  # the header
        if kind is VisitImage:
            return image
        return kind(
            image.image,
            mask=image.mask,
            variance=image.variance,
            **{
                name: getattr(image, name)
                for name in ("psf", "sky_projection", "obs_info", "detector", "band", "photometric_scaling")
            },
        )


class FitsExposureFormatter(FormatterV2):
    """``lsst.obs.base.formatters.fitsExposure.FitsExposureFormatter``."""

    can_read_from_local_file = True
    default_extension = ".fits"
    supported_write_parameters = frozenset({"recipe"})

    @classmethod
    def validate_write_recipes(cls, recipes: Any) -> Any:
        return recipes

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        reader = ExposureReader(path)
        if component is None:
            whole_reads.append(f"{self.dataset_ref.datasetType.name} {self.data_id['visit']}")
        match self.file_descriptor.readStorageClass.name, component:
            case ("VisitImage", None):
                return reader.whole(self.data_id, VisitImage)
            case ("DifferenceImage", None):
                return reader.whole(self.data_id, DifferenceImage)
            case ("ImageV2", "image" | "variance") | ("MaskV2", "mask"):
                return reader.part(component)
            case ("BoxV2", "bbox"):
                return reader.box
            case ("PointSpreadFunction", "psf"):
                reader.require_detector()
                return LegacyPointSpreadFunction(reader.psf, reader.box)
            case ("DetectorV2", "detector"):
                return reader.whole(self.data_id, VisitImage).detector
            case (_, "wcs"):
                return Wcs(reader.projection)
            case (_, "psf"):
                return reader.psf
            case (_, "photoCalib"):
                return PhotoCalib(1.0)
            case ("MaskX", "mask"):
                return reader.mask
            case (_, None):
                return ExposureF(path)
        raise KeyError(f"Unknown component requested: {component}")

    def write_local_file(self, in_memory_dataset: Exposure, uri: Any) -> None:
        shutil.copy(in_memory_dataset.path, uri.ospath)


class ExposureAssembler(StorageClassDelegate):
    """``lsst.obs.base.exposureAssembler.ExposureAssembler``."""


class PexError(Exception):
    """``lsst.pex.exceptions.Exception``: afw's errors are no errors of Python's."""


class InvalidPsfError(PexError):
    """``lsst.afw.detection.InvalidPsfError``."""


class CoaddPsf(Psf):
    """``lsst.meas.algorithms.CoaddPsf``: kernels of any size, and none where no input has pixels."""

    def __init__(self, sigma: float, box: Box, first_column: int) -> None:
        super().__init__(sigma, box)
        self._first_column = first_column

    def _kernel_box(self, point: Point2D) -> Box:
        if point.x < self._first_column:
            raise InvalidPsfError("Cannot compute CoaddPsf; no input images at that point.")
        reach = 9 + int(point.x) % 3
        return Box.factory[-reach : reach + 1, -reach : reach + 1]

    def computeKernelBBox(self, point: Point2D) -> Box2I:
        return Box2I.of(self._kernel_box(point))

    def computeKernelImage(self, point: Point2D) -> Image:
        box = self._kernel_box(point)
        return self._legacy(self._psf.compute_kernel_image(x=point.x, y=point.y)[box])

    def computeImage(self, point: Point2D) -> Image:
        self._kernel_box(point)
        return super().computeImage(point)


_NUMBERS = {"L": "int64", "I": "int32", "F": "float32", "D": "float64", "Angle": "float64", "Flag": "bool"}


class Field:
    def __init__(self, kind: str, size: int | None, doc: str) -> None:
        self.kind, self.size, self.doc = kind, size, doc


class Schema:
    """``lsst.afw.table.Schema``."""

    def __init__(self) -> None:
        self.fields: dict[str, Field] = {}

    def addField(self, name: str, *, type: str, doc: str, size: int | None = None) -> None:
        assert doc and type in ("L", "I", "F", "D", "Angle", "Flag", "String")
        assert (size is not None) == (type == "String")
        self.fields[name] = Field(type, size, doc)


class Catalog:
    """``lsst.afw.table.Catalog``."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.rows: list[dict[str, Any]] = []
        self.table: Table | None = None

    def resize(self, length: int) -> None:
        self.rows = [{} for _ in range(length)]

    def __len__(self) -> int:
        return len(self.rows) if self.table is None else len(self.table)

    def __iter__(self) -> Iterator[Record]:
        return (Record(self.schema, row) for row in self.rows)

    def __setitem__(self, name: str, values: Any) -> None:
        field = self.schema.fields[name]
        dtype = _NUMBERS[field.kind]
        assert isinstance(values, np.ndarray) and values.dtype == dtype, (name, values.dtype)
        for row, value in zip(self.rows, values, strict=True):
            row[name] = value

    def asAstropy(self) -> Table:
        if self.table is not None:
            return self.table
        table = Table()
        for name, field in self.schema.fields.items():
            dtype = f"U{field.size}" if field.kind == "String" else _NUMBERS[field.kind]
            values = np.array([row[name] for row in self.rows], dtype)
            unit = "rad" if field.kind == "Angle" else None
            table[name] = Column(values, description=field.doc, unit=unit)
        return table

    def writeFits(self, path: str) -> None:
        self.asAstropy().write(path, format="fits")

    @classmethod
    def readFits(cls, path: str) -> Catalog:
        table = as_astropy(Table.read(path, hdu=1, character_as_bytes=False))
        catalog = cls(Schema())
        catalog.table = table
        return catalog


class Record:
    def __init__(self, schema: Schema, row: dict[str, Any]) -> None:
        self._schema, self._row = schema, row

    def __setitem__(self, name: str, value: Any) -> None:
        field = self._schema.fields[name]
        if field.size is not None and len(value) > field.size:
            raise ValueError(f"String ({len(value)}) is too large for field ({field.size}).")
        self._row[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._row[name]


class BaseCatalog(Catalog):
    pass


class SourceCatalog(BaseCatalog):
    pass


class SourceTable:
    @staticmethod
    def makeMinimalSchema() -> Schema:
        schema = Schema()
        schema.addField("id", type="L", doc="unique ID")
        schema.addField("coord_ra", type="Angle", doc="position in ra/dec")
        schema.addField("coord_dec", type="Angle", doc="position in ra/dec")
        return schema


class FitsGenericFormatter(FormatterV2):
    """``lsst.obs.base.formatters.fitsGeneric.FitsGenericFormatter``."""

    can_read_from_local_file = True
    default_extension = ".fits"

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        return self.file_descriptor.storageClass.pytype.readFits(path)

    def write_local_file(self, in_memory_dataset: Catalog, uri: Any) -> None:
        in_memory_dataset.writeFits(uri.ospath)


class StitchedCoadd:
    """``lsst.cell_coadds.StitchedCoadd``: where there is no cell, 0 with an infinite variance."""

    def __init__(self, reader: ExposureReader) -> None:
        planes = MaskedImage.read_legacy(reader.path)
        empty = ~np.isfinite(planes.image.array + planes.variance.array)
        box = planes.bbox
        image, variance = np.array(planes.image.array), np.array(planes.variance.array)
        image[empty], variance[empty] = 0.0, np.inf
        corner = Point2I(box.x.start, box.y.start)
        self.image, self.variance = Image(image, xy0=corner), Image(variance, xy0=corner)
        self.mask, self.psf = reader.mask, reader.psf


class MultipleCellCoadd(Exposure):
    """``lsst.cell_coadds.MultipleCellCoadd``, of the pixels of an exposure."""

    units = types.SimpleNamespace(value="nJy")

    @classmethod
    def readFits(cls, path: str) -> MultipleCellCoadd:
        return cls(path)

    @property
    def wcs(self) -> Wcs:
        return Wcs(ExposureReader(str(self.path)).projection)

    def stitch(self) -> StitchedCoadd:
        return StitchedCoadd(ExposureReader(str(self.path)))


class CellCoaddFitsFormatter(FitsGenericFormatter):
    """``lsst.cell_coadds.CellCoaddFitsFormatter``."""

    def write_local_file(self, in_memory_dataset: MultipleCellCoadd, uri: Any) -> None:
        shutil.copy(in_memory_dataset.path, uri.ospath)


_MODULES: dict[str, dict[str, Any]] = {
    "lsst.afw": {},
    "lsst.afw.image": {
        "Exposure": Exposure,
        "ExposureF": ExposureF,
        "Image": Image,
        "ImageF": Image,
        "Mask": Mask,
        "MaskX": Mask,
        "MaskedImage": type("MaskedImage", (), {}),
        "PhotoCalib": PhotoCalib,
    },
    "lsst.afw.table": {
        "Catalog": Catalog,
        "BaseCatalog": BaseCatalog,
        "SourceCatalog": SourceCatalog,
        "SourceTable": SourceTable,
        "Schema": Schema,
    },
    "lsst.afw.geom": {},
    "lsst.afw.geom.skyWcs": {"SkyWcs": Wcs},
    "lsst.afw.cameraGeom": {"Detector": type("Detector", (), {})},
    "lsst.afw.detection": {"InvalidPsfError": InvalidPsfError, "Psf": Psf},
    "lsst.pex.exceptions": {"Exception": PexError},
    "lsst.cell_coadds": {
        "CellCoaddFitsFormatter": CellCoaddFitsFormatter,
        "MultipleCellCoadd": MultipleCellCoadd,
    },
    "lsst.geom": {"Box2I": Box2I, "Point2D": Point2D},
    "lsst.obs": {},
    "lsst.obs.base": {},
    "lsst.obs.base.exposureAssembler": {"ExposureAssembler": ExposureAssembler},
    "lsst.obs.base.formatters": {},
    "lsst.obs.base.formatters.fitsExposure": {"FitsExposureFormatter": FitsExposureFormatter},
    "lsst.obs.base.formatters.fitsGeneric": {"FitsGenericFormatter": FitsGenericFormatter},
}


def install(patch: pytest.MonkeyPatch) -> None:
    """Make these importable as the stack's, for as long as the patch lasts."""
    add_modules(patch, _MODULES)
    patch.setattr(SkyProjection, "from_legacy", staticmethod(lambda wcs, frame, **_: wcs.projection))
