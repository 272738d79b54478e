"""``lsst.afw.image``: pixels, without what makes an exposure of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from .geometry import Box2I, Point2I

MAX_PLANES = 32
CANONICAL_PLANES = (
    "BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA",
)  # fmt: skip


class Image:
    """afw.image.Image: shares the pixels that it is given."""

    def __init__(
        self, array: np.ndarray, *, deep: bool = False, dtype: Any = None, xy0: Point2I | None = None
    ) -> None:
        assert not deep
        assert dtype is None or (array.dtype == dtype == np.float32 and array.flags.writeable)
        self.array, self.xy0 = array, xy0 or Point2I(0, 0)

    def getX0(self) -> int:
        return int(self.xy0.x)

    def getY0(self) -> int:
        return int(self.xy0.y)


class Mask:
    """afw.image.Mask, with no more than 32 planes, the nine canonical ones always among them."""

    def __init__(self, bbox: Box2I, planes: Mapping[str, int] | None = None) -> None:
        self.bbox = bbox
        self.array = np.zeros((bbox.y.size, bbox.x.size), np.int32)
        self.planes = dict(planes or {name: number for number, name in enumerate(CANONICAL_PLANES)})

    def getX0(self) -> int:
        return self.bbox.x.min

    def getY0(self) -> int:
        return self.bbox.y.min

    def addMaskPlane(self, name: str) -> int:
        if name not in self.planes and len(self.planes) == MAX_PLANES:
            raise RuntimeError(f"Max number of planes ({MAX_PLANES}) already used")
        return self.planes.setdefault(name, len(self.planes))

    def getMaskPlaneDict(self) -> dict[str, int]:
        return dict(self.planes)

    def getPlaneBitMask(self, names: str | list[str]) -> int:
        return sum(1 << self.planes[name] for name in ([names] if isinstance(names, str) else names))


@dataclasses.dataclass
class MaskedImage:
    image: Image
    mask: Mask
    variance: Image
    dtype: Any


@dataclasses.dataclass(frozen=True)
class PhotoCalib:
    mean: float

    def __post_init__(self) -> None:
        assert self.mean > 0

    def getCalibrationMean(self) -> float:
        return self.mean
