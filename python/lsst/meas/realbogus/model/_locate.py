"""Find a model: one that comes with the package, a file, or any URI that `lsst.resources` knows."""

from __future__ import annotations

__all__ = ("PACKAGE_SCHEME", "packaged_models", "read_model_file")

import importlib.resources
import os
from importlib.resources.abc import Traversable

from ..errors import InvalidInputError, ModelNotFoundError

PACKAGE_SCHEME = "package:"
SUFFIX = ".rbmodel"


def packaged_models() -> dict[str, Traversable]:
    """Return the models that come with the package, by ``NAME-VERSION``.

    Returns
    -------
    dict
        File by ``NAME-VERSION``.
    """
    folder = importlib.resources.files("lsst.meas.realbogus") / "resources" / "models"
    if not folder.is_dir():
        return {}
    files = (file for file in folder.iterdir() if file.name.endswith(SUFFIX))
    return {file.name.removesuffix(SUFFIX): file for file in sorted(files, key=lambda file: file.name)}


def read_model_file(uri: str | os.PathLike[str]) -> bytes:
    """Read a model file.

    Parameters
    ----------
    uri
        ``package:NAME`` (its highest version), ``package:NAME-VERSION``, a path, or a URI.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    ModelNotFoundError
        Raised if there is none; the message lists those that there are.
    """
    uri = os.fspath(uri)
    if not uri:
        raise InvalidInputError("a model needs a name, a path or a URI; got an empty one")
    if uri.startswith(PACKAGE_SCHEME):
        return _read_packaged(uri.removeprefix(PACKAGE_SCHEME))
    from lsst.resources import ResourcePath

    path = ResourcePath(uri, forceDirectory=False)
    try:
        return path.read()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ModelNotFoundError(f"there is no model at {uri}; {_what_there_is()}") from error


def _read_packaged(name: str) -> bytes:
    models = packaged_models()
    versions = [key for key in models if key == name or key.rpartition("-")[0] == name]
    if not versions:
        raise ModelNotFoundError(f"no model called {name!r} comes with the package; {_what_there_is()}")
    return models[max(versions, key=_version_order)].read_bytes()


def _version_order(key: str) -> tuple[int, ...]:
    numbers = key.rpartition("-")[2].split(".")
    return tuple(int(number) if number.isdigit() else -1 for number in numbers)


def _what_there_is() -> str:
    models = sorted(packaged_models())
    names = ", ".join(PACKAGE_SCHEME + name for name in models) or "none"
    return f"models that come with the package: {names}"
