"""Stamp files of any shape and type."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from astropy.io import fits
from astropy.table import Table
from lsst.daf.butler.formatters.parquet import astropy_to_arrow

from lsst.meas.realbogus.cutouts import open_stamp_file
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.training import StampSet, read_labelled_stamps

from ._case import Act, Cases

N = 4
ROLES = ("science", "template", "difference")


def arrays(**changes: Any) -> dict[str, Any]:
    """Return the arrays of a sound file, or changed; None takes one away."""
    sound = {"id": np.arange(N), **{role: np.ones((N, 5, 5), np.float32) for role in ROLES}}
    return {name: array for name, array in (sound | changes).items() if array is not None}


def read_all(path: Path, **options: Any) -> Any:
    """Read a file to the end; return identifiers, signs and the shape of the stamps."""
    with open_stamp_file(path, **options) as file:
        batches = list(file.batches())
    ids = [int(i) for batch in batches for i in batch.ids]
    shapes = {tuple(stamp.shape[1:]) for batch in batches for stamp in batch.stamps.values()}
    return ids, [bool(s) for batch in batches for s in batch.is_negative], sorted(shapes)


def npz(**changes: Any) -> Act:
    def act(folder: Path) -> Any:
        np.savez(folder / "x.npz", **arrays(**changes))
        return read_all(folder / "x.npz")

    return act


def parquet(**changes: Any) -> Act:
    def act(folder: Path) -> Any:
        pyarrow.parquet.write_table(astropy_to_arrow(Table(arrays(**changes))), folder / "x.parquet")
        return read_all(folder / "x.parquet")

    return act


def arrow(table: Callable[[], pyarrow.Table]) -> Act:
    def act(folder: Path) -> Any:
        pyarrow.parquet.write_table(table(), folder / "x.parquet")
        return read_all(folder / "x.parquet")

    return act


def file(name: str, content: bytes | Callable[[], bytes]) -> Act:
    def act(folder: Path) -> Any:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content())
        return read_all(folder / name)

    return act


def cubes(*hdus: Any) -> Act:
    def act(folder: Path) -> Any:
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / "x.fits")
        return read_all(folder / "x.fits")

    return act


def labelled(**changes: Any) -> Act:
    def act(folder: Path) -> Any:
        np.savez(folder / "x.npz", **arrays(label=np.arange(N) % 2) | changes)
        return [len(stamps) for stamps in read_labelled_stamps(folder / "x.npz")]

    return act


def stamp_set(content: bytes | None) -> Act:
    def act(folder: Path) -> Any:
        if content is not None:
            (folder / "x.parquet").write_bytes(content)
        return len(StampSet(folder))

    return act


def saved(**given: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **given)
    return buffer.getvalue()


def with_header(descr: Any, shape: tuple[int, ...], content: bytes = b"") -> bytes:
    """Return an npz file whose science array has any header."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    buffer = io.BytesIO(saved(**arrays(science=None)))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("science.npy", header.getvalue() + content)
    return buffer.getvalue()


def lists(lengths: list[int]) -> pyarrow.Table:
    return pyarrow.table({"id": range(len(lengths)), "science": [[1.0] * n for n in lengths]})


def shaped(note: str) -> pyarrow.Table:
    table = astropy_to_arrow(Table(arrays()))
    return table.replace_schema_metadata(
        {**table.schema.metadata, b"lsst::arrow::shape::science": note.encode()}
    )


