"""A camera without `lsst.afw`: detectors, amplifiers and the frames that place them in the focal plane."""

from __future__ import annotations

__all__ = ("CameraGeometry", "make_detector")

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from lsst.images import Box
from lsst.images.cameras import (
    Amplifier,
    AmplifierCalibrations,
    CameraFrameSet,
    CameraFrameSetSerializationModel,
    Detector,
    DetectorAttributes,
    DetectorType,
    Orientation,
    ReadoutCorner,
)

from lsst.meas.realbogus.errors import InvalidInputError

if TYPE_CHECKING:
    from lsst.images.serialization import InputArchive

PIXEL_SIZE = 0.01
"""Width of a pixel in the focal plane [mm]."""


@dataclasses.dataclass(frozen=True)
class CameraGeometry:
    """Detectors of one size on a regular grid, their pixels aligned, the optical axis at the grid's middle.

    Parameters
    ----------
    instrument
        Name of the instrument.
    grid
        Numbers of detectors along x and y.
    size
        Width and height of a detector in pixels.
    gap
        Pixels between neighbours.
    pixel_scale
        Arcseconds per pixel.
    """

    instrument: str
    grid: tuple[int, int]
    size: tuple[int, int]
    gap: int
    pixel_scale: float

    @property
    def detectors(self) -> range:
        """Identifiers of all detectors."""
        return range(self.grid[0] * self.grid[1])

    @property
    def bbox(self) -> Box:
        """Pixels of every detector."""
        return Box.factory[0 : self.size[1], 0 : self.size[0]]

    def axis(self, detector: int) -> tuple[float, float]:
        """Return where the optical axis is, in 0-based pixels (x, y) of a detector."""
        if detector not in self.detectors:
            raise InvalidInputError(
                f"{self.instrument} has detectors 0 to {len(self.detectors) - 1}; got {detector}"
            )
        row, column = divmod(detector, self.grid[0])
        return (
            _axis_along(self.grid[0], self.size[0], self.gap, column),
            _axis_along(self.grid[1], self.size[1], self.gap, row),
        )

    @property
    def radius(self) -> float:
        """Distance from the optical axis to the farthest pixel [pixels]."""
        widths = [n * size + (n - 1) * self.gap for n, size in zip(self.grid, self.size, strict=True)]
        return float(np.hypot(*widths) / 2)

    @cached_property
    def frames(self) -> CameraFrameSet:
        """Coordinate systems of the camera: focal plane [mm], field angle [rad] and pixels."""
        text = _frame_set_text([self.axis(d) for d in self.detectors], self.bbox, self.pixel_scale)
        model = CameraFrameSetSerializationModel(instrument=self.instrument, ast=text)
        # The model holds the whole frame set, so it reads nothing from an archive.
        return model.deserialize(cast("InputArchive[Any]", None))


def _axis_along(count: int, size: int, gap: int, index: int) -> float:
    whole = count * size + (count - 1) * gap
    return (whole - 1) / 2 - index * (size + gap)


def make_detector(
    camera: CameraGeometry,
    detector: int,
    visit: int | None = None,
    *,
    gains: Sequence[float] = (1.0,),
    read_noise: float = 0.0,
    saturation: float = 65_535.0,
) -> Detector:
    """Make a detector whose amplifiers divide it into equal parts along x.

    Parameters
    ----------
    camera
        Where the detector is.
    detector, visit
        Identifiers.
    gains
        Electrons per ADU of each amplifier, from low to high x.
    read_noise
        Electrons.
    saturation
        Saturation level in ADU.
    """
    bbox = camera.bbox
    edges = np.linspace(bbox.x.start, bbox.x.stop, len(gains) + 1).astype(int)
    amplifiers = [
        Amplifier(
            name=f"A{number:02d}",
            bbox=Box.factory[bbox.y.start : bbox.y.stop, int(edges[number]) : int(edges[number + 1])],
            readout_corner=ReadoutCorner.LL,
            nominal_calibrations=AmplifierCalibrations(
                gain=float(gain),
                read_noise=float(read_noise),
                saturation=float(saturation),
                suspect_level=float("nan"),
                linearity_coefficients=np.zeros(4),
                linearity_type="None",
            ),
        )
        for number, gain in enumerate(gains)
    ]
    centre = [(width - 1) / 2 - axis for width, axis in zip(camera.size, camera.axis(detector), strict=True)]
    attributes = DetectorAttributes(
        name=f"D{detector:02d}",
        id=detector,
        type=DetectorType.SCIENCE,
        serial=f"{camera.instrument}-{detector}",
        bbox=bbox,
        orientation=Orientation(
            focal_plane_x=centre[0] * PIXEL_SIZE,
            focal_plane_y=centre[1] * PIXEL_SIZE,
            focal_plane_z=0.0,
            pixel_reference_x=(camera.size[0] - 1) / 2,
            pixel_reference_y=(camera.size[1] - 1) / 2,
        ),
        pixel_size=PIXEL_SIZE,
        physical_type="CCD",
    )
    return Detector(attributes, amplifiers, camera.frames, visit=visit)


def _frame_set_text(axes: Sequence[tuple[float, float]], bbox: Box, pixel_scale: float) -> str:
    """Write a Starlink AST frame set in AST's own text encoding, as `lsst.images` stores cameras."""
    radians = np.radians(pixel_scale / 3600) / PIXEL_SIZE
    frames = [_frame_text("FOCAL_PLANE", "mm"), _frame_text("FIELD_ANGLE", "rad")]
    maps = [_diagonal_text(radians)]
    for detector, (x, y) in enumerate(axes):
        frames.append(_frame_text(f"DETECTOR_{detector:03d}", "pix", bbox))
        maps.append(
            "Begin CmpMap\nNin = 2\nIsA Mapping\nMapA =\n"
            + _diagonal_text(1 / PIXEL_SIZE)
            + f"MapB =\nBegin ShiftMap\nNin = 2\nIsA Mapping\nSft1 = {x:.17g}\nSft2 = {y:.17g}\nEnd ShiftMap\n"
            + "End CmpMap\n"
        )
    count = len(frames)
    return (
        f"Begin FrameSet\nNaxes = 2\nIsA Frame\nNframe = {count}\nCurrnt = {count}\n"
        + "".join(f"Lnk{n} = 1\n" for n in range(2, count + 1))
        + "".join(f"Frm{n} =\n{text}" for n, text in enumerate(frames, 1))
        + "".join(f"Map{n} =\n{text}" for n, text in enumerate(maps, 2))
        + "End FrameSet\n"
    )


def _frame_text(ident: str, unit: str, bbox: Box | None = None) -> str:
    axes = ""
    for number in (1, 2):
        bounds = ""
        if bbox is not None:
            side = bbox.x if number == 1 else bbox.y
            bounds = f"Top = {side.stop}\nBottom = {side.start}\n"
        axes += f'Ax{number} =\nBegin Axis\nUnit = "{unit}"\n{bounds}End Axis\n'
    return f'Begin Frame\nIdent = "{ident}"\nIsA Object\nNaxes = 2\n{axes}End Frame\n'


def _diagonal_text(value: float) -> str:
    return (
        "Begin MatrixMap\nNin = 2\nIsA Mapping\n"
        f"M0 = {value:.17g}\nM1 = {value:.17g}\nIM0 = {1 / value:.17g}\nIM1 = {1 / value:.17g}\n"
        'Form = "Diagonal"\nEnd MatrixMap\n'
    )
