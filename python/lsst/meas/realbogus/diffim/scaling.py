"""Ratio of flux scales and difference of backgrounds between two matched images."""

from __future__ import annotations

__all__ = ("Scaling", "fit_scaling")

import dataclasses

import numpy as np
import numpy.typing as npt
from lsst.images import Box

from .polynomials import chebyshev_design, chebyshev_grid, n_terms

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Scaling:
    """``image = scale * model + background``, both polynomials over a box.

    Parameters
    ----------
    domain
        The box.
    scale, background
        Chebyshev coefficients.
    scale_error
        Error of the mean scale.
    """

    domain: Box
    scale: FloatArray
    background: FloatArray
    scale_error: float

    def scale_image(self, bbox: Box) -> FloatArray:
        """Return the scale on the pixels of a box."""
        return chebyshev_grid(self.scale, self.domain, bbox)

    def background_image(self, bbox: Box) -> FloatArray:
        """Return the background on the pixels of a box."""
        return chebyshev_grid(self.background, self.domain, bbox)


def fit_scaling(
    image: Pixels,
    model: Pixels,
    variance: Pixels,
    unusable: npt.NDArray[np.bool_],
    bbox: Box,
    *,
    scale_order: int = 0,
    background_order: int = 1,
    expected_scale: float = 1.0,
    model_variance: Pixels | None = None,
    mismatch: float = 0.03,
    clip: float = 3.0,
    iterations: int = 5,
) -> Scaling:
    """Fit scale and background robustly.

    Parameters
    ----------
    image, model, variance
        Pixels of one box; the variance is that of ``image - model``.
    unusable
        Pixels to leave out.
    bbox
        The box.
    scale_order, background_order
        Degrees of the two polynomials; a negative order leaves the scale at its expected value or the
        background at 0.
    expected_scale
        What the scale is where the data say little, and where it is not fitted.
    model_variance
        Noise of the model alone; without it the scale comes out too low, since noise does not correlate.
    mismatch
        Error of the model as a fraction of itself, so that bright stars do not decide alone.
    clip
        Pixels this many errors off are left out of the next iteration.
    iterations
        At most this many.
    """
    usable = ~unusable & np.isfinite(image) & np.isfinite(model) & (variance > 0)
    noise = variance + (mismatch * model) ** 2
    kept = usable.copy()
    scale = np.array([expected_scale])
    background = np.array([0.0])
    scale_error = np.inf
    n_scale, n_back = _count(scale_order), _count(background_order)
    for _ in range(iterations):
        if n_scale + n_back == 0 or kept.sum() <= 10 * (n_scale + n_back):
            break
        columns = _columns(model, bbox, kept, n_scale, n_back)
        root = 1.0 / np.sqrt(noise[kept])
        wanted = image[kept] if n_scale else image[kept] - expected_scale * model[kept]
        matrix = (columns * root).T
        normal = matrix.T @ matrix
        normal[np.diag_indices_from(normal)] += _prior(n_scale, n_back)
        if n_scale and model_variance is not None:
            terms = _columns(np.sqrt(model_variance), bbox, kept, n_scale, 0) * root
            normal[:n_scale, :n_scale] -= terms @ terms.T
        right = matrix.T @ (wanted * root)
        if n_scale:
            right[0] += expected_scale * _prior(n_scale, n_back)[0]
        solution = np.linalg.solve(normal, right)
        if n_scale:
            scale, scale_error = solution[:n_scale], float(np.sqrt(np.linalg.inv(normal)[0, 0]))
        if n_back:
            background = solution[n_scale:]
        rest = image - chebyshev_grid(scale, bbox, bbox) * model - chebyshev_grid(background, bbox, bbox)
        again = usable & (rest**2 < clip**2 * noise)
        if (again == kept).all():
            break
        kept = again
    return Scaling(bbox, scale, background, scale_error)


def _count(order: int) -> int:
    return n_terms(order) if order >= 0 else 0


def _columns(model: Pixels, bbox: Box, kept: npt.NDArray[np.bool_], n_scale: int, n_back: int) -> FloatArray:
    rows, columns = np.nonzero(kept)
    order = max(_order(n_scale), _order(n_back))
    design = chebyshev_design(columns + bbox.x.start, rows + bbox.y.start, bbox, order).T
    return np.concatenate([design[:n_scale] * model[kept], design[:n_back]])


def _order(count: int) -> int:
    order = 0
    while n_terms(order) < count:
        order += 1
    return order


def _prior(n_scale: int, n_back: int) -> FloatArray:
    """Return inverse variances that hold the scale (error 0.5) and keep it flat (error 0.05)."""
    return np.concatenate([np.array([4.0])[:n_scale], np.full(max(n_scale - 1, 0), 400.0), np.zeros(n_back)])
