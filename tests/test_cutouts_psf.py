"""The width of the PSF: measured right on images of it, and found wherever stamps come from."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fastavro
import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from lsst.images import Box, Image
from lsst.images.psfs import GaussianPointSpreadFunction

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.cutouts import (
    check_stamp_table,
    extract_triplets,
    open_stamp_file,
    psf_fwhm,
    psf_fwhm_at,
    read_alerts,
    read_dia_sources,
    stamp_batch,
    stamp_table,
)
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import load_classifier, score_stamps, unfamiliar
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.survey._psf import PsfField, make_psf

Stamps = dict[str, npt.NDArray[np.float32]]
ROLES = ("science", "template", "difference")
FWHM = np.array([2.0, 3.5, 5.0, 6.5])


def gaussian(fwhm: float, size: int = 41, axis_ratio: float = 1.0) -> npt.NDArray[np.float64]:
    row, column = np.mgrid[:size, :size] - size // 2
    square = row**2 * axis_ratio + column**2 / axis_ratio
    return np.exp(-4 * np.log(2) * square / fwhm**2)


def moffat(fwhm: float, beta: float, size: int = 61) -> npt.NDArray[np.float64]:
    square = np.sum((np.mgrid[:size, :size] - size // 2) ** 2, axis=0)
    return (1 + (2 ** (1 / beta) - 1) * square / (fwhm / 2) ** 2) ** -beta


@pytest.mark.parametrize("fwhm", [1.2, 1.6, 2.0, 3.7, 7.0])
@pytest.mark.parametrize("size", [41, 40, 25])
def test_the_width_of_a_gaussian_is_exact(fwhm: float, size: int) -> None:
    images = np.stack([gaussian(fwhm, size), 1e-7 * gaussian(fwhm, size)])
    np.testing.assert_allclose(psf_fwhm(images), fwhm, rtol=1e-5)


@pytest.mark.parametrize("fwhm", [1.6, 3.0, 6.0])
def test_the_width_does_not_hang_on_wings_or_elongation(fwhm: float) -> None:
    np.testing.assert_allclose(psf_fwhm([moffat(fwhm, 2.5), moffat(fwhm, 4)]), fwhm, rtol=0.04)
    np.testing.assert_allclose(psf_fwhm([gaussian(fwhm, axis_ratio=1.2)]), fwhm, rtol=0.04)


def test_the_width_of_a_ring_is_the_outer_one() -> None:
    radius = np.sqrt(np.sum((np.mgrid[:41, :41] - 20) ** 2, axis=0))
    np.testing.assert_allclose(psf_fwhm([((radius > 3.4) & (radius < 8.5)).astype(float)]), 17, rtol=0.05)


def test_images_without_a_width_have_none() -> None:
    flat, empty = np.ones((41, 41)), np.zeros((41, 41))
    damaged, negative = gaussian(3), -gaussian(3)
    damaged[3, 20] = np.nan
    assert np.isnan(psf_fwhm([flat, empty, damaged, negative])).all()
    assert np.isnan(psf_fwhm(np.ones((2, 1, 1)))).all() and psf_fwhm(np.ones((0, 5, 5))).shape == (0,)
    with pytest.raises(InvalidInputError, match=r"\(n, h, w\)"):
        psf_fwhm(gaussian(3))


@pytest.fixture(scope="module")
def varying() -> Any:
    """A PSF that grows from 2.5 to 4.3 pixels over a detector."""
    coefficients = np.zeros((3, 6))
    coefficients[0] = [2.0, 0.5, 0.2, 0.05, 0.0, -0.05]
    coefficients[1, 0] = 0.04
    return make_psf(PsfField(3.0, coefficients, 1500.0), (900.0, 1000.0), Box.factory[0:2000, 0:1800])


def test_the_width_at_positions_is_that_of_the_psf_there(varying: Any) -> None:
    rng = generator(1, "test-psf-at")
    x, y = rng.uniform(0, 1799, 12), rng.uniform(0, 1999, 12)
    images = [varying.compute_kernel_image(x=a, y=b).array for a, b in zip(x, y, strict=True)]
    found, expected = psf_fwhm_at(varying, x, y), psf_fwhm(images)
    assert np.ptp(expected) > 0.8
    np.testing.assert_allclose(found, expected, rtol=0.015)
    alone = [psf_fwhm_at(varying, [a], [b])[0] for a, b in zip(x, y, strict=True)]
    np.testing.assert_array_equal(alone, found)
    outside = psf_fwhm_at(varying, [-50.0, np.nan], [700.0, 3.0])
    np.testing.assert_allclose(outside[0], psf_fwhm_at(varying, [0.0], [700.0])[0])
    assert np.isnan(outside[1])


class Broken(GaussianPointSpreadFunction):
    """A PSF without a value on one side of the detector, or anywhere."""

    limit = 100.0

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        if x > self.limit:
            raise RuntimeError("no PSF here")
        return super().compute_kernel_image(x=x, y=y)


def test_a_psf_with_gaps_is_continued_and_one_that_is_not_known_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    psf = Broken(sigma=1.5, bounds=Box.factory[0:200, 0:200], stamp_size=25)
    np.testing.assert_allclose(psf_fwhm_at(psf, [20, 190], [20, 190]), 2.3548 * 1.5, rtol=1e-3)
    assert not caplog.records
    psf.limit = -1.0
    for science in (psf, np.zeros((9, 9)), SimpleNamespace(get=lambda **_: None), None):
        caplog.clear()
        assert np.isnan(psf_fwhm_at(science, [20, 190], [20, 190])).all()
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "PSF of the science image is not known" in caplog.text


def stamps(n: int, size: int = 31) -> Stamps:
    rng = generator(2, "test-psf-stamps", n, size)
    return {role: rng.normal(100, 10, (n, size, size)).astype(np.float32) for role in ROLES}


def read_widths(path: Path, **options: Any) -> npt.NDArray[np.float32] | None:
    with open_stamp_file(path) as file:
        (batch,) = file.batches(**options)
    return batch.psf_fwhm


@pytest.mark.parametrize("name", ["psf_fwhm", "psfFwhm"])
def test_stamp_files_tell_the_width(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "s.npz", **stamps(4), **{name: [*FWHM[:3], np.nan]}, fwhm=9 * FWHM)
    np.testing.assert_allclose(read_widths(tmp_path / "s.npz"), [*FWHM[:3], np.nan])
    assert read_widths(tmp_path / "s.npz", psf=False) is None


def test_stamp_files_show_the_psf(tmp_path: Path) -> None:
    psf = np.stack([gaussian(fwhm, 25) for fwhm in FWHM]).astype(np.float32)
    np.savez(tmp_path / "s.npz", **stamps(4), science_psf=psf)
    np.testing.assert_allclose(read_widths(tmp_path / "s.npz"), FWHM, rtol=1e-4)
    hdus = [fits.ImageHDU(cube, name=name) for name, cube in {**stamps(4), "science_psf": psf}.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "s.fits")
    np.testing.assert_allclose(read_widths(tmp_path / "s.fits"), FWHM, rtol=1e-4)
    np.savez(tmp_path / "short.npz", **stamps(4), science_psf=psf[:3])
    with pytest.raises(InvalidInputError, match="science_psf has shape"):
        read_widths(tmp_path / "short.npz")


@pytest.mark.parametrize(
    ("scale", "found"), [([0.2, 0.2, 0.3, np.nan], 0.2), ([np.nan] * 4, None), (0.2, None)]
)
def test_stamp_files_tell_the_pixel_scale(tmp_path: Path, scale: object, found: float | None) -> None:
    np.savez(tmp_path / "s.npz", **stamps(4), pixel_scale=scale)
    with open_stamp_file(tmp_path / "s.npz") as file:
        (batch,) = file.batches()
    assert batch.pixel_scale == found


def test_the_psfs_of_real_stamps_have_a_width(shared_data: Path) -> None:
    """LSSTCam in its first months, out of focus at times: 0.7 to 2.7 arcsec."""
    widths = read_widths(shared_data / "stamps" / "lsstcam_unlabelled.npz")
    assert widths is not None and len(widths) == 130
    assert ((widths > 3) & (widths < 14)).all()


def test_the_width_of_a_source_is_not_that_of_the_psf(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **stamps(4), fwhm=FWHM)
    assert read_widths(tmp_path / "s.npz") is None


def stored(**options: Any) -> Table:
    image = Image(generator(3, "test-psf-table").normal(0, 1, (80, 80)).astype(np.float32))
    sources = read_dia_sources({"diaSourceId": np.arange(4), "x": np.full(4, 30.0), "y": np.full(4, 40.0)})
    blocks = extract_triplets(image, image, image, sources["x"], sources["y"], 31, block_size=3)
    return stamp_table(sources, blocks, **options)


def test_tables_of_stamps_keep_the_width(tmp_path: Path) -> None:
    table = stored(psf_fwhm=FWHM.astype(np.float32), pixel_scale=0.2)
    check_stamp_table(table)
    assert table["psfFwhm"].dtype == np.float32 and table["psfFwhm"].unit == "pix"
    table.write(tmp_path / "s.parquet")
    with open_stamp_file(tmp_path / "s.parquet") as file:
        (batch,) = file.batches()
    np.testing.assert_allclose(batch.psf_fwhm, FWHM)
    assert batch.pixel_scale == pytest.approx(0.2)
    unknown = stored()
    assert np.isnan(unknown["psfFwhm"]).all() and np.isnan(unknown["pixelScale"]).all()


def test_tables_of_earlier_versions_are_read(tmp_path: Path) -> None:
    table = stored()
    table.remove_columns(["psfFwhm", "pixelScale"])
    table.meta["schema_version"] = 2
    check_stamp_table(table)
    table.write(tmp_path / "s.parquet")
    assert read_widths(tmp_path / "s.parquet") is None


def packet(stamp: npt.NDArray[Any], psf: npt.NDArray[Any] | None) -> bytes:
    """A cutout as LSST's packets have it: what astropy's CCDData writes."""
    hdus = [fits.PrimaryHDU(stamp), fits.ImageHDU(np.zeros(stamp.shape, np.uint8), name="MASK")]
    if psf is not None:
        hdus.append(fits.ImageHDU(psf, name="PSFIMAGE"))
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def write_alerts(path: Path, *, with_psf: bool, kind: str = "lsst") -> None:
    cubes = stamps(4)
    bytes_of: Any = "bytes"
    if kind == "ztf":
        bytes_of = {"type": "record", "name": "cutout", "fields": [{"name": "stampData", "type": "bytes"}]}
    numbers = {
        "lsst": {"diaSourceId": "long", "psfFlux": "float"},
        "ztf": {"isdiffpos": "string", "fwhm": "float"},
    }
    source = {
        "type": "record",
        "name": "source",
        "fields": [{"name": name, "type": column} for name, column in numbers[kind].items()],
    }
    head = {"lsst": [{"name": "diaSource", "type": source}]}.get(
        kind, [{"name": "candid", "type": "long"}, {"name": "candidate", "type": source}]
    )
    fields = [
        *head,
        *(
            {
                "name": f"cutout{role.capitalize()}",
                "type": bytes_of if number == 0 or kind == "lsst" else "cutout",
            }
            for number, role in enumerate(ROLES)
        ),
    ]
    records = []
    for row, fwhm in enumerate(FWHM):
        psf = gaussian(fwhm, 25) if with_psf else None
        # The PSF of the difference is another one.
        contents = {r: packet(cubes[r][row], gaussian(9.0, 35) if r == "difference" else psf) for r in ROLES}
        cutouts = {
            f"cutout{role.capitalize()}": content if kind == "lsst" else {"stampData": content}
            for role, content in contents.items()
        }
        first = (
            {"diaSource": {"diaSourceId": row, "psfFlux": 1.0}}
            if kind == "lsst"
            else {"candid": row, "candidate": {"isdiffpos": "t", "fwhm": 9.0}}
        )
        records.append(first | cutouts)
    schema = fastavro.parse_schema({"type": "record", "name": "alert", "fields": fields})
    with path.open("wb") as file:
        fastavro.writer(file, schema, records)


def test_alerts_show_the_psf_of_the_science_image(tmp_path: Path) -> None:
    write_alerts(tmp_path / "a.avro", with_psf=True)
    alerts = list(read_alerts(tmp_path / "a.avro"))
    np.testing.assert_allclose([alert.psf_fwhm for alert in alerts], FWHM, rtol=1e-4)
    np.testing.assert_allclose(stamp_batch(alerts[1]).psf_fwhm, FWHM[1:2], rtol=1e-4)
    assert all(np.isnan(alert.psf_fwhm) for alert in read_alerts(tmp_path / "a.avro", psf=False))


@pytest.mark.parametrize("kind", ["lsst", "ztf"])
def test_alerts_without_a_psf_have_none(tmp_path: Path, kind: str) -> None:
    write_alerts(tmp_path / "a.avro", with_psf=False, kind=kind)
    alerts = list(read_alerts(tmp_path / "a.avro"))
    assert len(alerts) == 4 and all(np.isnan(alert.psf_fwhm) for alert in alerts)


@pytest.fixture(scope="module")
def model(told_models: dict[str, Path]) -> Path:
    return told_models["dia"]


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["score", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def scores(path: Path) -> npt.NDArray[np.float32]:
    return np.asarray(Table.read(path)["score"])


def test_the_command_tells_models_the_psf(tmp_path: Path, model: Path) -> None:
    cubes = stamps(4)
    np.savez(tmp_path / "told.npz", **cubes, psf_fwhm=FWHM)
    np.savez(tmp_path / "not.npz", **cubes)
    classifier = load_classifier(model)
    for name, options, fwhm in (
        ("told", (), FWHM),
        ("not", (), None),
        ("told", ("--psf-fwhm", 4.5), 4.5),
        ("not", ("--psf-fwhm", 4.5), 4.5),
    ):
        run("-m", model, tmp_path / f"{name}.npz", "-o", tmp_path / "o.parquet", "--overwrite", *options)
        expected = classifier.score(cubes, psf_fwhm=fwhm).score
        np.testing.assert_allclose(scores(tmp_path / "o.parquet"), expected, atol=1e-6)
    told, not_told = classifier.score(cubes, psf_fwhm=FWHM).score, classifier.score(cubes).score
    assert np.abs(told - not_told).min() > 1e-3


def test_alerts_and_files_score_alike(tmp_path: Path, model: Path) -> None:
    write_alerts(tmp_path / "a.avro", with_psf=True)
    np.savez(tmp_path / "s.npz", **stamps(4), psf_fwhm=FWHM)
    for name in ("a.avro", "s.npz"):
        run("-m", model, tmp_path / name, "-o", tmp_path / f"{name}.parquet")
    one, other = (scores(tmp_path / f"{name}.parquet") for name in ("a.avro", "s.npz"))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_batches_with_and_without_a_psf_are_scored_together(tmp_path: Path, model: Path) -> None:
    np.savez(tmp_path / "told.npz", **stamps(4), psf_fwhm=FWHM)
    np.savez(tmp_path / "not.npz", **stamps(4))
    batches = []
    for name in ("told", "not"):
        with open_stamp_file(tmp_path / f"{name}.npz") as file:
            batches += list(file.batches())
    classifier = load_classifier(model)
    (result,) = score_stamps([classifier], batches)
    expected = [classifier.score(stamps(4), psf_fwhm=fwhm).score for fwhm in (FWHM, None)]
    np.testing.assert_allclose(result.scores.score, np.concatenate(expected), atol=1e-6)


def test_what_a_model_was_not_trained_on_is_said_once(tmp_path: Path, model: Path) -> None:
    np.savez(tmp_path / "s.npz", **stamps(900, 19), psf_fwhm=np.full(900, 9.0))
    output = run("-m", model, tmp_path / "s.npz", "-o", tmp_path / "o.parquet")
    assert output.count("FWHM of 9 pixels, model dia told was trained on 1.6 to 7") == 1
    assert output.count("19 x 19 pixels, model dia told was trained on 21 to 63") == 1


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"pixel_scale": 0.199}, set()),
        ({"pixel_scale": 0.1}, {"pixel_scale"}),
        ({"pixel_scale": 1.3, "psf_fwhm": [np.nan, 1.2]}, {"pixel_scale", "psf_fwhm"}),
        ({"psf_fwhm": [3.0, 8.0, 2.0]}, set()),
        ({"psf_fwhm": np.nan, "pixel_scale": None}, set()),
        ({"stamp_shape": (100, 100)}, set()),
        ({"stamp_shape": (19, 30)}, {"stamp_shape"}),
    ],
)
def test_ranges_of_training(known: dict[str, Any], said: set[str], model: Path) -> None:
    contract = load_classifier(model).contract
    assert set(unfamiliar(contract, **known)) == said
    assert not unfamiliar(contract.model_copy(update={"trained": None, "pixel_scale": None}), **known)
