"""Sets of stamps to judge by: real ones beside the checkout, and simulated ones in files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.cutouts import ROLES, open_stamp_file
from lsst.meas.realbogus.training import LabelledStamps, StampSet

ZTF_FWHM = 2.0
"""PSF FWHM of ZTF [pixel]: its packets tell the width of each detection, not that of the PSF."""
GALACTIC_NUCLEI = ("QSO", "Sy1", "AGN")
"""Classes of SIMBAD whose light varies without doubt."""


@dataclasses.dataclass(frozen=True)
class JudgedSet:
    """Stamps, what is known of them, and which of them are known for sure.

    Differences are science − template for every source. ``label`` is 1 real, 0 bogus, -1 undecided;
    ``certain`` says that the label has evidence besides a classifier's score; ``psf_fwhm`` is in pixels.
    """

    name: str
    stamps: Mapping[str, npt.NDArray[np.float32]]
    label: npt.NDArray[np.int8]
    certain: npt.NDArray[np.bool_]
    kind: npt.NDArray[np.str_]
    is_negative: npt.NDArray[np.bool_]
    snr: npt.NDArray[np.float64]
    psf_fwhm: npt.NDArray[np.float32]
    object_id: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: npt.NDArray[Any]) -> JudgedSet:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        stamps = {role: pixels[rows] for role, pixels in values.pop("stamps").items()}
        name = values.pop("name")
        return JudgedSet(name, stamps, **{key: value[rows] for key, value in values.items()})


def gaussian_fwhm(psf: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """FWHM [pixel] of the Gaussian with the noise-equivalent area of each PSF, NaN where there is none."""
    flat = psf.reshape(len(psf), -1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        area = flat.sum(1) ** 2 / (flat**2).sum(1)
    return (np.sqrt(8 * np.log(2)) * np.sqrt(area / (4 * np.pi))).astype(np.float32)


def _open(path: Path) -> tuple[dict[str, npt.NDArray[np.float32]], npt.NDArray[np.bool_], Mapping[str, Any]]:
    """Read stamps with their signs turned as the package does, and the other columns."""
    with open_stamp_file(path) as file:
        batches = list(file.batches())
    stamps = {role: np.concatenate([batch.stamps[role] for batch in batches]) for role in batches[0].stamps}
    negative = np.concatenate([batch.is_negative for batch in batches])
    with np.load(path, allow_pickle=False) as columns:
        others = {name: columns[name] for name in columns.files if name not in ROLES}
    return stamps, negative, others


def read_ztf(path: Path) -> JudgedSet:
    """Real ZTF alerts; known asteroids and TNS transients are certain."""
    stamps, negative, columns = _open(path)
    label = columns["label"].astype(np.int8)
    in_tns = columns["tns"] != ""
    certain = (label == 1) & (columns["known_sso"] | in_tns)
    kind = np.select(
        [in_tns, columns["known_sso"], label == 1, label == 0],
        ["transient", "asteroid", "real by drb", "bogus by drb or rb"],
        "undecided",
    )
    return JudgedSet(
        name="ztf",
        stamps=stamps,
        label=label,
        certain=certain,
        kind=kind,
        is_negative=negative,
        snr=1.0857 / columns["sigmapsf"],
        psf_fwhm=np.full(len(label), ZTF_FWHM, np.float32),
        object_id=np.unique(columns["objectId"], return_inverse=True)[1].astype(np.int64),
    )


def read_hsc(path: Path) -> JudgedSet:
    """Real HSC differences made by the LSST pipeline: those labelled are bogus."""
    stamps, negative, columns = _open(path)
    label = columns["label"].astype(np.int8)
    residual = np.where(columns["isDipole"], "dipole", "other residual")
    return JudgedSet(
        name="hsc",
        stamps=stamps,
        label=label,
        certain=np.zeros(len(label), bool),
        kind=np.where(label == 0, residual, "undecided"),
        is_negative=negative,
        snr=columns["snr"],
        psf_fwhm=gaussian_fwhm(columns["science_psf"]),
        object_id=np.full(len(label), -1, np.int64),
    )


def read_lsstcam(path: Path) -> JudgedSet:
    """Real LSSTCam alerts: those that SIMBAD knows as active galactic nuclei are real."""
    stamps, negative, columns = _open(path)
    nuclei = np.isin(columns["simbad"], GALACTIC_NUCLEI)
    return JudgedSet(
        name="lsstcam",
        stamps=stamps,
        label=np.where(nuclei, 1, -1).astype(np.int8),
        certain=nuclei,
        kind=np.where(columns["simbad"] == "", "unknown", columns["simbad"]),
        is_negative=negative,
        snr=columns["snr"],
        psf_fwhm=gaussian_fwhm(columns["science_psf"]),
        object_id=np.full(len(nuclei), -1, np.int64),
    )


def read_des(path: Path) -> JudgedSet:
    """Real DES stamps recovered from published figures: contrast is right, the zero of differences is not."""
    stamps, negative, columns = _open(path)
    label = (1 - columns["label_bogus"]).astype(np.int8)
    n = len(label)
    return JudgedSet(
        name="des",
        stamps=stamps,
        label=label,
        certain=np.zeros(n, bool),
        kind=np.where(label == 1, "real", "bogus"),
        is_negative=negative,
        snr=np.full(n, np.nan),
        psf_fwhm=np.full(n, np.nan, np.float32),
        object_id=np.full(n, -1, np.int64),
    )


REAL_SETS: Mapping[str, tuple[str, Callable[[Path], JudgedSet]]] = {
    "ztf": ("ztf_dev.npz", read_ztf),
    "hsc": ("hsc_cosmos.npz", read_hsc),
    "lsstcam": ("lsstcam_unlabelled.npz", read_lsstcam),
    "des": ("des_digitised_dia.npz", read_des),
}
"""File below ``stamps`` of the folder of real data, and how it is read."""


def as_judged(stamps: LabelledStamps, name: str) -> JudgedSet:
    """Simulated stamps as a set to judge by: all of their labels are certain."""
    return JudgedSet(
        name=name,
        stamps=stamps.pixels,
        label=stamps.label,
        certain=np.ones(len(stamps), bool),
        kind=np.where(stamps.kind == "", stamps.reason, stamps.kind),
        is_negative=stamps.is_negative,
        snr=stamps.snr,
        psf_fwhm=stamps.psf_fwhm,
        object_id=object_numbers(stamps),
    )


def object_numbers(stamps: LabelledStamps) -> npt.NDArray[np.int64]:
    """Number the objects of all groups, -1 for sources that no object made: ids are those of one group."""
    known = stamps.object_id >= 0
    pairs = np.stack([stamps.group, stamps.object_id], axis=1)
    numbers = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    return np.where(known, numbers, -1).astype(np.int64)


def read_simulated(path: Path) -> JudgedSet:
    """Simulated stamps, a file or a folder as `~lsst.meas.realbogus.training.StampSet` reads them."""
    return as_judged(StampSet(path).load(), path.stem)


def read_real_sets(data: Path) -> dict[str, JudgedSet]:
    """Read those sets that are there."""
    found = {name: (data / "stamps" / file, read) for name, (file, read) in REAL_SETS.items()}
    return {name: read(path) for name, (path, read) in found.items() if path.is_file()}
