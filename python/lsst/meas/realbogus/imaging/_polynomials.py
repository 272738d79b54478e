"""Chebyshev polynomials of two variables over a box, the form all smooth variation takes here."""

from __future__ import annotations

__all__ = ("chebyshev_design", "chebyshev_field", "chebyshev_grid", "n_terms", "term_degrees")

import numpy as np
import numpy.typing as npt
from lsst.images import Box
from lsst.images.fields import ChebyshevField

type FloatArray = npt.NDArray[np.float64]


def term_degrees(order: int) -> tuple[tuple[int, int], ...]:
    """Return the degrees in y and x of each term, by total degree: (0, 0), (0, 1), (1, 0), ..."""
    return tuple((p, total - p) for total in range(order + 1) for p in range(total + 1))


def n_terms(order: int) -> int:
    """Return how many terms a triangular polynomial of this order has.

    Parameters
    ----------
    order
        Highest total degree.

    Returns
    -------
    int
        Number of terms.
    """
    return (order + 1) * (order + 2) // 2


def _scaled(values: npt.ArrayLike, start: int, size: int) -> FloatArray:
    middle = start + 0.5 * size - 0.5
    return (np.asarray(values, dtype=np.float64) - middle) * (2.0 / size)


def chebyshev_design(x: npt.ArrayLike, y: npt.ArrayLike, domain: Box, order: int) -> FloatArray:
    """Evaluate every term at points.

    Parameters
    ----------
    x, y
        Parent coordinates in pixels, shape ``(n,)``.
    domain
        Box whose pixel edges are mapped to -1 and 1, as in `lsst.images.fields.ChebyshevField`.
    order
        Highest total degree.

    Returns
    -------
    numpy.ndarray
        Float64 array of shape ``(n, n_terms(order))``.
    """
    ty = np.polynomial.chebyshev.chebvander(_scaled(np.atleast_1d(y), domain.y.start, domain.y.size), order)
    tx = np.polynomial.chebyshev.chebvander(_scaled(np.atleast_1d(x), domain.x.start, domain.x.size), order)
    return np.stack([ty[:, p] * tx[:, q] for p, q in term_degrees(order)], axis=-1)


def chebyshev_grid(coefficients: npt.ArrayLike, domain: Box, bbox: Box) -> FloatArray:
    """Evaluate a polynomial, given by the coefficients of its terms, on all pixels of a box.

    Parameters
    ----------
    coefficients
        One number for each term, in the order of `chebyshev_design`.
    domain
        Box over which the polynomial is scaled.
    bbox
        Where it is evaluated.

    Returns
    -------
    numpy.ndarray
        Float64 values, shape of ``bbox``.
    """
    coefficients = np.asarray(coefficients, dtype=np.float64)
    order = _order_of(coefficients.size)
    matrix = np.zeros((order + 1, order + 1))
    for value, (p, q) in zip(coefficients, term_degrees(order), strict=True):
        matrix[p, q] = value
    y = _scaled(bbox.y.arange, domain.y.start, domain.y.size)
    x = _scaled(bbox.x.arange, domain.x.start, domain.x.size)
    return np.asarray(np.polynomial.chebyshev.chebgrid2d(y, x, matrix), dtype=np.float64)


def chebyshev_field(coefficients: npt.ArrayLike, domain: Box) -> ChebyshevField:
    """Return a polynomial as a field of lsst.images.

    Parameters
    ----------
    coefficients
        One number for each term, in the order of `chebyshev_design`.
    domain
        Box over which the polynomial is scaled.

    Returns
    -------
    lsst.images.fields.ChebyshevField
        The field.
    """
    coefficients = np.asarray(coefficients, dtype=np.float64)
    order = _order_of(coefficients.size)
    matrix = np.zeros((order + 1, order + 1))
    for value, (p, q) in zip(coefficients, term_degrees(order), strict=True):
        matrix[p, q] = value
    return ChebyshevField(domain, matrix)


def _order_of(size: int) -> int:
    order = 0
    while n_terms(order) < size:
        order += 1
    if n_terms(order) != size:
        raise ValueError(f"{size} is not the number of terms of a triangular polynomial")
    return order
