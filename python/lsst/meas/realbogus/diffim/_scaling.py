"""Ratio of flux scales, difference of backgrounds and shift between two matched images."""

from __future__ import annotations

__all__ = ("Scaling", "fit_scaling", "shift_kernel")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from lsst.images import Box

from ..imaging import KernelField, chebyshev_design, chebyshev_grid, n_terms

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]

_SCALE_PRIOR = 0.5
"""Error of the scale before anything is known of it."""
_GRADIENT_PRIOR = 0.05
"""The same for each further term of the scale."""
_SHIFT_PRIOR = 0.5
"""The same for the shift, pixels."""
_SHIFT_SIGMAS, _LEAST_SHIFT, _MOST_SHIFT = 4.0, 0.02, 1.0
"""Shifts are made up for between these bounds, in errors and in pixels."""
_BRIGHT = 5.0
"""Something shows where the light is this many times its own noise, and above the noise of the difference."""
_LEAST_SIGNAL = 100.0
"""The scale is fitted where it would be known to 10 % or better."""
_DIFFERENT = 0.5
"""Objects whose light differs by this fraction of its mean have changed, or are in one image only."""
_FEW_OBJECTS = 10
"""Fewer objects than these do not tell which of them is off."""
_FAINT_SHARE = 8
"""Of pixels that show nothing, one in so many is used."""


@dataclasses.dataclass(frozen=True)
class Scaling:
    """``image(x, y) = scale * model(x - dx, y - dy) + background``, the first and last polynomials over a
    box.

    Parameters
    ----------
    domain
        The box.
    scale, background
        Chebyshev coefficients.
    scale_error
        Error of the mean scale.
    shift, shift_error
        ``(dx, dy)`` in pixels.
    """

    domain: Box
    scale: FloatArray
    background: FloatArray
    scale_error: float
    shift: tuple[float, float] = (0.0, 0.0)
    shift_error: float = float("inf")

    @property
    def is_shifted(self) -> bool:
        """Whether there is a shift beyond doubt, and one that a kernel can make up for."""
        length = float(np.hypot(*self.shift))
        return max(_SHIFT_SIGMAS * self.shift_error, _LEAST_SHIFT) < length < _MOST_SHIFT

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
    unusable: BoolArray,
    bbox: Box,
    *,
    model_variance: Pixels,
    scale_order: int = 0,
    background_order: int = 1,
    expected_scale: float = 1.0,
    mismatch: float = 0.05,
    clip: float = 3.0,
    iterations: int = 5,
) -> Scaling:
    """Fit scale, background and shift robustly.

    Parameters
    ----------
    image, model, variance
        Pixels of one box; the variance is that of ``image - model``.
    unusable
        Pixels to leave out.
    bbox
        The box.
    model_variance
        Noise of the model alone. It has to be known: the noise of the model does not correlate with the
        image, and the scale would come out too low.
    scale_order, background_order
        Degrees of the two polynomials; a negative order leaves the scale at its expected value or the
        background at 0.
    expected_scale
        What the scale is where the data say little, and where it is not fitted.
    mismatch
        Error of the model as a fraction of itself, so that bright stars do not decide alone.
    clip
        Pixels this many errors off are left out of the next iteration, and so are objects of the model: a
        variable star, or a galaxy with a supernova, is off by little in each pixel. Errors are not taken for
        smaller than the typical residual, so that a shifted model does not lose its bright pixels.
    iterations
        At most this many.

    Returns
    -------
    Scaling
        The solution; ``scale_error`` from the scatter of the objects.
    """
    light, light_variance = _mean_light(image, model, variance, model_variance, expected_scale)
    shows = light**2 > np.maximum(variance, _BRIGHT**2 * light_variance)
    rows, columns = _choose(image, model, unusable | ~(variance > 0), shows)
    bright, level = shows[rows, columns], light[rows, columns].astype(np.float64)
    noise = variance[rows, columns] + (mismatch * level) ** 2
    certain = bright & (model**2 > _BRIGHT**2 * model_variance)[rows, columns]
    signal = float(np.sum(level[certain] ** 2 / noise[certain]))
    n_scale = _count(scale_order) if signal > _LEAST_SIGNAL else 0
    n_back = _count(background_order)
    design = _design(model, rows, columns, bbox, n_scale, n_back)
    wanted = image[rows, columns].astype(np.float64)
    if not n_scale:
        wanted -= expected_scale * model[rows, columns]
    extra = _scale_terms(np.sqrt(model_variance), rows, columns, bbox, n_scale)
    prior = _prior(n_scale, n_back, expected_scale)
    objects = _Objects.find(shows, (rows, columns), level, noise)
    solution, error = _start(n_scale, n_back, expected_scale), np.full(design.shape[1], np.inf)

    shared = objects.shared(wanted - design @ solution) if n_scale else np.ones(len(wanted), dtype=bool)

    def agreeing() -> tuple[BoolArray, FloatArray]:
        """Return the pixels that agree with the solution, and all residuals."""
        rest = wanted - design @ solution
        off = np.abs(rest) / np.sqrt(noise)
        again = off < clip * np.where(bright, max(1.0, _typical(off[bright & shared])), 1.0)
        again &= shared
        return again & objects.agree(rest, again, clip), rest

    # Where much of the light has changed, all of it together is no place to start from.
    kept, rest = agreeing()
    for _ in range(iterations):
        if kept.sum() <= 10 * solution.size:
            break
        solution, error = _solve(design[kept], wanted[kept], noise[kept], extra[kept], prior, solution)
        again, rest = agreeing()
        if (again == kept).all():
            break
        kept = again
    scale = solution[:n_scale] if n_scale else np.array([expected_scale])
    return Scaling(
        bbox,
        scale,
        solution[n_scale : n_scale + n_back] if n_back else np.zeros(1),
        scale_error=max(float(error[0]), objects.error(rest, kept)) if n_scale else float("inf"),
        shift=(float(-solution[-2] / scale[0]), float(-solution[-1] / scale[0])),
        shift_error=float(np.max(error[-2:]) / abs(scale[0])),
    )


