"""``lsst.geom``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from lsst.images import Box


@dataclasses.dataclass(frozen=True)
class IntervalI:
    min: int
    max: int

    def __post_init__(self) -> None:
        assert type(self.min) is int and type(self.max) is int, (self.min, self.max)

    @property
    def begin(self) -> int:
        return self.min

    @property
    def end(self) -> int:
        return self.max + 1

    @property
    def size(self) -> int:
        return self.max - self.min + 1


@dataclasses.dataclass(frozen=True)
class Box2I:
    x: IntervalI = IntervalI(0, -1)
    y: IntervalI = IntervalI(0, -1)

    def isEmpty(self) -> bool:
        return self.x.size <= 0 or self.y.size <= 0

    @staticmethod
    def of(box: Box) -> Box2I:
        """Make it of a box of lsst.images."""
        return Box2I(IntervalI(box.x.min, box.x.max), IntervalI(box.y.min, box.y.max))

    @staticmethod
    def makeCenteredBox(center: Point2D, size: Extent2I) -> Box2I:
        x, y = (math.floor(c - 0.5 * n + 1) for c, n in zip(center, size, strict=True))
        return Box2I(IntervalI(x, x + int(size.x) - 1), IntervalI(y, y + int(size.y) - 1))

    def clip(self, other: Box2I) -> None:
        self._combine(other, max, min)

    def include(self, other: Box2I) -> None:
        if self.isEmpty():
            self._combine(other, lambda mine, its: its, lambda mine, its: its)
        else:
            self._combine(other, min, max)

    def _combine(self, other: Box2I, low: Callable[[int, int], int], high: Callable[[int, int], int]) -> None:
        for side in "xy":
            mine, its = getattr(self, side), getattr(other, side)
            object.__setattr__(self, side, IntervalI(low(mine.min, its.min), high(mine.max, its.max)))

    def contains(self, other: Box2I) -> bool:
        return all(
            mine.min <= its.min and its.max <= mine.max
            for mine, its in ((self.x, other.x), (self.y, other.y))
        )


class XY(tuple[float, float]):
    """Points and extents."""

    kind: type = float

    def __new__(cls, x: float, y: float) -> XY:
        assert cls.kind is float or (type(x) is int and type(y) is int), (x, y)
        return super().__new__(cls, (cls.kind(x), cls.kind(y)))

    @property
    def x(self) -> float:
        return self[0]

    @property
    def y(self) -> float:
        return self[1]


class Point2D(XY): ...


class Extent2D(XY): ...


class Point2I(XY):
    kind = int


class Extent2I(XY):
    kind = int


class Point3D(tuple[float, float, float]):
    def __new__(cls, x: float, y: float, z: float) -> Point3D:
        return super().__new__(cls, (float(x), float(y), float(z)))
