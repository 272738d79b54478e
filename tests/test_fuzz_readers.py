"""Readers of files end in a table or in one of our errors, whatever happened to the bytes.

`RB_FUZZ=2000` gives each reader so many damaged files instead of a few; what fails is told as bytes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsst.daf.butler.formatters.parquet import astropy_to_arrow
from lsst.images import Box, Image, Mask, MaskedImage, MaskPlane, MaskSchema

pytest.importorskip("onnx", reason="ONNX is not installed")

from bad_input import alerts, catalogues, models, stamps, truth
from lsst.meas.realbogus.cutouts import open_stamp_file, read_alerts, read_dia_sources, read_image_file
from lsst.meas.realbogus.errors import RealBogusError
from lsst.meas.realbogus.model import Contract, Golden, import_keras, load_classifier
from lsst.meas.realbogus.model import _package as package
from lsst.meas.realbogus.tables import read_table_file, write_table_file
from lsst.meas.realbogus.training import LabelledStamps, StampSet, StampWriter, read_hand_labels
from lsst.meas.realbogus.truth import read_dc2_tables

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.onnx]
N_EXAMPLES = int(os.environ.get("RB_FUZZ", "25"))

type Read = Callable[[Path], Any]


def _stamps(path: Path) -> None:
    with open_stamp_file(path) as file:
        for _ in file.batches(3):
            pass


def _image(path: Path) -> None:
    found = read_image_file(path)
    np.nansum(found.image.array)
    if found.projection is not None:
        found.projection.pixel_to_sky(x=np.array([1.0]), y=np.array([2.0]))


def _model(path: Path) -> None:
    load_classifier(path.read_bytes())
    package._load.cache_clear()


def _member(name: str) -> Read:
    """Load a model with a damaged member, its hashes made right again."""

    def read(path: Path) -> None:
        parts = models.members() | {name: path.read_bytes()}
        changed = parts if name == "contract.json" else models.rehashed(parts)
        load_classifier(models.write_members(changed))
        package._load.cache_clear()

    return read


def _good_alerts(path: Path) -> None:
    path.write_bytes(
        alerts.written(alerts.schema(), [alerts.record()] * 2, "deflate" if path.stem == "x" else "null")
    )


def _good_npz(path: Path) -> None:
    np.savez(path, **stamps.arrays(isNegative=np.array(["t", "f", "t", "f"])))


def _good_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(astropy_to_arrow(Table(stamps.arrays())), path)


def _good_cubes(path: Path) -> None:
    cubes = [fits.ImageHDU(np.ones((4, 5, 5), np.float32), name=role) for role in stamps.ROLES]
    fits.HDUList([fits.PrimaryHDU(), *cubes, fits.BinTableHDU(Table({"diaSourceId": range(4)}))]).writeto(
        path
    )


def _good_set(path: Path) -> None:
    pixels = {role: np.ones((4, 5, 5), np.float32) for role in stamps.ROLES}
    with StampWriter(path) as writer:
        writer.write(LabelledStamps(pixels, np.array([0, 1, 0, 1], np.int8), is_negative=np.zeros(4, bool)))


def _good_table(path: Path) -> None:
    write_table_file(Table(catalogues.columns(word=["a", "<script>", ""])), path)


def _good_image(path: Path) -> None:
    header = fits.Header(
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 9.0, "CD1_1": -5e-5, "CD2_2": 5e-5}
    )
    fits.PrimaryHDU(np.ones((20, 20), np.float32), header).writeto(path)


def _good_tiles(path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.ones((20, 20), np.float32))]).writeto(path)


def _good_native(path: Path) -> None:
    box = Box.factory[0:20, 0:20]
    mask = Mask(0, schema=MaskSchema([MaskPlane("BAD", "bad")]), bbox=box)
    MaskedImage(Image(np.ones((20, 20), np.float32), bbox=box), mask=mask).write(str(path))


def _good_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE truth_summary (id text, ra real, dec real, host_galaxy int, flux_r real)"
        )
        connection.executemany(
            "INSERT INTO truth_summary VALUES (?, 1.0, 2.0, 3, 4.0)", [(str(i),) for i in range(20)]
        )
    connection.close()


def _good_labels(path: Path) -> None:
    path.write_text('diaSourceId,label,note\n1,1,x\n2,0,\n3,-1,"a,b"\n')


def _good_member(name: str) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(models.members()[name])


def _good_keras(path: Path) -> None:
    def weights(file: Any) -> None:
        file["layers/dense/vars/0"] = np.ones((162, 1), np.float32)
        file["layers/dense/vars/1"] = np.ones(1, np.float32)

    path.write_bytes(models.keras_file(models.keras_config(models.FLATTEN, models.DENSE), weights))


READERS: Mapping[str, tuple[str, Callable[[Path], Any], Read]] = {
    "alerts": ("plain.avro", _good_alerts, lambda path: list(read_alerts(path))),
    "deflated alerts": ("x.avro", _good_alerts, lambda path: list(read_alerts(path))),
    "stamps in npz": ("x.npz", _good_npz, _stamps),
    "stamps in parquet": ("x.parquet", _good_parquet, _stamps),
    "stamps in FITS": ("x.fits", _good_cubes, _stamps),
    "a set of stamps": ("x.parquet", _good_set, lambda path: StampSet(path).load()),
    **{
        f"a catalogue in {ending}": (
            f"x.{ending}",
            _good_table,
            lambda path: read_dia_sources(read_table_file(path), name=path.name),
        )
        for ending in ("fits", "parquet", "ecsv", "csv")
    },
    "an image": ("x.fits", _good_image, _image),
    "an image in tiles": ("x.fits", _good_tiles, _image),
    "an image of lsst.images": ("x.fits", _good_native, _image),
    "DC2's truth in a database": ("x.db", _good_database, lambda path: read_dc2_tables(summaries=[path])),
    "DC2's truth in csv": (
        "x.csv",
        lambda path: write_table_file(Table(truth.CURVES), path),
        lambda path: read_dc2_tables({7}, variability=[path]),
    ),
    "DC2's truth in parquet": (
        "x.parquet",
        lambda path: write_table_file(Table(truth.CURVES), path),
        lambda path: read_dc2_tables({7}, variability=[path]),
    ),
    "labels by hand": ("x.csv", _good_labels, read_hand_labels),
    "a model": ("x.rbmodel", lambda path: path.write_bytes(models._content()), _model),
    **{
        f"{name} of a model": (name, _good_member(name), _member(name))
        for name in ("contract.json", "weights.h5", "graph.onnx", "golden.npz")
    },
    "a Keras file": (
        "x.h5",
        _good_keras,
        lambda path: import_keras(path.read_bytes(), models.bare_contract()),
    ),
}
"""By what is read: name of the file, what writes a good one, and what reads it."""


@functools.cache
def _good(kind: str) -> bytes:
    """Return a good file; it is read, so that damage and not the file is to blame."""
    name, write, read = READERS[kind]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / name
        write(path)
        read(path)
        return path.read_bytes()


type Edit = tuple[str, float, bytes]
SPECIAL = [
    b"\xff" * 8,
    b"\0" * 8,
    b"\x7f" + b"\xff" * 7,
    b"99999999",
    b"-1      ",
    b"nan,inf,",
    b"\n",
    b'"',
    b"{",
    b"[",
]
EDITS: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "cut"]),
        # Headers are at the start, indices at the end.
        st.one_of(st.floats(0, 1), st.floats(0, 0.05), st.floats(0.95, 1)),
        st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(SPECIAL)),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, edits: list[Edit]) -> bytes:
    """Alter, put in and take away bytes, or cut a file off."""
    out = bytearray(content)
    for what, where, piece in edits:
        at = int(where * len(out))
        match what:
            case "set":
                out[at : at + len(piece)] = piece
            case "insert":
                out[at:at] = piece
            case "delete":
                del out[at : at + 4 * len(piece)]
            case "cut":
                del out[at:]
    return bytes(out)


def _try(kind: str, content: bytes) -> None:
    name, _, read = READERS[kind]
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(RealBogusError):
        path = Path(folder) / name
        path.write_bytes(content)
        read(path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_damaged_files_are_refused_or_read(kind: str) -> None:
    @settings(
        max_examples=N_EXAMPLES,
        deadline=None,
        derandomize="RB_FUZZ" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(edits=EDITS)
    def check(edits: list[Edit]) -> None:
        _try(kind, damaged(_good(kind), edits))

    check()


@pytest.mark.parametrize("kind", READERS)
def test_files_of_chance_are_refused_or_read(kind: str) -> None:
    @settings(max_examples=max(5, N_EXAMPLES // 10), deadline=None, derandomize=True, database=None)
    @given(content=st.binary(max_size=200))
    def check(content: bytes) -> None:
        _try(kind, content)

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=2 * N_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_contracts_with_any_value_anywhere_are_refused_or_read(data: st.DataObject) -> None:
    contract = json.loads(models.members()["contract.json"])
    place: Any = contract
    while isinstance(place, dict | list) and place:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    with contextlib.suppress(RealBogusError):
        Contract.from_json(json.dumps(contract))


@settings(max_examples=2 * N_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_golden_arrays_of_any_shape_and_type_are_refused_or_read(data: st.DataObject) -> None:
    from hypothesis.extra import numpy as hnp

    dtypes = st.one_of(hnp.scalar_dtypes(), hnp.unicode_string_dtypes(), hnp.byte_string_dtypes())
    shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
    name = data.draw(st.sampled_from(["science", "template", "score", "is_negative", "psf_fwhm"]))
    array = data.draw(hnp.arrays(data.draw(dtypes), data.draw(shapes)))
    parts = models.arrays(**{name: array})(models.members())
    with contextlib.suppress(RealBogusError):
        Golden.from_bytes(parts["golden.npz"])
