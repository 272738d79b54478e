"""What a user should know of images, said once however many images it is true of."""

from __future__ import annotations

__all__ = ("Remarks",)

import logging
import re
from collections.abc import Iterable

_LOG = logging.getLogger(__name__)


class Remarks:
    """Remarks on images, collected until they are said."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, list[str]]] = {}

    def add(self, name: str, texts: Iterable[str]) -> None:
        """Collect remarks on an image.

        Parameters
        ----------
        name
            Name of the image.
        texts
            The remarks. Those that differ in numbers only are one.
        """
        for text in texts:
            _, names = self._names.setdefault(re.sub(r"\d+", "0", text), (text, []))
            if name not in names:
                names.append(name)

    def say(self) -> None:
        """Log each remark once, with the first image that it is true of and how many more there are."""
        for text, (first, *others) in self._names.values():
            more = f" and {len(others)} more" if others else ""
            _LOG.warning("%s%s: %s", first, more, text)
        self._names.clear()