def _mean_light(
    image: Pixels, model: Pixels, variance: Pixels, model_variance: Pixels, scale: float
) -> tuple[Pixels, Pixels]:
    """Return the best mean of the image and the scaled model, and its variance.

    Its noise does not correlate with that of their difference: pixels chosen or weighted by it do not bias
    the scale as those chosen by the noisy model would.
    """
    of_model = np.float32(scale**2) * model_variance
    of_image = np.maximum(variance - of_model, np.float32(0.01) * variance)
    total = np.maximum(of_model + of_image, np.finfo(np.float32).tiny)
    mean = (of_image * (np.float32(scale) * model) + of_model * image) / total
    return mean, of_model * of_image / total


@dataclasses.dataclass(frozen=True)
class _Objects:
    """Connected bright pixels.

    Parameters
    ----------
    label
        For each pixel used, the number of its object; 0 for none.
    weight
        Light over noise variance, of each pixel used.
    power
        Light times that.
    """

    label: npt.NDArray[np.intp]
    weight: FloatArray
    power: FloatArray

    @classmethod
    def find(
        cls,
        shows: BoolArray,
        pixels: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
        level: FloatArray,
        noise: FloatArray,
    ) -> _Objects:
        labels, _ = scipy.ndimage.label(shows)
        return cls(labels[pixels].astype(np.intp), level / noise, level**2 / noise)

    def agree(self, rest: FloatArray, kept: BoolArray, clip: float) -> BoolArray:
        """Return the pixels of no object that is off by more than most objects are, for their errors."""
        residual, power = self._sums(rest, kept)
        off = np.abs(residual) / np.sqrt(np.maximum(power, np.finfo(float).tiny))
        seen = power > 0
        seen[0] = False
        limit = clip * _typical(off[seen]) if seen.sum() >= _FEW_OBJECTS else np.inf
        return np.asarray(~(seen & (off > limit))[self.label])

    def shared(self, rest: FloatArray) -> BoolArray:
        """Return the pixels of no object that only one of the images has, or has far more of, beyond doubt.

        Where these outnumber what does not change, no scatter of all tells them apart.
        """
        residual, power = self._sums(rest, np.ones(len(rest), dtype=bool))
        differs = np.abs(residual) > np.maximum(_DIFFERENT * power, _BRIGHT * np.sqrt(power))
        differs[0] = False
        return np.asarray(~differs[self.label])

    def error(self, rest: FloatArray, kept: BoolArray) -> float:
        """Return the error of a common scale from how the objects scatter about it."""
        residual, power = self._sums(rest, kept)
        return float(np.sqrt(np.sum(residual[1:] ** 2)) / max(power[1:].sum(), np.finfo(float).tiny))

    def _sums(self, rest: FloatArray, kept: BoolArray) -> tuple[FloatArray, FloatArray]:
        count = int(self.label.max(initial=0)) + 1
        residual = np.bincount(self.label[kept], (self.weight * rest)[kept], count)
        return residual, np.bincount(self.label[kept], self.power[kept], count)


