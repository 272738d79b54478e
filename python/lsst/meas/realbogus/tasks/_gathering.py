"""How tasks gather the tables of many images, of which some may be missing or unusable."""

from __future__ import annotations

__all__ = ("UsableImages", "complete_images")

from collections.abc import Callable, Collection, Iterable, Iterator

from lsst.pipe.base import Task

from ..errors import InvalidInputError

type ImageKey = tuple[int, int]
"""Visit and detector."""

_N_TOLD = 3


class UsableImages[T]:
    """What is read of one image after the other, where images that cannot be used are left out.

    Parameters
    ----------
    task
        Whose log names them.
    images
        Visits and detectors, in the order in which they are read.
    read
        Reads what is needed of an image, and raises `InvalidInputError` if it cannot be used.
    """

    def __init__(self, task: Task, images: Iterable[ImageKey], read: Callable[[ImageKey], T]) -> None:
        self._task, self._images, self._read = task, list(images), read
        self._errors: dict[ImageKey, InvalidInputError] = {}

    def __iter__(self) -> Iterator[T]:
        """Read the images again.

        Raises
        ------
        InvalidInputError
            If there are images, and none can be used.
        """
        for image in self._images:
            try:
                part = self._read(image)
            except InvalidInputError as error:
                if image not in self._errors:
                    self._task.log.warning("Left out: visit %d, detector %d: %s", *image, error)
                self._errors[image] = error
            else:
                yield part
        if self._images and len(self._errors) == len(self._images):
            raise self._errors[self._images[0]]

    def require_all(self) -> None:
        """Tell what was left out, once the outputs of the others are written.

        Raises
        ------
        InvalidInputError
            If an image was left out.
        """
        if not self._errors:
            return
        told = [
            f"visit {visit}, detector {detector}: {error}"
            for (visit, detector), error in list(self._errors.items())[:_N_TOLD]
        ]
        if len(self._errors) > _N_TOLD:
            told.append(f"{len(self._errors) - _N_TOLD} more, see the log")
        n_left_out, n_images = len(self._errors), len(self._images)
        raise InvalidInputError(
            f"left out {n_left_out} of {n_images} images, the others are done: " + "; ".join(told),
            n_left_out=n_left_out,
            n_images=n_images,
        )


def complete_images(task: Task, *tables: Collection[ImageKey]) -> list[ImageKey]:
    """Find the images that have a table of each kind, and say how many lack one.

    Parameters
    ----------
    task
        The task, into whose log and metadata it goes.
    *tables
        Visits and detectors of the tables of each kind.

    Returns
    -------
    list of tuple
        Visits and detectors, in order.
    """
    complete = set.intersection(*map(set, tables))
    n_incomplete = len(set.union(*map(set, tables)) - complete)
    task.metadata["n_images"], task.metadata["n_incomplete_images"] = len(complete), n_incomplete
    if n_incomplete:
        task.log.warning("%d images lack some of the tables and are left out.", n_incomplete)
    return sorted(complete)
