"""The exceptions of the package, and which one to raise when.

* `InvalidInputError`: a value, a file or an option that the caller gave cannot be used. Name the value and
  say what would be accepted.
* `InvalidCatalogError`: a catalogue has bad rows or columns. Collect every reason first, then raise once.
* `OutputError`: a file cannot be written where it was asked for, or is there already.
* `ImageMismatchError`: images that must share pixels (boxes, units, projections) do not.
* `SubtractionError`: no PSF-matching kernel can be found for a pair of images.
* `ModelFormatError`: a model file is damaged, unsafe or not a model.
* `ModelContractError`: a sound model file does not do what its contract says, or does not fit its use.
* `ModelNotFoundError`: the model that was asked for does not exist; the message lists those that do.
* `MissingDependencyError`: an optional package is needed and not installed.

"Nothing to do" is not an error here: tasks raise `lsst.pipe.base.NoWorkFound`, rooms return empty tables.
"""

from __future__ import annotations

__all__ = (
    "ImageMismatchError",
    "InvalidCatalogError",
    "InvalidInputError",
    "MissingDependencyError",
    "ModelContractError",
    "ModelError",
    "ModelFormatError",
    "ModelNotFoundError",
    "OutputError",
    "RealBogusError",
    "SubtractionError",
)

from collections.abc import Iterable
from typing import Self


class RealBogusError(Exception):
    """Base class of everything this package raises on purpose.

    Parameters
    ----------
    message
        What is wrong, with the value and the dataset, and what to do.
    **facts
        Numbers and names that belong to it, for metadata.
    """

    def __init__(self, message: str, **facts: str | int | float | bool) -> None:
        super().__init__(message)
        self.facts = facts


class InvalidInputError(RealBogusError, ValueError):
    """A value, file or option cannot be used."""


class InvalidCatalogError(InvalidInputError):
    """A catalogue has rows or columns that cannot be used.

    Parameters
    ----------
    name
        What the catalogue is called where it came from (dataset or file name).
    reasons
        One sentence for each fault, with row numbers where rows are at fault.
    """

    def __init__(self, name: str, reasons: Iterable[str]) -> None:
        self.name = name
        self.reasons = tuple(reasons)
        super().__init__(f"{name}: " + "; ".join(self.reasons), n_reasons=len(self.reasons))

    def __reduce__(self) -> tuple[type[Self], tuple[str, tuple[str, ...]]]:
        return type(self), (self.name, self.reasons)


class OutputError(InvalidInputError):
    """A file cannot be written where it was asked for."""


class ImageMismatchError(InvalidInputError):
    """Images that must share pixels do not."""


class SubtractionError(RealBogusError):
    """No PSF-matching kernel can be found."""


class ModelError(RealBogusError):
    """Base class of what can be wrong with a classifier model."""


class ModelFormatError(ModelError):
    """A file is damaged, unsafe, or not a model."""


class ModelContractError(ModelError):
    """A model does not do what its contract says, or does not fit its use."""


class ModelNotFoundError(ModelError, LookupError):
    """The model that was asked for does not exist."""


class MissingDependencyError(RealBogusError, ImportError):
    """An optional package is needed and not installed."""
