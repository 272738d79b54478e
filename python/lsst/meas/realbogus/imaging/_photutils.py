"""Names that photutils changed in version 3; rubin-env has 2.3 and later."""

from __future__ import annotations

__all__ = ("known_keyword",)

import inspect
from collections.abc import Callable
from typing import Any


def known_keyword(function: Callable[..., Any], *names: str) -> str:
    """Return by which of its names a function knows an argument.

    Parameters
    ----------
    function
        Of the photutils that is installed.
    *names
        What the argument is called in one version or another.

    Returns
    -------
    str
        The first that the function has.

    Raises
    ------
    TypeError
        Raised if it has none of them.

    Examples
    --------
    >>> from photutils.segmentation import deblend_sources
    >>> known_keyword(deblend_sources, "n_levels", "nlevels") in ("n_levels", "nlevels")
    True
    """
    known = inspect.signature(function).parameters
    for name in names:
        if name in known:
            return name
    raise TypeError(f"{function.__name__} knows none of {', '.join(names)}")
