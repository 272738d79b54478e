"""Points that cover a unit cube evenly."""

from __future__ import annotations

__all__ = ("halton",)

import numpy as np
import numpy.typing as npt

_BASES = (2, 3, 5)


def halton(n_points: int, n_axes: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the first points of a Halton sequence, shifted at random.

    Parameters
    ----------
    n_points, n_axes
        Shape of the result; up to three axes.
    rng
        Draws a shift for each axis, added modulo 1 (Cranley & Patterson 1976, SIAM J. Num. Anal. 13, 904).

    Returns
    -------
    numpy.ndarray
        Points in [0, 1), shape ``(n_points, n_axes)``.
    """
    shift = rng.random(n_axes)
    points = np.zeros((n_points, n_axes))
    for axis, base in enumerate(_BASES[:n_axes]):
        rest, weight = np.arange(1, n_points + 1), 1.0 / base
        while rest.any():
            rest, digit = np.divmod(rest, base)
            points[:, axis] += digit * weight
            weight /= base
    return np.asarray((points + shift) % 1.0)
