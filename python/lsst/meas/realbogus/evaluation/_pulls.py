"""Whether recovered fluxes and positions are right, and their errors too."""

from __future__ import annotations

__all__ = ("Pull", "measure_pull")

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

Floats = npt.NDArray[np.float64]

_MAD_TO_SIGMA = 1 / norm.ppf(0.75)
# Its scatter over sigma / sqrt(n) for a normal distribution: 37 % efficiency (Hampel 1974).
_MAD_ERROR = _MAD_TO_SIGMA / (4 * norm.pdf(norm.ppf(0.75)))


@dataclasses.dataclass(frozen=True)
class Pull:
    """Errors of a measurement in units of its stated errors.

    Parameters
    ----------
    values
        ``(measured - true) / error``, finite ones only; normal with centre 0 and width 1 if all is well.
    centre
        Their median.
    width
        Their robust width, 1.4826 times the median absolute deviation.
    centre_error
        Error of the median of a normal sample of this width and number.
    """

    values: Floats
    centre: float
    width: float
    centre_error: float

    @property
    def width_error(self) -> float:
        """Error of the width: of a normal sample, 1.17 times the width over the root of the number."""
        n = self.values.size
        return float(_MAD_ERROR * self.width / np.sqrt(n)) if n else float("nan")


def measure_pull(measured: npt.ArrayLike, true: npt.ArrayLike, error: npt.ArrayLike) -> Pull:
    """Compare measurements with the truth.

    Parameters
    ----------
    measured, true, error
        Arrays of one shape; entries that are not finite, or whose error is not positive, are left out.

    Returns
    -------
    Pull
        The pulls and what they add up to; NaN without any.
    """
    value, truth, sigma = (np.asarray(part, float) for part in (measured, true, error))
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = (value - truth) / sigma
    pull = pull[np.isfinite(pull) & (sigma > 0)]
    if not pull.size:
        return Pull(pull, float("nan"), float("nan"), float("nan"))
    centre = float(np.median(pull))
    width = float(_MAD_TO_SIGMA * np.median(np.abs(pull - centre)))
    return Pull(pull, centre, width, float(np.sqrt(np.pi / 2 / pull.size) * width))
