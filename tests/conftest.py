"""What many tests share: the folder of real data beside the checkout, and quiet defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the checkout, or skip."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real data (../shared/data) is not beside this checkout")
    return SHARED