SOUND = [0, 1, 2, 3], [False] * N, [(5, 5)]
_cases = Cases()
_refused: list[tuple[str, Act, type[Exception], str]] = [
    ("a file of another kind", file("x.txt", b"hello"), InvalidInputError, "not a stamp file; known are .npz"),
    ("a file that is not there", lambda folder: read_all(folder / "no.npz"), InvalidInputError, "no such file"),
    ("an empty npz", file("x.npz", b""), InvalidInputError, "cannot be read as stamps"),
    ("text called npz", file("x.npz", b"hello"), InvalidInputError, "cannot be read as stamps"),
    ("half an npz", file("x.npz", lambda: saved(**arrays())[:900]), InvalidInputError, "cannot be read as stamps"),
    ("an npz with a byte altered", file("x.npz", lambda: saved(**arrays()).replace(b"\0\0\x80\x3f", b"\0\0\x81\x3f", 1)), InvalidInputError, "Bad CRC-32"),
    ("an npz of nothing", lambda folder: (np.savez(folder / "x.npz"), read_all(folder / "x.npz")), InvalidInputError, "no stamps: none of science, template, difference"),
    ("stamps by other names", npz(science=None, template=None, difference=None, image=np.ones((N, 5, 5))), InvalidInputError, "no stamps: none of"),
    ("stamps of two axes", npz(science=np.ones((5, 5))), InvalidInputError, "must have shape (n, height, width), not (5, 5)"),
    ("stamps of four axes", npz(science=np.ones((N, 5, 5, 2))), InvalidInputError, "must have shape (n, height, width)"),
    ("stamps without an axis", npz(science=np.float32(3)), InvalidInputError, "must have shape (n, height, width), not ()"),
    ("stamps of no pixels", npz(science=np.ones((N, 0, 5))), InvalidInputError, "science has stamps of 0 x 5 pixels"),
    ("fewer templates than science stamps", npz(template=np.ones((2, 5, 5))), InvalidInputError, "different numbers of stamps"),
    ("fewer identifiers than stamps", npz(id=np.arange(2)), InvalidInputError, "id has shape (2,) for 4 stamps"),
    ("stamps of complex numbers", npz(science=np.ones((N, 5, 5), complex)), InvalidInputError, "science must be numbers, not complex128"),
    ("stamps of text", npz(science=np.full((N, 5, 5), "x")), InvalidInputError, "science must be numbers, not <U1"),
    ("stamps of times", npz(science=np.ones((N, 5, 5), "M8[s]")), InvalidInputError, "science must be numbers, not datetime64[s]"),
    ("stamps of Python objects (a pickle)", npz(science=np.full((N, 5, 5), print, object)), InvalidInputError, "science holds Python objects"),
    ("identifiers that are Python objects", npz(id=np.array([1, "a", None, print], object)), InvalidInputError, "id holds Python objects"),
    ("identifiers 0.5", npz(id=np.arange(N) + 0.5), InvalidCatalogError, "id must be of integers"),
    ("identifiers NaN", npz(id=np.full(N, np.nan)), InvalidCatalogError, "id is missing (rows 0, 1, 2, 3)"),
    ("identifiers beyond 2⁶³", npz(id=np.full(N, 2**63, np.uint64)), InvalidCatalogError, "id does not fit int64"),
    ("signs that are none", npz(isNegative=np.array(["maybe"] * N)), InvalidCatalogError, "isNegative is neither yes nor no: 'maybe'"),
    ("signs of two columns", npz(isNegative=np.zeros((N, 2), bool)), InvalidCatalogError, "values of isNegative for 4 sources"),
    ("scales of another shape", npz(science_scale=np.ones((N, 2))), InvalidInputError, "science_scale has shape (4, 2); it must have (4,)"),
    ("scales of text", npz(science_scale=np.full(N, "x")), InvalidInputError, "science_scale must be numbers, not <U1"),
    ("missing pixels of another shape", npz(missing=np.zeros((N, 3, 3), np.uint8)), InvalidInputError, "missing has shape (4, 3, 3); it must have (4, 5, 5)"),
    ("missing pixels as numbers with a point", npz(missing=np.zeros((N, 5, 5))), InvalidInputError, "missing must be integers, not float64"),
    ("a sign of differences that is none", lambda folder: (np.savez(folder / "x.npz", **arrays()), read_all(folder / "x.npz", difference_sign="up")), InvalidInputError, "the sign of differences must be one of"),
    ("an empty parquet file", file("x.parquet", b""), InvalidInputError, "cannot be read as stamps"),
    ("half a parquet file", file("x.parquet", b"PAR1" + bytes(100)), InvalidInputError, "cannot be read as stamps"),
    ("lists of different lengths", arrow(lambda: lists([25, 24, 25])), InvalidInputError, "science must have shape (n, height, width)"),
    ("a noted shape that is no shape", arrow(lambda: shaped("hello")), InvalidInputError, "cannot be read as stamps"),
    ("a noted shape of other pixels", arrow(lambda: shaped("(7, 7)")), InvalidInputError, "cannot be read as stamps"),
    ("a noted shape below 0", arrow(lambda: shaped("(-1, 5)")), InvalidInputError, "must have shape (n, height, width)"),
    ("cubes by other names", cubes(fits.ImageHDU(np.ones((N, 5, 5)), name="image")), InvalidInputError, "no stamps: none of"),
    ("text called FITS", file("x.fits", b"hello"), InvalidInputError, "cannot be read as stamps"),
    ("text called FITS and gzip", file("x.fits.gz", b"hello"), InvalidInputError, "cannot be read as stamps"),
    ("no labels", labelled(label=None), InvalidInputError, "the stamps have no labels"),
    ("labels of text", labelled(label=np.array(["real"] * N)), InvalidCatalogError, "label must be of integers"),
    ("labels 0.7", labelled(label=np.full(N, 0.7)), InvalidCatalogError, "label must be of integers"),
    ("labels of two columns", labelled(label=np.zeros((N, 2), int)), InvalidInputError, "there is no column label"),
    ("a set of no files", stamp_set(None), InvalidInputError, "there is no .parquet or .npz file"),
    ("a set of a damaged file", stamp_set(b"PAR1PAR1"), InvalidInputError, "cannot be read as stamps"),
    ("a set of stamps of another make", stamp_set(b""), InvalidInputError, "cannot be read as stamps"),
]  # fmt: skip


