"""A map of the last hidden layer."""

from __future__ import annotations

__all__ = ("Embedding", "embed")

import importlib.util
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from ..errors import MissingDependencyError
from ._options import EmbeddingOptions

type Floats = npt.NDArray[np.float32]

_FEWEST = 10
"""Fewer sources have no neighbourhoods to keep; they are shown by principal components."""


@dataclass(frozen=True)
class Embedding:
    """Places of sources in a plane.

    Parameters
    ----------
    points
        Float32 ``(n, 2)``, NaN for sources without a place.
    method
        ``"umap"`` or ``"pca"``.
    """

    points: Floats
    method: str


def embed(hidden: Floats, options: EmbeddingOptions | None = None) -> Embedding:
    """Lay sources out in a plane, so that those the network finds alike are near each other.

    UMAP (McInnes et al. 2018) keeps neighbours together; distances between groups mean little. Principal
    components are the two directions in which the sources differ most.

    Parameters
    ----------
    hidden
        Last hidden layer, ``(n, k)``; rows with NaN get no place.
    options
        Method and its numbers.

    Returns
    -------
    Embedding
        Places, and which method made them: fewer than ten sources are shown by principal components. The
        same for the same values on the same machine.

    Raises
    ------
    MissingDependencyError
        Raised if UMAP is asked for and umap-learn is not installed.
    """
    options = options or EmbeddingOptions()
    rows = np.flatnonzero(np.isfinite(hidden).all(axis=1))
    if rows.size > options.max_sources:
        rows = rows[np.linspace(0, rows.size - 1, options.max_sources).astype(int)]
    points = np.full((len(hidden), 2), np.nan, np.float32)
    there = importlib.util.find_spec("umap") is not None
    if options.method == "umap" and not there:
        raise MissingDependencyError("umap-learn is needed; install the extra 'umap', or ask for pca")
    method = "umap" if there and options.method != "pca" and rows.size >= _FEWEST else "pca"
    if rows.size:
        points[rows] = (_umap if method == "umap" else _principal_components)(hidden[rows], options)
    return Embedding(points, method)


def _umap(values: Floats, options: EmbeddingOptions) -> Floats:
    with warnings.catch_warnings():
        # umap-learn says on import that TensorFlow is not there, and that a seed costs its threads.
        warnings.simplefilter("ignore")
        import umap

        mapper = umap.UMAP(
            n_neighbors=min(options.neighbors, len(values) - 1),
            min_dist=options.min_distance,
            random_state=options.seed,
            n_jobs=1,
        )
        return np.asarray(mapper.fit_transform(values), np.float32)


def _principal_components(values: Floats, options: EmbeddingOptions) -> Floats:
    found = np.zeros((len(values), 2), np.float32)
    if len(values) < 2:
        return found
    count = min(2, *values.shape)
    found[:, :count] = PCA(count, random_state=options.seed).fit_transform(values)
    return found
