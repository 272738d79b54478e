"""Drawing stars, galaxies and trails into an array."""

from __future__ import annotations

__all__ = ("Canvas",)

import numpy as np
import numpy.typing as npt
import scipy.fft

from ._psf import STAMP_SIZE, PsfField

Floats = npt.NDArray[np.float64]

_MAX_STAR_RADIUS = 320
_MAX_GALAXY_RADIUS = 128


class Canvas:
    """An array of expected fluxes on which sources are drawn through one PSF.

    Parameters
    ----------
    shape
        Height and width in pixels; pixel (0, 0) has coordinates (0, 0).
    psf
        The PSF over the camera.
    axis
        The optical axis in pixels of the canvas.
    faintest
        Surface brightness below which profiles are cut off, in flux per pixel.
    fattening
        By which part of its size the PSF of a star grows whose brightest pixel has the second number of flux;
        less in proportion below it, no more above it (Antilogus et al. 2014).

    Notes
    -----
    Fluxes are those within the PSF's stamp: a star of flux 1 adds exactly the PSF image that the visit's PSF
    model gives, which sums to 1, and its wings beyond the stamp come on top.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        psf: PsfField,
        axis: tuple[float, float],
        faintest: float,
        fattening: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self.array = np.zeros(shape)
        self._psf, self._axis, self._faintest = psf, axis, faintest
        self._fattening = fattening

    def stars(self, x: Floats, y: Floats, flux: Floats) -> None:
        """Add point sources."""
        parameters = self._psf.evaluate(x, y, self._axis)
        half = STAMP_SIZE // 2
        for x_i, y_i, flux_i, (size, g1, g2) in zip(x, y, flux, parameters.T, strict=True):
            if flux_i == 0:
                continue
            size *= self._growth(flux_i, size)
            radius = self._star_radius(flux_i, size)
            corner = _nearest(x_i) - radius, _nearest(y_i) - radius
            stamp = self._moffat(2 * radius + 1, x_i - corner[0], y_i - corner[1], size, g1, g2)
            inner = slice(radius - half, radius + half + 1)
            self._add(stamp * (flux_i / stamp[inner, inner].sum()), *corner)

    def galaxies(
        self, x: Floats, y: Floats, flux: Floats, radius: Floats, sersic: Floats, g1: Floats, g2: Floats
    ) -> None:
        """Add Sersic profiles; radii are half-light radii in pixels, shears are in the pixel frame."""
        total = 1 / self._fraction_in_stamp()
        parameters = self._psf.evaluate(x, y, self._axis)
        for x_i, y_i, flux_i, r_i, n_i, g1_i, g2_i, (size, p1, p2) in zip(
            x, y, flux * total, radius, sersic, g1, g2, parameters.T, strict=True
        ):
            width = scipy.fft.next_fast_len(2 * self._galaxy_radius(flux_i, r_i, n_i, size) + 1)
            corner = _nearest(x_i) - width // 2, _nearest(y_i) - width // 2
            if not self._overlaps(*corner, width):
                continue
            beam = self._moffat(width, x_i - corner[0], y_i - corner[1], size, p1, p2)
            light = _sersic_transform(width, r_i, n_i, g1_i, g2_i)
            stamp = scipy.fft.irfft2(scipy.fft.rfft2(beam) * light, s=beam.shape)
            self._add(stamp * (flux_i / self._moffat_flux(size)), *corner)

    def trails(self, x: Floats, y: Floats, flux: Floats, length: Floats, angle: Floats) -> None:
        """Add short trails, point sources spread evenly along lines: lengths in pixels, angles in degrees."""
        for x_i, y_i, flux_i, length_i, angle_i in zip(x, y, flux, length, angle, strict=True):
            count = max(1, int(np.ceil(2 * length_i)))
            along = ((np.arange(count) + 0.5) / count - 0.5) * length_i
            theta = np.radians(angle_i)
            self.stars(
                x_i + along * np.cos(theta), y_i + along * np.sin(theta), np.full(count, flux_i / count)
            )

    def _moffat(self, width: int, x: float, y: float, size: float, g1: float, g2: float) -> Floats:
        """Moffat profile sampled at pixel centres, sheared as GalSim does (area is kept)."""
        beta = self._psf.beta
        core = size / np.sqrt(2 ** (1 / (beta - 1)) - 1)
        u, v = (np.arange(width) - x)[None, :], (np.arange(width) - y)[:, None]
        norm = core * core * (1 - g1 * g1 - g2 * g2)
        a = ((1 - g1) * u - g2 * v) ** 2 + (-g2 * u + (1 + g1) * v) ** 2
        profile: Floats = (1 + a / norm) ** -beta
        return profile

    def _fraction_in_stamp(self) -> float:
        """Fraction of a star's light within the PSF's stamp, at the optical axis."""
        size, g1, g2 = self._psf.coefficients[:, 0]
        half = STAMP_SIZE // 2
        return float(self._moffat(STAMP_SIZE, half, half, size, g1, g2).sum() / self._moffat_flux(size))

    def _moffat_flux(self, size: float) -> float:
        """Integral of the profile that `_moffat` samples."""
        beta = self._psf.beta
        return float(np.pi * size * size / (beta - 1) / (2 ** (1 / (beta - 1)) - 1))

    def _core_and_peak(self, flux: float, size: float) -> tuple[float, float]:
        """Return the core radius of a star's profile and its surface brightness there."""
        beta = self._psf.beta
        core = size / np.sqrt(2 ** (1 / (beta - 1)) - 1)
        return core, abs(flux) * (beta - 1) / (np.pi * core * core)

    def _growth(self, flux: float, size: float) -> float:
        strength, full = self._fattening
        return 1 + strength * min(self._core_and_peak(flux, size)[1] / full, 1.0)

    def _star_radius(self, flux: float, size: float) -> int:
        core, peak = self._core_and_peak(flux, size)
        reach = core * (peak / self._faintest) ** (0.5 / self._psf.beta)
        return int(np.clip(np.ceil(reach), STAMP_SIZE // 2, _MAX_STAR_RADIUS))

    def _galaxy_radius(self, flux: float, radius: float, sersic: float, size: float) -> int:
        level = max(flux / (2 * np.pi * radius * radius) / self._faintest, 1.0)
        reach = (
            radius * (np.log(level) / 1.7 + 0.3) ** max(sersic, 1.0) if sersic < 2 else radius * level**0.3
        )
        return int(np.clip(np.ceil(reach + 3 * size), 12, _MAX_GALAXY_RADIUS))

    def _overlaps(self, x0: int, y0: int, width: int) -> bool:
        height, across = self.array.shape
        return x0 < across and y0 < height and x0 + width > 0 and y0 + width > 0

    def _add(self, stamp: Floats, x0: int, y0: int) -> None:
        width = len(stamp)
        if not self._overlaps(x0, y0, width):
            return
        height, across = self.array.shape
        rows, columns = slice(max(y0, 0), min(y0 + width, height)), slice(max(x0, 0), min(x0 + width, across))
        self.array[rows, columns] += stamp[
            rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0
        ]


def _sersic_transform(width: int, radius: float, sersic: float, g1: float, g2: float) -> Floats:
    """Fourier transform of a centred Sersic profile of flux 1, at the frequencies of `scipy.fft.rfft2`."""
    import galsim

    light = galsim.Sersic(sersic, half_light_radius=radius).shear(g1=g1, g2=g2)
    image = light.drawKImage(nx=width, ny=width, scale=2 * np.pi / width)
    transform: Floats = scipy.fft.ifftshift(image.array.real)[:, : width // 2 + 1]
    return transform


def _nearest(position: float) -> int:
    """Return the pixel whose centre is nearest, the larger of two, as PSF images of `lsst.images` do."""
    return int(np.floor(position + 0.5))
