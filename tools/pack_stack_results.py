"""Pack results of the real tasks of the Science Pipelines into tests/data/stack.

    python tools/pack_stack_results.py FOLDER

FOLDER has images, injection, diffim, match, reliability and butler, as tests/data/stack/README.md says.
Pixels of exposures are unpacked and their archives of afw objects, which only afw can read, left out: equal
pixels of images then compress once. What tests do not read is left out.

``results.tar.xz`` has the files, ``repository.tar.xz`` the repository that the stack wrote, with afw objects.
Where the pixels of its exposures are those of files, they are zeros there; `judging.stored` puts them back.
"""

from __future__ import annotations

import argparse
import io
import lzma
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from lsst.daf.butler import Butler

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from judging.stored import stored_planes

OUTPUT = Path(__file__).parents[1] / "tests" / "data" / "stack"
EXPOSURES = (
    "images/science*.fits",
    "images/template*.fits",
    "injection/injected_*.fits",
    "diffim/difference.fits",
    "diffim/difference_43.fits",
)
FILES = (
    "images/psf_stamps*.npz",
    "injection/*.ecsv",
    "injection/*.parquet",
    "injection/gain_map*.json",
    "injection/psf_at_sources*.npz",
    "diffim/dia_source*.parquet",
    "diffim/dia_source_unstandardized*.fits",
    "match/matched_trim0*.ecsv",
    "reliability/*",
)
LEFT_OUT = ("_noschema.parquet",)
UNREAD = (("template_detector_masked", ""),)
UNREAD_OF_STACK = (("template_matched", "instrument = 'OracleCam' AND visit = 42"),)
FITS_BLOCK = 2880
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 26}]


def copy_exposure(source: Path, target: Path) -> None:
    """Write the planes of an afw exposure without compression, headers as they are."""
    with fits.open(source) as hdus:
        planes = [
            fits.ImageHDU(hdu.data, header=hdu.header, name=hdu.name)
            for hdu in hdus[1:]
            if isinstance(hdu, fits.CompImageHDU | fits.ImageHDU)
        ]
        fits.HDUList([fits.PrimaryHDU(header=hdus[0].header), *planes]).writeto(target)


def copy_repository(source: Path, target: Path) -> None:
    """Copy the repository of native datasets without those that are not read."""
    with tempfile.TemporaryDirectory() as folder:
        root = unpack_repository(source, Path(folder), UNREAD)
        with tarfile.open(target, "w") as archive:
            archive.add(root, root.name, filter=_anonymous)


def unpack_repository(source: Path, folder: Path, unread: tuple[tuple[str, str], ...]) -> Path:
    """Unpack a repository, and prune datasets: names of their types and which of them."""
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    root = folder / source.name.partition(".")[0]
    with Butler.from_config(root, writeable=True) as butler:
        refs = [
            ref for name, where in unread for ref in butler.query_datasets(name, "oracle/run", where=where)
        ]
        butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)
    return root


def pack_repository(source: Path) -> bytes:
    """Pack the repository that the stack wrote, pixels that files have as zeros."""
    with tempfile.TemporaryDirectory() as folder:
        root = unpack_repository(source, Path(folder), UNREAD_OF_STACK)
        with sqlite3.connect(root / "gen3.sqlite3") as database:
            for path in root.rglob("*.fits"):
                path.write_bytes(_plain_planes(path, with_pixels=stored_planes(path) is None))
                database.execute(
                    "UPDATE file_datastore_records SET file_size = ? WHERE path = ?",
                    (path.stat().st_size, str(path.relative_to(root))),
                )
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as archive:
            archive.add(root, root.name, filter=_anonymous)
        return lzma.compress(plain.getvalue(), filters=_FILTERS)


def _plain_planes(path: Path, *, with_pixels: bool) -> bytes:
    """Return a FITS file with its compressed images unpacked, everything else as it is."""
    raw, parts = path.read_bytes(), []
    with fits.open(path) as hdus:
        for hdu in hdus:
            if isinstance(hdu, fits.CompImageHDU):
                pixels = hdu.data if with_pixels else np.zeros_like(hdu.data)
                alone = io.BytesIO()
                plane = fits.ImageHDU(pixels, header=hdu.header, name=hdu.name)
                fits.HDUList([fits.PrimaryHDU(), plane]).writeto(alone)
                parts.append(alone.getvalue()[FITS_BLOCK:])
            else:
                place = hdu.fileinfo()
                parts.append(raw[place["hdrLoc"] : place["datLoc"] + place["datSpan"]])
    return b"".join(parts)


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    return info.replace(uid=0, gid=0, uname="", gname="", mtime=0, deep=False)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of the results")
    source = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "stack"
        for patterns, copy in ((EXPOSURES, copy_exposure), (FILES, shutil.copyfile)):
            for path in (path for pattern in patterns for path in sorted(source.glob(pattern))):
                if not path.name.endswith(LEFT_OUT):
                    target = root / path.relative_to(source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    copy(path, target)
        (root / "butler").mkdir()
        copy_repository(source / "butler" / "native_repo.tar.gz", root / "butler" / "native_repo.tar")
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as archive:
            archive.add(root, "stack", filter=_anonymous)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "results.tar.xz").write_bytes(lzma.compress(plain.getvalue(), filters=_FILTERS))
    (OUTPUT / "repository.tar.xz").write_bytes(pack_repository(source / "butler" / "repo.tar.gz"))


if __name__ == "__main__":
    main()
