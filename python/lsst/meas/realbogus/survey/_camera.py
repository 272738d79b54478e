"""A camera without `lsst.afw`: detectors, amplifiers and the frames that place them in the focal plane."""

from __future__ import annotations

__all__ = ("CameraGeometry", "make_detector")

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from lsst.images import Box
from lsst.images.cameras import (
    Amplifier,
    AmplifierCalibrations,
    AmplifierRawGeometry,
    CameraFrameSet,
    CameraFrameSetSerializationModel,
    Detector,
    DetectorAttributes,
    DetectorType,
    Orientation,
    ReadoutCorner,
)

if TYPE_CHECKING:
    from lsst.images.serialization import InputArchive

PIXEL_SIZE = 0.01
"""Width of a pixel in the focal plane [mm]."""
_OVERSCAN = 32
"""Width of the overscan of raw images [pixels]."""


@dataclasses.dataclass(frozen=True)
class CameraGeometry:
    """Detectors in a focal plane, their pixels aligned and of one size.

    Parameters
    ----------
    instrument
        Name of the instrument.
    boxes
        Pixels of every detector.
    axes
        Where the optical axis is, in pixels (x, y) of every detector.
    pixel_scale
        Arcseconds per pixel.
    """

    instrument: str
    boxes: Mapping[int, Box]
    axes: Mapping[int, tuple[float, float]]
    pixel_scale: float

    @classmethod
    def grid(
        cls, instrument: str, shape: tuple[int, int], size: tuple[int, int], gap: int, pixel_scale: float
    ) -> CameraGeometry:
        """Place detectors on a regular grid, the optical axis at its middle.

        Parameters
        ----------
        instrument, pixel_scale
            As the attributes of the class.
        shape
            Numbers of detectors along x and y.
        size
            Width and height of a detector in pixels.
        gap
            Pixels between neighbours.
        """
        columns, rows = (
            [(count * width + (count - 1) * gap - 1) / 2 - index * (width + gap) for index in range(count)]
            for count, width in zip(shape, size, strict=True)
        )
        axes = dict(enumerate((x, y) for y in rows for x in columns))
        return cls(instrument, dict.fromkeys(axes, Box.factory[0 : size[1], 0 : size[0]]), axes, pixel_scale)

    @classmethod
    def single(cls, instrument: str, detector: int, bbox: Box, pixel_scale: float) -> CameraGeometry:
        """Place one detector on the optical axis."""
        axis = bbox.x.start + (bbox.x.size - 1) / 2, bbox.y.start + (bbox.y.size - 1) / 2
        return cls(instrument, {detector: bbox}, {detector: axis}, pixel_scale)

    @property
    def detectors(self) -> list[int]:
        """Identifiers of all detectors."""
        return sorted(self.boxes)

    @property
    def radius(self) -> float:
        """Distance from the optical axis to the farthest pixel [pixels]."""
        return max(
            math.hypot(x - self.axes[number][0], y - self.axes[number][1])
            for number, box in self.boxes.items()
            for x in (box.x.start, box.x.stop - 1)
            for y in (box.y.start, box.y.stop - 1)
        )

    @cached_property
    def frames(self) -> CameraFrameSet:
        """Coordinate systems of the camera: focal plane [mm], field angle [rad] and pixels."""
        text = _frame_set_text(self.axes, self.boxes, self.pixel_scale)
        model = CameraFrameSetSerializationModel(instrument=self.instrument, ast=text)
        # The model holds the whole frame set, so it reads nothing from an archive.
        return model.deserialize(cast("InputArchive[Any]", None))


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

    Notes
    -----
    There are no raw images. Their geometry is stated all the same, data with overscan to the right and above,
    because `lsst.images.cameras.Detector.to_legacy` needs it.
    """
    bbox = camera.boxes[detector]
    edges = [int(edge) for edge in np.linspace(bbox.x.start, bbox.x.stop, len(gains) + 1)]
    parts = [Box.factory[bbox.y.start : bbox.y.stop, start:stop] for start, stop in itertools.pairwise(edges)]
    amplifiers = [
        Amplifier(
            name=f"A{number:02d}",
            bbox=part,
            readout_corner=ReadoutCorner.LL,
            assembled_raw_geometry=_raw_geometry(part, part.x.start - bbox.x.start + number * _OVERSCAN),
            unassembled_raw_geometry=_raw_geometry(part, 0),
            nominal_calibrations=AmplifierCalibrations(
                gain=float(gain),
                read_noise=float(read_noise),
                saturation=float(saturation),
                suspect_level=float("nan"),
                linearity_coefficients=np.zeros(4),
                linearity_type="None",
            ),
        )
        for number, (part, gain) in enumerate(zip(parts, gains, strict=True))
    ]
    centre = bbox.x.start + (bbox.x.size - 1) / 2, bbox.y.start + (bbox.y.size - 1) / 2
    axis = camera.axes[detector]
    attributes = DetectorAttributes(
        name=f"D{detector:02d}",
        id=detector,
        type=DetectorType.SCIENCE,
        serial=f"{camera.instrument}-{detector}",
        bbox=bbox,
        orientation=Orientation(
            focal_plane_x=(centre[0] - axis[0]) * PIXEL_SIZE,
            focal_plane_y=(centre[1] - axis[1]) * PIXEL_SIZE,
            focal_plane_z=0.0,
            pixel_reference_x=centre[0],
            pixel_reference_y=centre[1],
        ),
        pixel_size=PIXEL_SIZE,
        physical_type="CCD",
    )
    return Detector(attributes, amplifiers, camera.frames, visit=visit)


def _raw_geometry(part: Box, x: int) -> AmplifierRawGeometry:
    """Place an amplifier's data, then its overscan, from a column of a raw image on."""
    rows, right, above = part.y.size, x + part.x.size, part.y.size + _OVERSCAN
    return AmplifierRawGeometry(
        bbox=Box.factory[0:above, x : right + _OVERSCAN],
        data_bbox=Box.factory[0:rows, x:right],
        flip_x=False,
        flip_y=False,
        x_offset=part.x.start - x,
        y_offset=part.y.start,
        serial_overscan_bbox=Box.factory[0:rows, right : right + _OVERSCAN],
        parallel_overscan_bbox=Box.factory[rows:above, x:right],
        prescan_bbox=None,
        readout_corner=ReadoutCorner.LL,
    )


def _frame_set_text(
    axes: Mapping[int, tuple[float, float]], boxes: Mapping[int, Box], pixel_scale: float
) -> str:
    """Write a Starlink AST frame set in AST's own text encoding, as `lsst.images` stores cameras."""
    radians = np.radians(pixel_scale / 3600) / PIXEL_SIZE
    frames = [_frame_text("FOCAL_PLANE", "mm"), _frame_text("FIELD_ANGLE", "rad")]
    maps = [_diagonal_text(radians)]
    for detector, (x, y) in axes.items():
        frames.append(_frame_text(f"DETECTOR_{detector:03d}", "pix", boxes[detector]))
        maps.append(
            "Begin CmpMap\nNin = 2\nIsA Mapping\n"
            + f"MapA =\n{_diagonal_text(1 / PIXEL_SIZE)}MapB =\nBegin ShiftMap\nNin = 2\nIsA Mapping\n"
            + f"Sft1 = {x:.17g}\nSft2 = {y:.17g}\nEnd ShiftMap\nEnd CmpMap\n"
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
