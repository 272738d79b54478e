"""Options of explanations."""

from __future__ import annotations

__all__ = ("EmbeddingOptions", "ExplanationOptions")

from dataclasses import dataclass

from ..options import Options, option


@dataclass(frozen=True)
class EmbeddingOptions(Options):
    """How the last hidden layer is drawn as a map."""

    method: str = option(
        "auto",
        "umap, or pca (principal components); auto: umap where umap-learn is installed, else pca.",
        choices=("auto", "umap", "pca"),
    )
    neighbors: int = option(15, "Neighbours that UMAP keeps together: more of them, a coarser map.", min=2)
    min_distance: float = option(0.1, "Least distance of points in the map of UMAP.", min=0.0, max=1.0)
    max_sources: int = option(
        20_000, "Sources that the map is made of, spread evenly; the others have no place in it.", min=1
    )
    seed: int = option(1, "Seed of UMAP.", min=0)


@dataclass(frozen=True)
class ExplanationOptions(Options):
    """What is worked out to explain scores."""

    threshold: float = option(0.5, "Score from which a source is called real.", min=0.0, max=1.0)
    batch_size: int = option(128, "Stamps whose gradients are worked out at once.", min=1, max=1024)
    hardest: int = option(
        24, "Sources on each contact sheet: confident errors of either kind, and the most unsure.", min=1
    )
    embedding: EmbeddingOptions = option(EmbeddingOptions, "The map of the last hidden layer.")