def unknown_extension() -> bytes:
    buffer = io.BytesIO()
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(np.ones((N, 5, 5)), name="science"),
        fits.BinTableHDU(Table({"id": range(N)})),
    ]
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue().replace(b"'BINTABLE'", b"'BINTAXLE'")


for _given, _act, _error, _says in _refused:
    _cases.refused(_given, _act, _error, _says)
_cases.taken(
    "big-endian stamps",
    npz(science=np.ones((N, 5, 5), ">f4"), id=np.arange(N, dtype=">i8")),
    "they are read",
    SOUND,
)
_cases.taken(
    "stamps of whole numbers", npz(science=np.ones((N, 5, 5), np.int16)), "they are read as float32", SOUND
)
_cases.taken("stamps of yes and no", npz(science=np.ones((N, 5, 5), bool)), "they are read as float32", SOUND)
_cases.taken(
    "stamps in Fortran's order", npz(science=np.asfortranarray(np.ones((N, 5, 5)))), "they are read", SOUND
)
_cases.taken(
    "no stamps in arrays of the right shape",
    npz(**{name: array[:0] for name, array in arrays().items()}),
    "nothing is read",
    ([], [], []),
)
_cases.taken(
    "no stamps in a parquet file",
    parquet(**{name: array[:0] for name, array in arrays().items()}),
    "nothing is read",
    ([], [], []),
)
_cases.taken("labels of NaN", labelled(label=np.full(N, np.nan)), "no stamp has a label", [0])
_cases.taken(
    "a FITS extension of an unknown kind",
    file("x.fits", lambda: unknown_extension()),
    "it is passed over",
    SOUND,
)
_cases.taken(
    "identifiers twice", npz(id=np.zeros(N, int)), "every stamp is read", ([0] * N, [False] * N, [(5, 5)])
)
_cases.taken("identifiers as text", npz(id=np.array(["0", "1", "2", "3"])), "they are read exactly", SOUND)
_cases.taken(
    "stamps of different sizes by image",
    npz(template=np.ones((N, 7, 9))),
    "each image keeps its own",
    ([0, 1, 2, 3], [False] * N, [(5, 5), (7, 9)]),
)
_cases.refused(
    "stamps of 10⁶ × 10⁶ pixels",
    file("x.npz", lambda: with_header("<f4", (N, 10**6, 10**6))),
    InvalidInputError,
    "science has stamps of 1000000 x 1000000 pixels; there may be",
    bomb=True,
)
_cases.refused(
    "stamps of 5,000 × 5,000 zeros, deflated",
    file("x.npz", lambda: with_header("<f4", (N, 5000, 5000), bytes(4 * N * 5000**2))),
    InvalidInputError,
    "science has stamps of 5000 x 5000 pixels; there may be",
    bomb=True,
)
_cases.refused(
    "a gzip bomb called FITS",
    file("x.fits.gz", lambda: gzip.compress(bytes(300_000_000), 1)),
    InvalidInputError,
    "would grow to more than 268435456",
    bomb=True,
)

TABLE = _cases.table(
    "Stamp files",
    "`realbogus score`, `realbogus train`, `cutouts.open_stamp_file`, `training.read_labelled_stamps`",
)
