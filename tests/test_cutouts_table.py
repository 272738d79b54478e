"""The table of stamps: a schema that does not change unseen, and pixels that come back."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

import numpy as np
import pytest
from astropy.table import Table
from lsst.images import Box, Image

from lsst.meas.realbogus.cutouts import (
    ROLES,
    check_stamp_table,
    concatenate,
    extract_triplets,
    read_dia_sources,
    stamp_table,
    stamp_table_schema,
    stamps_of,
)
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.randomness import generator

N, SIZE = 7, 11


@pytest.fixture
def sources() -> Table:
    rng = generator(1, "test-stamp-table")
    x, y = rng.uniform(1000, 1060, N), rng.uniform(500, 540, N)
    return read_dia_sources({"diaSourceId": np.arange(N) + 2**50, "x": x, "y": y, "snr": np.arange(N) + 5.0})


def image(role: str, border: int) -> Image:
    box = Box.factory[500:540, 1000:1060].padded(border)
    noise = generator(2, "test-stamp-table", role).normal(0, 50, box.shape)
    noise[3, 4] = 3e6  # a star that float16 cannot hold
    return Image(noise.astype(np.float32), bbox=box)


def triplets(sources: Table, **kwargs):
    images = [image("science", 0), image("template", 20), image("difference", 0)]
    return concatenate(extract_triplets(*images, sources["x"], sources["y"], SIZE, **kwargs))


def test_schema_is_frozen() -> None:
    """A change of the schema needs a new version here and in the file, and a reader for the old one."""
    path = resources.files("lsst.meas.realbogus") / "resources" / "schemas" / "dia_source_cutouts.json"
    content = json.dumps(json.loads(path.read_text()), sort_keys=True)
    assert (stamp_table_schema().version, hashlib.sha256(content.encode()).hexdigest()[:16]) == (
        3,
        "d3d89153c8fd9174",
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("roles", [3, 2])
def test_table_has_the_schema(sources: Table, dtype: str, roles: int) -> None:
    block = triplets(sources)
    if roles == 2:
        images = [image("science", 0), image("template", 20), None]
        block = concatenate(extract_triplets(*images, sources["x"], sources["y"], SIZE))
    table = stamp_table(sources, [block], dtype=dtype)
    check_stamp_table(table)
    assert table["diaSourceId"].tolist() == sources["id"].tolist()
    assert table["science"].shape == (N, SIZE, SIZE) and table["science"].dtype == dtype
    assert ("difference" in table.colnames) == (roles == 3)
    for role in ROLES[:roles]:
        bit = 1 << ROLES.index(role)
        np.testing.assert_array_equal((table["missing"] & bit) != 0, block[role].missing)


@pytest.mark.parametrize("dtype, precision", [("float32", 0.0), ("float16", 2.0**-11)])
def test_pixels_come_back(sources: Table, dtype: str, precision: float) -> None:
    block = triplets(sources)
    table = stamp_table(sources, [block], dtype=dtype)
    for role in ROLES:
        np.testing.assert_allclose(stamps_of(table, role), block[role].pixels, rtol=precision, atol=1e-3)
        assert not np.isinf(stamps_of(table, role)).any()


@pytest.mark.parametrize("block_size", [1, 3, 100])
def test_blocks_make_no_difference(sources: Table, block_size: int) -> None:
    whole, blocks = triplets(sources), triplets(sources, block_size=block_size)
    for role in ROLES:
        np.testing.assert_array_equal(whole[role].pixels, blocks[role].pixels)
    assert blocks.rows == slice(0, N)


def test_faults_are_all_named(sources: Table) -> None:
    table = stamp_table(sources, [triplets(sources)])
    table.remove_column("science_scale")
    table["missing"] = table["missing"].astype(np.int64)
    table["template"] = table["template"][:, :5]
    with pytest.raises(InvalidCatalogError, match="different sizes.*science_scale.*missing is int64"):
        check_stamp_table(table)
    with pytest.raises(InvalidCatalogError, match="no stamps"):
        check_stamp_table(Table({"diaSourceId": [1]}))


def test_unusable_requests_are_refused(sources: Table) -> None:
    block = triplets(sources)
    with pytest.raises(InvalidInputError, match="float32 or float16"):
        stamp_table(sources, [block], dtype="int16")
    with pytest.raises(InvalidInputError, match="6 sources, but 7 stamps"):
        stamp_table(sources[:6], [block])
