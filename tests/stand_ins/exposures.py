"""What `to_legacy` needs of the C++ stack, imitated: types, checks and numbers as in afw's sources.

Only what images of ours are converted with is here. Methods take what the real ones take and refuse what
those refuse (afw 2026-04, meas_extensions_piff, obs_base 2026-06); pixel arithmetic is not imitated.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import math
import pickle
import types
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from lsst.images import ObservationSummaryStats
from lsst.images.serialization import ArchiveTree

from .geometry import Box2I, Extent2D, Extent2I, IntervalI, Point2D, Point2I, Point3D
from .images import Image, Mask, MaskedImage, PhotoCalib
from .modules import add_modules


def _mapping(transform: Any) -> Any:
    assert hasattr(transform, "applyForward"), f"{transform!r} is no AST mapping"
    return transform


class Transform:
    """afw.geom.TransformPoint2ToPoint2: of an invertible mapping."""

    def __init__(self, mapping: Any, simplify: bool) -> None:
        self.mapping = _mapping(mapping)
        there = mapping.applyForward(np.array([[10.0], [20.0]]))
        np.testing.assert_allclose(mapping.applyInverse(there), [[10.0], [20.0]], atol=1e-6)

    def getJacobian(self, point: Point2D) -> np.ndarray:
        at = np.array([[point.x, point.x + 1, point.x], [point.y, point.y, point.y + 1]])
        there = self.mapping.applyForward(at)
        return there[:, 1:] - there[:, :1]


class SkyWcs:
    """afw.geom.SkyWcs: what `SkyWcs::_checkFrameDict` asks of a frame set."""

    def __init__(self, frames: Any) -> None:
        for domain in ("PIXELS", "IWC", "SKY"):
            if not frames.hasDomain(domain):
                raise TypeError(f"No frame with domain {domain} found")
        assert frames.getFrame(frames.base).domain == "PIXELS"
        assert frames.getFrame(frames.current).domain == "SKY"
        self.frames = frames

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SkyWcs) and self.frames.show() == other.frames.show()

    __hash__ = None  # type: ignore[assignment]


class ReadoutCorner(enum.Enum):
    LL, LR, UR, UL = range(4)


class DetectorType(enum.Enum):
    SCIENCE, FOCUS, GUIDER, WAVEFRONT = range(4)


_AMPLIFIER_FIELDS = {
    "Name": str, "BBox": Box2I, "Gain": float, "ReadNoise": float, "Saturation": float, "SuspectLevel": float,
    "ReadoutCorner": ReadoutCorner, "LinearityCoeffs": np.ndarray, "LinearityType": str, "RawBBox": Box2I,
    "RawDataBBox": Box2I, "RawFlipX": bool, "RawFlipY": bool, "RawXYOffset": Extent2I,
    "RawSerialOverscanBBox": Box2I, "RawParallelOverscanBBox": Box2I, "RawPrescanBBox": Box2I,
}  # fmt: skip


class Amplifier:
    """afw.cameraGeom.Amplifier: setters on its builder, getters on it, an empty box where nothing is set."""

    def __init__(self, **fields: Any) -> None:
        self._fields = {"RawPrescanBBox": Box2I(), **fields}
        if missing := _AMPLIFIER_FIELDS.keys() - self._fields.keys():
            raise ValueError(f"not set: {sorted(missing)}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("get") and name[3:] in _AMPLIFIER_FIELDS:
            return lambda: self._fields[name[3:]]
        raise AttributeError(name)

    class Builder:
        def __init__(self) -> None:
            self._fields: dict[str, Any] = {}

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("set") or name[3:] not in _AMPLIFIER_FIELDS:
                raise AttributeError(name)

            def put(value: Any) -> None:
                if type(value) is not (kind := _AMPLIFIER_FIELDS[name[3:]]):
                    raise TypeError(f"{name}: incompatible function arguments {value!r}, not a {kind}")
                self._fields[name[3:]] = value

            return put

        def finish(self) -> Amplifier:
            return Amplifier(**self._fields)


@dataclasses.dataclass(frozen=True)
class Orientation:
    position: Point3D
    reference: Point2D
    yaw: Any
    pitch: Any
    roll: Any


class Detector:
    """afw.cameraGeom.Detector, built as a part of a camera."""

    def __init__(self, name: str, number: int) -> None:
        self.fields: dict[str, Any] = {"Name": name, "Id": number}
        self.transforms: dict[str, Transform] = {}
        self.builders: list[Amplifier.Builder] = []
        self.amplifiers: list[Amplifier] = []

    def __getattr__(self, name: str) -> Any:
        kinds = {
            "BBox": Box2I, "Type": DetectorType, "Serial": str, "PhysicalType": str,
            "Orientation": Orientation, "PixelSize": Extent2D,
        }  # fmt: skip
        if name.startswith("get") and name[3:] in self.fields:
            return lambda: self.fields[name[3:]]
        if name.startswith("set") and name[3:] in kinds:

            def put(value: Any) -> None:
                assert type(value) is kinds[name[3:]], (name, value)
                self.fields[name[3:]] = value

            return put
        raise AttributeError(name)

    def setTransformFromPixelsTo(self, system: str, transform: Transform) -> None:
        assert system == "FOCAL_PLANE"
        self.transforms[system] = transform

    def append(self, builder: Amplifier.Builder) -> None:
        self.builders.append(builder)

    def finish(self) -> None:
        self.amplifiers = [builder.finish() for builder in self.builders]
        names = [amplifier.getName() for amplifier in self.amplifiers]
        if len(set(names)) < len(names):
            raise ValueError(f"Multiple amplifiers with one name: {names}")


class CameraBuilder:
    def __init__(self, name: str) -> None:
        self.detectors: dict[int, Detector] = {}
        self.parity: bool | None = None
        self.transform: Transform | None = None

    def setFocalPlaneParity(self, flipped: Any) -> None:
        self.parity = bool(flipped)

    def setTransformFromFocalPlaneTo(self, system: str, transform: Transform) -> None:
        assert system == "FIELD_ANGLE"
        self.transform = transform

    def add(self, name: str, number: int) -> Detector:
        self.detectors[number] = Detector(name, number)
        return self.detectors[number]

    def finish(self) -> dict[int, Detector]:
        assert self.transform is not None
        assert (np.linalg.det(self.transform.getJacobian(Point2D(0, 0))) < 0) == self.parity
        for detector in self.detectors.values():
            assert "FOCAL_PLANE" in detector.transforms
            detector.finish()
        return self.detectors


class Metadata(dict[str, Any]):
    """daf.base.PropertyList: scalars by name."""

    def __setitem__(self, key: str, value: Any) -> None:
        assert isinstance(value, bool | int | float | str), f"{key}: {value!r} cannot be set"
        assert not isinstance(value, int) or abs(value) < 2**63
        super().__setitem__(key, value)

    @classmethod
    def from_astropy_header(cls, header: Any) -> Metadata:
        result = cls()
        for key, value in header.items():
            result[key] = value
        return result


class ExposureInfo:
    """Setters that the components of an exposure go through, by their types."""

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}
        self.metadata = Metadata()

    def __getattr__(self, name: str) -> Any:
        kinds = {
            "Id": int | None, "Wcs": SkyWcs, "Detector": Detector, "Filter": FilterLabel,
            "PhotoCalib": PhotoCalib, "Psf": PiffPsf | GaussianPsf, "VisitInfo": VisitInfo,
            "SummaryStats": ExposureSummaryStats,
        }  # fmt: skip
        if name[:3] == "set" and name[3:] in kinds:

            def put(value: Any) -> None:
                assert isinstance(value, kinds[name[3:]]), (name, value)
                self.parts[name[3:]] = value

            return put
        if name[:3] == "get" and name[3:] in kinds:
            return lambda: self.parts.get(name[3:])
        raise AttributeError(name)

    def getMetadata(self) -> Metadata:
        return self.metadata


class Exposure:
    def __init__(self, masked_image: MaskedImage, *, dtype: Any) -> None:
        self.maskedImage, self.info = masked_image, ExposureInfo()

    def __getattr__(self, name: str) -> Any:
        if name in ("image", "mask", "variance"):
            return getattr(self.maskedImage, name)
        if name in ("getPsf", "getPhotoCalib", "getWcs", "getFilter", "getDetector"):
            return getattr(self.info, name)
        raise AttributeError(name)

    def getBBox(self) -> Box2I:
        return self.mask.bbox


@dataclasses.dataclass(frozen=True)
class FilterLabel:
    band: str
    physical: str

    @staticmethod
    def fromBandPhysical(band: str, physical: str) -> FilterLabel:
        assert type(band) is str and type(physical) is str
        return FilterLabel(band, physical)


@dataclasses.dataclass(frozen=True)
class VisitInfo:
    id: int
    instrumentLabel: str
    exposureTime: float


class MakeRawVisitInfoViaObsInfo:
    """Of obs_base: a visit's date is the middle of its observation, and its id that of the exposure."""

    @staticmethod
    def observationInfo2visitInfo(info: Any) -> VisitInfo:
        middle = info.datetime_begin + 0.5 * (info.datetime_end - info.datetime_begin)
        assert math.isfinite(middle.tai.mjd)
        return VisitInfo(info.exposure_id, info.instrument, float(info.exposure_time.to_value("s")))


