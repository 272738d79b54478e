"""Sources bright enough to show what is wrong with an image's PSF, WCS or readout."""

from __future__ import annotations

__all__ = ("BrightSources",)

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt
from lsst.images import Box

from ._pixels import Pixels
from ._scene import Scene
from ._truth_rows import TruthRows

Floats = npt.NDArray[np.float64]

_SHOWN = 4.0
"""Signal-to-noise ratio from which a flaw of the subtraction is detected."""


@dataclasses.dataclass(frozen=True)
class BrightSources:
    """Sources of an image by their brightness.

    Parameters
    ----------
    x, y
        Positions in pixels.
    snr
        Signal-to-noise ratios of PSF fluxes.
    filling
        Electrons in the brightest pixel over the full well.
    row
        Rows of the scene.
    fwhm
        FWHM of the PSF in pixels.
    """

    x: Floats
    y: Floats
    snr: Floats
    filling: Floats
    row: npt.NDArray[np.intp]
    fwhm: float

    @classmethod
    def of(cls, scene: Scene, pixels: Pixels, full_well: float, fwhm: float, bbox: Box) -> Self:
        """Find the sources within an image.

        Parameters
        ----------
        scene
            What the detector sees.
        pixels
            The image; only its noise and gains are used.
        full_well
            Electrons from which pixels are saturated.
        fwhm
            FWHM of the PSF in pixels.
        bbox
            The detector's pixels.
        """
        inside = bbox.contains(x=np.round(scene.x).astype(int), y=np.round(scene.y).astype(int))
        row = np.flatnonzero(inside)
        flux = np.maximum(scene.flux[row] - scene.extended_flux[row], 0.0)
        per_flux = float(pixels.electrons_per_flux.mean())
        noise = np.sqrt(2.27 * (pixels.sky_noise * fwhm) ** 2 + flux / per_flux)
        filling = flux * per_flux * 0.8 / fwhm**2 / full_well
        return cls(scene.x[row], scene.y[row], flux / noise, filling, row, fwhm)

    def above(self, snr: float) -> npt.NDArray[np.bool_]:
        """Return which sources exceed a signal-to-noise ratio."""
        return self.snr > snr

    def record(
        self,
        truth: TruthRows,
        kind: str,
        flaw: npt.ArrayLike,
        width: float,
        offset: tuple[float, float] = (0, 0),
    ) -> None:
        """Record the sources that show a flaw.

        Parameters
        ----------
        truth
            Gets the rows.
        kind
            Their kind.
        flaw
            Flux that the flaw moves, in units of the source's flux; a number or shape ``(n,)``.
        width
            Width of what it leaves, in pixels.
        offset
            From the source to the end of it, along x and y.
        """
        shown = self.snr * np.abs(flaw) > _SHOWN
        dx, dy = offset
        truth.add_artefacts(
            kind,
            self.x[shown] + dx / 2,
            self.y[shown] + dy / 2,
            length=np.hypot(dx, dy) + width if dx or dy else 0.0,
            width=width,
            angle=float(np.degrees(np.arctan2(dy, dx))),
        )
