"""A stand-in for afw and obs_base that reads the files they wrote, as the reference data describe them.

Pixels, masks and WCS come from the files, by `lsst.images` itself; PSFs are Gaussians. What the real stack
refuses is refused: whole images and PSFs where there is no Detector, planes that lsst.images does not guess.
"""

from __future__ import annotations

import shutil
import sys
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
from storage_classes import forget_storage_classes

whole_reads: list[str] = []
"""Files that were read as a whole."""
SIGMA = {"template": 1.45, "science": 1.9}
"""Widths of the PSFs, in pixels."""


class Wcs:
    """``lsst.afw.geom.SkyWcs``."""

    def __init__(self, projection: SkyProjection[Any]) -> None:
        self.projection = projection


class Interval:
    def __init__(self, begin: int, end: int) -> None:
        self.begin, self.end = begin, end


class Box2I:
    """``lsst.geom.Box2I``, as far as PSFs need it."""

    def __init__(self, box: Box | None = None) -> None:
        self.box = box

    def include(self, other: Box2I) -> None:
        assert other.box is not None
        self.box = other.box if self.box is None else self.box

    @property
    def x(self) -> Interval:
        assert self.box is not None
        return Interval(self.box.x.start, self.box.x.stop)

    @property
    def y(self) -> Interval:
        assert self.box is not None
        return Interval(self.box.y.start, self.box.y.stop)


class Point2D:
    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y


class Image:
    """``lsst.afw.image.ImageF``."""

    def __init__(self, array: Any = None, x0: int = 0, y0: int = 0) -> None:
        self.array, self._x0, self._y0 = array, x0, y0

    def getX0(self) -> int:
        return self._x0

    def getY0(self) -> int:
        return self._y0


class Mask(Image):
    """``lsst.afw.image.MaskX``."""

    def __init__(self, array: Any, x0: int, y0: int, planes: dict[str, int]) -> None:
        super().__init__(array, x0, y0)
        self._planes = planes

    def getMaskPlaneDict(self) -> dict[str, int]:
        return self._planes


class PhotoCalib:
    """``lsst.afw.image.PhotoCalib``."""

    def __init__(self, mean: float) -> None:
        self._mean = mean

    def getCalibrationMean(self) -> float:
        return self._mean


class Psf:
    """``lsst.afw.detection.Psf``."""

    def __init__(self, sigma: float, box: Box) -> None:
        self._psf = GaussianPointSpreadFunction(sigma, bounds=box.padded(1000), stamp_size=25)

    def computeKernelBBox(self, _: Point2D) -> Box2I:
        return Box2I(self._psf.kernel_bbox)

    def computeKernelImage(self, point: Point2D) -> Image:
        return self._legacy(self._psf.compute_kernel_image(x=point.x, y=point.y))

    def computeImage(self, point: Point2D) -> Image:
        return self._legacy(self._psf.compute_stellar_image(x=point.x, y=point.y))

    @staticmethod
    def _legacy(image: Any) -> Image:
        return Image(image.array, image.bbox.x.start, image.bbox.y.start)


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
            box = self.box
            return Mask(hdus[2].data.astype(np.int32), box.x.start, box.y.start, planes)

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

    def _reach(self, point: Point2D) -> int:
        if point.x < self._first_column:
            raise InvalidPsfError("Cannot compute CoaddPsf; no input images at that point.")
        return 9 + int(point.x) % 3

    def computeKernelBBox(self, point: Point2D) -> Box2I:
        reach = self._reach(point)
        return Box2I(Box.factory[-reach : reach + 1, -reach : reach + 1])

    def computeKernelImage(self, point: Point2D) -> Image:
        box = self.computeKernelBBox(point).box
        return self._legacy(self._psf.compute_kernel_image(x=point.x, y=point.y)[box])

    def computeImage(self, point: Point2D) -> Image:
        self._reach(point)
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
        self.image = Image(image, box.x.start, box.y.start)
        self.variance = Image(variance, box.x.start, box.y.start)
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
    """Put the stand-ins where imports look, and let storage classes be looked up again."""
    for name, members in _MODULES.items():
        module = types.ModuleType(name)
        module.__dict__.update(members, __path__=[])
        patch.setitem(sys.modules, name, module)
    for name in _MODULES:
        parent, _, child = name.rpartition(".")
        patch.setattr(sys.modules[parent], child, sys.modules[name], raising=False)
    forget_storage_classes(patch)
    patch.setattr(SkyProjection, "from_legacy", staticmethod(lambda wcs, frame, **_: wcs.projection))
