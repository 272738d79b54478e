"""What the middleware remembers of storage classes."""

from __future__ import annotations

import pytest
from lsst.daf.butler import StorageClassFactory, _storage_class


def forget_storage_classes(patch: pytest.MonkeyPatch) -> None:
    """Look storage classes up anew, for as long as the patch lasts.

    The middleware remembers which Python types it could import, and for good which it could not.
    """
    factory = StorageClassFactory()
    patch.setattr(_storage_class, "_derived_cache", {}, raising=False)
    patch.setattr(factory, "_storageClasses", {})
    factory.addFromConfig(_storage_class.StorageClassConfig())
