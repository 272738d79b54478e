"""Which version of the package runs."""

from __future__ import annotations

__all__ = ("DISTRIBUTION", "package_version")

import importlib
import importlib.metadata

DISTRIBUTION = "lsst-meas-realbogus"


def package_version() -> str:
    """Return the version of this package.

    Returns
    -------
    str
        That of the installed distribution; of a stack build, which has none, that which the build wrote;
        ``"unknown"`` for a bare checkout.
    """
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        pass
    try:
        return str(importlib.import_module("lsst.meas.realbogus.version").__version__)
    except ModuleNotFoundError:
        return "unknown"