# The fields of the afw that goes with the installed lsst.images.
ExposureSummaryStats = dataclasses.make_dataclass(
    "ExposureSummaryStats",
    [
        (name, Any, dataclasses.field(default=math.nan))
        for name in ObservationSummaryStats.model_fields.keys() - ArchiveTree.model_fields.keys()
    ],
)


class GaussianPsf:
    def __init__(self, width: int, height: int, sigma: float) -> None:
        assert width == height and width % 2 == 1 and sigma > 0
        self.width, self.sigma = width, sigma

    def getAveragePosition(self) -> Point2D:
        return Point2D(0.0, 0.0)


class PiffPsf:
    """Of meas_extensions_piff: evaluated by Piff, at the mean of its good stars, stored as a pickle."""

    def __init__(self, width: int, height: int, piffResult: Any) -> None:
        assert width == height
        self.width = width
        self._piffResult = piffResult

    def getAveragePosition(self) -> Point2D:
        good = [star.image_pos for star in self._piffResult.stars if not (star.is_flagged or star.is_reserve)]
        return Point2D(np.mean([place.x for place in good]), np.mean([place.y for place in good]))

    def computeKernelImage(self, position: Point2D) -> np.ndarray:
        drawn = self._piffResult.draw(position.x, position.y, stamp_size=self.width, center=True)
        return drawn.array / drawn.array.sum()

    def stored(self) -> PiffPsf:
        return PiffPsf(self.width, self.width, pickle.loads(pickle.dumps(copy.copy(self._piffResult))))


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these importable as the stack's, for one test."""
    modules: dict[str, dict[str, Any]] = {
        "lsst.geom": {
            kind.__name__: kind for kind in (IntervalI, Box2I, Point2D, Point2I, Extent2D, Extent2I, Point3D)
        }
        | {"radians": u.rad},
        "lsst.afw": {},
        "lsst.afw.geom": {"SkyWcs": SkyWcs, "TransformPoint2ToPoint2": Transform},
        "lsst.afw.cameraGeom": {
            "Amplifier": Amplifier,
            "Camera": types.SimpleNamespace(Builder=CameraBuilder),
            "DetectorType": DetectorType,
            "Orientation": Orientation,
            "ReadoutCorner": ReadoutCorner,
            "FIELD_ANGLE": "FIELD_ANGLE",
            "FOCAL_PLANE": "FOCAL_PLANE",
        },
        "lsst.afw.image": {
            kind.__name__: kind
            for kind in (Exposure, FilterLabel, PhotoCalib, Image, Mask, MaskedImage, ExposureSummaryStats)
        },
        "lsst.afw.detection": {"GaussianPsf": GaussianPsf},
        "lsst.meas.extensions": {},
        "lsst.meas.extensions.piff": {},
        "lsst.meas.extensions.piff.piffPsf": {"PiffPsf": PiffPsf},
        "lsst.obs": {},
        "lsst.obs.base": {},
        "lsst.obs.base.makeRawVisitInfoViaObsInfo": {
            "MakeRawVisitInfoViaObsInfo": MakeRawVisitInfoViaObsInfo
        },
    }
    add_modules(monkeypatch, modules)
