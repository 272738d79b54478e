"""Telescopes out of focus or alignment: spots by geometric optics, and the PSF model that follows."""

from __future__ import annotations

__all__ = ("Aberration",)

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.signal
from lsst.images import Box
from lsst.images.psfs import PiffWrapper

from lsst.meas.realbogus.randomness import generator

from ._config import SurveyConfig
from ._drawing import Canvas
from ._psf import STAMP_SIZE, PsfField, psf_of_stamp
from ._schedule import Visit

Floats = npt.NDArray[np.float64]

_N_RAYS = 6000
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


@dataclasses.dataclass(frozen=True)
class Aberration:
    """The spot that a point makes in a detector of an aberrated visit, before the atmosphere.

    Parameters
    ----------
    kernel
        Image of the spot, an odd number of pixels wide, of sum 1; its centroid is the central pixel.
    model_kernel
        The same for the PSF model, which has only part of the aberration.
    rms
        Root mean square radius of the spot in pixels.

    Notes
    -----
    Rays from an annular pupil are displaced by the gradient of the wavefront, as in Roddier & Roddier (1993);
    defocus makes a donut, coma and trefoil make it lopsided and triangular. Diffraction is neglected beside
    the atmosphere, with which the spot is convolved.
    """

    kernel: Floats
    model_kernel: Floats
    rms: float

    @classmethod
    def draw(cls, config: SurveyConfig, visit: Visit, detector: int) -> Self | None:
        """Draw the aberration of a detector, None for a visit without; such visits go into no template.

        Parameters
        ----------
        config
            The survey.
        visit
            The visit; its detectors have similar aberrations.
        detector
            The detector.
        """
        rng = generator(config.seed, "survey-aberration", visit.id)
        if visit.is_template or rng.random() >= config.aberrated_visits:
            return None
        rms = rng.uniform(*config.aberration_size) * visit.seeing / config.pixel_scale
        obscuration, in_model = rng.uniform(0.3, 0.62), rng.uniform(*config.aberration_in_model)
        defocus = 1.0 if rng.random() < 0.5 else rng.uniform(0, 0.5)
        others = rng.normal(0, 0.25 if defocus == 1 else 0.5, 6) * np.repeat([0.5, 0.3, 0.3], 2)
        others += 0.05 * generator(config.seed, "survey-aberration", visit.id, detector).normal(size=6)
        displacement = _displacement(obscuration, defocus, others)
        displacement *= rms / np.sqrt((displacement**2).sum(axis=0).mean())
        return cls(_spot(displacement), _spot(displacement * in_model), float(rms))

    def blur(self, light: Floats) -> Floats:
        """Convolve an image with the spot."""
        blurred: Floats = scipy.signal.oaconvolve(light, self.kernel, mode="same")
        return blurred

    def widened(self, fwhm: float) -> float:
        """Return about the FWHM of a PSF [pixels] after the aberration.

        Parameters
        ----------
        fwhm
            The same before.
        """
        return float(np.hypot(fwhm, 2.355 / np.sqrt(2) * self.rms))

    def model(self, field: PsfField, axis: tuple[float, float], bbox: Box) -> PiffWrapper:
        """Make the PSF model of the detector, constant over it.

        Parameters
        ----------
        field
            The PSF without the aberration, taken at the centre of the detector.
        axis
            The optical axis in pixels of the detector.
        bbox
            Pixels of the detector.
        """
        margin = len(self.model_kernel) // 2
        size = STAMP_SIZE + 2 * margin
        shift = size // 2 - (bbox.x.start + bbox.x.size // 2), size // 2 - (bbox.y.start + bbox.y.size // 2)
        canvas = Canvas((size, size), field, (axis[0] + shift[0], axis[1] + shift[1]), 1e-9)
        canvas.stars(np.array([size // 2]), np.array([size // 2]), np.ones(1))
        stamp = scipy.signal.convolve(canvas.array, self.model_kernel, mode="same")
        inner = slice(margin, margin + STAMP_SIZE)
        return psf_of_stamp(stamp[inner, inner], bbox)


def _displacement(obscuration: float, defocus: float, others: Floats) -> Floats:
    """Return where rays hit the detector, shape ``(2, n)``: the gradient of Zernike polynomials 4 to 10."""
    number = np.arange(_N_RAYS) + 0.5
    radius = np.sqrt(obscuration**2 + (1 - obscuration**2) * number / _N_RAYS)
    u, v = radius * np.cos(_GOLDEN_ANGLE * number), radius * np.sin(_GOLDEN_ANGLE * number)
    terms = np.array(
        [
            (4 * u, 4 * v),
            (2 * u, -2 * v),
            (2 * v, 2 * u),
            (9 * u * u + 3 * v * v - 2, 6 * u * v),
            (6 * u * v, 9 * v * v + 3 * u * u - 2),
            (3 * u * u - 3 * v * v, -6 * u * v),
            (6 * u * v, 3 * u * u - 3 * v * v),
        ]
    )
    displacement: Floats = np.tensordot(np.concatenate([[defocus], others]), terms, axes=1)
    return displacement - displacement.mean(axis=1, keepdims=True)


def _spot(displacement: Floats) -> Floats:
    """Share rays among the pixels around them."""
    half = int(np.ceil(np.abs(displacement).max())) + 1
    width = 2 * half + 1
    spot = np.zeros((width, width))
    corner = np.floor(displacement).astype(int)
    part = displacement - corner
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - part[0]) * np.abs(1 - dy - part[1])
            np.add.at(spot, (corner[1] + dy + half, corner[0] + dx + half), weight)
    spot /= displacement.shape[1]
    return spot
