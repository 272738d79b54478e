"""Pack results of the real tasks of the Science Pipelines into tests/data/stack/results.tar.xz.

    python tools/pack_stack_results.py FOLDER

FOLDER has images, injection, diffim, match, reliability and butler, as tests/data/stack/README.md says.
Pixels of exposures are unpacked and their archives of afw objects, which only afw can read, left out: equal
pixels of images then compress once. What tests do not read is left out.
"""

from __future__ import annotations

import argparse
import io
import lzma
import shutil
import tarfile
import tempfile
from pathlib import Path

from astropy.io import fits
from lsst.daf.butler import Butler

OUTPUT = Path(__file__).parents[1] / "tests" / "data" / "stack" / "results.tar.xz"
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
UNREAD_DATASETS = ("template_detector_masked",)
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
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
        root = Path(folder) / "native_repo"
        with Butler.from_config(root, writeable=True) as butler:
            refs = [ref for name in UNREAD_DATASETS for ref in butler.query_datasets(name, "oracle/run")]
            butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)
        with tarfile.open(target, "w") as archive:
            archive.add(root, "native_repo", filter=_anonymous)


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
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(lzma.compress(plain.getvalue(), filters=_FILTERS))
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