def shift_kernel(kernel: KernelField, shift: tuple[float, float]) -> KernelField:
    """Return a kernel that also moves the image, by a part of a pixel.

    Parameters
    ----------
    kernel
        The kernel.
    shift
        ``(dx, dy)`` in pixels.

    Notes
    -----
    Convolution with the weights of Lagrange interpolation between seven pixels: unlike an interpolated
    kernel it is as good for a kernel that is nearly a delta function.
    """
    steps = np.arange(-3.0, 4.0)
    in_x, in_y = (
        np.array([np.prod([(d - m) / (k - m) for m in steps if m != k]) for k in steps]) for d in shift
    )
    return kernel.resized(kernel.radius + 3).convolved(np.outer(in_y, in_x))


def _typical(values: FloatArray) -> float:
    """Return the standard deviation of a Gaussian with this median of absolute values."""
    return 1.4826 * float(np.median(values)) if values.size else 0.0


def _count(order: int) -> int:
    return n_terms(order) if order >= 0 else 0


def _choose(
    image: Pixels, model: Pixels, unusable: BoolArray, bright: BoolArray
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return rows and columns of usable pixels: those that are bright, and some others."""
    usable = ~unusable & np.isfinite(image) & np.isfinite(model)
    number = np.add.outer(np.arange(image.shape[0]), 3 * np.arange(image.shape[1]))
    some = number % _FAINT_SHARE == 0
    rows, columns = np.nonzero(usable & (some | bright))
    return rows, columns


def _design(
    model: Pixels,
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    bbox: Box,
    n_scale: int,
    n_back: int,
) -> FloatArray:
    """Return a column for each term of the scale, each of the background, and each slope of the model."""
    slope_y, slope_x = (np.asarray(slope)[rows, columns] for slope in np.gradient(model))
    of_scale = _scale_terms(model, rows, columns, bbox, n_scale)
    of_background = _scale_terms(np.ones_like(model), rows, columns, bbox, n_back)
    return np.column_stack([of_scale, of_background, slope_x, slope_y])


def _scale_terms(
    model: Pixels, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], bbox: Box, count: int
) -> FloatArray:
    """Return an image times each of some Chebyshev terms, at pixels."""
    if count == 0:
        return np.zeros((len(rows), 0))
    order = next(order for order in range(20) if n_terms(order) >= count)
    terms = chebyshev_design(columns + bbox.x.start, rows + bbox.y.start, bbox, order)[:, :count]
    return np.asarray(terms * np.expand_dims(model[rows, columns], 1))


def _start(n_scale: int, n_back: int, expected_scale: float) -> FloatArray:
    start = np.zeros(n_scale + n_back + 2)
    start[: min(n_scale, 1)] = expected_scale
    return start


def _prior(n_scale: int, n_back: int, expected_scale: float) -> FloatArray:
    """Return the inverse variances of the parameters before there are data."""
    errors = [_SCALE_PRIOR] * min(n_scale, 1) + [_GRADIENT_PRIOR] * max(n_scale - 1, 0)
    shift = 1.0 / (_SHIFT_PRIOR * expected_scale) ** 2
    return np.array([1.0 / error**2 for error in errors] + [0.0] * n_back + [shift] * 2)


def _solve(
    design: FloatArray,
    wanted: FloatArray,
    noise: FloatArray,
    extra: FloatArray,
    prior: FloatArray,
    expected: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Solve the weighted normal equations less what the noise of the model adds to them.

    The prior holds the solution near what it was expected to be, or was before.
    """
    root = 1.0 / np.sqrt(noise)
    weighted = design * root[:, np.newaxis]
    normal = weighted.T @ weighted + np.diag(prior)
    n_scale = extra.shape[1]
    noise_part = extra * root[:, np.newaxis]
    normal[:n_scale, :n_scale] -= noise_part.T @ noise_part
    right = weighted.T @ (wanted * root) + prior * expected
    solution = np.linalg.solve(normal, right)
    return solution, np.sqrt(np.abs(np.diagonal(np.linalg.inv(normal))))
