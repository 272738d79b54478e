"""Files of stamps, alerts and images give back what was written to them, whatever their layout."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import astropy.units as u
import fastavro
import numpy as np
import pyarrow
import pytest
from astropy.io import fits
from lsst.images import Box, Image, Mask, MaskedImage, MaskPlane, MaskSchema

from alerts import lsst_alerts, ztf_alerts
from lsst.meas.realbogus.cutouts import (
    FixedArrays,
    StampBatch,
    extract,
    extract_north_up,
    extract_triplets,
    open_stamp_file,
    psf_fwhm_at,
    read_alerts,
    read_dia_sources,
    read_image_file,
    stamp_batch,
    stamp_table,
    stored_stamps,
)
from lsst.meas.realbogus.cutouts._avro import read_avro
from lsst.meas.realbogus.cutouts._npz import NpzMember
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator
from test_cutouts_readers import turned

CUBE = generator(5, "test-cutouts-files").normal(0, 3000, (7, 5, 4)).astype(np.float32)
SQUARES = {role: CUBE[:, :4] for role in ("science", "template", "difference")}


@pytest.mark.parametrize(
    ("values", "order"),
    [(CUBE, "C"), (CUBE, "F"), (CUBE[:, 0, 0], "C"), (np.array(["a", "bc", "def"]), "C")],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_of_an_npz_are_read_from_any_row_on(tmp_path: Path, values: Any, order: Any, save: Any) -> None:
    save(tmp_path / "a.npz", x=np.asarray(values, order=order))
    with contextlib.ExitStack() as stack:
        member = NpzMember(tmp_path / "a.npz", "x", stack)
        member.skip_to(1)
        np.testing.assert_array_equal(member.read(1), values[1:2])
        np.testing.assert_array_equal(member.read(len(values) - 2), values[2:])


@pytest.mark.parametrize("n_bytes", [-4, 4])
def test_an_npz_that_is_not_as_long_as_it_says_is_refused(tmp_path: Path, n_bytes: int) -> None:

    buffer = io.BytesIO()
    np.save(buffer, CUBE)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", (buffer.getvalue() + bytes(4))[: len(buffer.getvalue()) + n_bytes])
    with contextlib.ExitStack() as stack, pytest.raises(InvalidInputError) as error:
        NpzMember(tmp_path / "a.npz", "x", stack)
    needed = CUBE.nbytes
    assert f"x of shape (7, 5, 4) and type float32 needs {needed} bytes" in str(error.value)
    assert str(error.value).endswith(f"the file has {needed + n_bytes}")


@pytest.mark.parametrize("pixel_type", ["float32", "float16"])
def test_arrays_of_fixed_size_come_back_from_parquet(pixel_type: str) -> None:
    pixels = CUBE * np.float32([1, 1e-3, 1e3, 1, 1, 1, 1])[:, None, None]
    pixels[0, 0, 0], pixels[1] = np.nan, 0.0
    fields, arrays = zip(*FixedArrays(pixel_type).to_arrow("x", pixels), strict=True)
    table = pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields))
    found = FixedArrays.from_arrow(table, ["y", "x"])
    assert list(found) == ["x"] and found["x"].dtype == np.float32
    tolerance = 0 if pixel_type == "float32" else 2.0**-11
    np.testing.assert_allclose(found["x"], pixels, rtol=tolerance, atol=1e3 * tolerance**2)
    part = FixedArrays.from_arrow(table.slice(3, 2), ["x"])["x"]
    np.testing.assert_array_equal(part, found["x"][3:5])
    with pytest.raises(InvalidInputError, match="column x was not written as fixed arrays"):
        FixedArrays.from_arrow(pyarrow.table({"x": [b"1234"]}), ["x"])


def test_only_differences_as_detected_are_turned_and_only_those_of_negative_sources(tmp_path: Path) -> None:
    negative = np.array([False, True, False, True, False, False, True])
    for name in ("isNegative", "isdiffpos"):
        signs = negative if name == "isNegative" else np.where(negative, "f", "t")
        np.savez(tmp_path / f"{name}.npz", **SQUARES, **{name: signs})
    flipped = np.where(negative[:, None, None], -1, 1) * SQUARES["difference"]
    for name, sign, expected in (
        ("isNegative", None, SQUARES["difference"]),
        ("isNegative", "as-detected", flipped),
        ("isdiffpos", None, flipped),
        ("isdiffpos", "science-minus-template", SQUARES["difference"]),
    ):
        with open_stamp_file(tmp_path / f"{name}.npz", difference_sign=sign) as file:
            (batch,) = file.batches()
        np.testing.assert_array_equal(batch.stamps["difference"], expected)
        np.testing.assert_array_equal(batch.stamps["science"], SQUARES["science"])
        np.testing.assert_array_equal(batch.is_negative, negative)


def test_stamps_of_one_pixel_are_stamps(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", science=np.ones((3, 1, 1), np.float32))
    with open_stamp_file(tmp_path / "one.npz") as file:
        assert file.n_rows == 3 and sum(len(batch) for batch in file.batches(2)) == 3


def test_a_table_of_stamps_becomes_a_batch_of_them() -> None:
    x = np.array([3.0, 20.0, 30.0])
    sources = read_dia_sources({"diaSourceId": [4, 5, 6], "x": x, "y": x, "psfFlux": [1.0, -1.0, 1.0]})
    images = generator(6, "test-cutouts-files").normal(size=(3, 40, 40)).astype(np.float32)
    table = stamp_table(
        sources, extract_triplets(*images, x, x, 11), psf_fwhm=np.float32([3, 4, 5]), pixel_scale=0.2
    )
    batch = StampBatch.from_table(table, {"band": np.array(["r"] * 3)})
    assert batch.ids.tolist() == [4, 5, 6] and batch.is_negative.tolist() == [False, True, False]
    for role in SQUARES:
        np.testing.assert_array_equal(batch.stamps[role], table[role])
        np.testing.assert_array_equal(np.isnan(batch.stamps[role]), batch.missing[role])
        np.testing.assert_array_equal(batch.outside[role], batch.missing[role])
    assert batch.pixel_scale == pytest.approx(0.2) and batch.psf_fwhm.tolist() == [3, 4, 5]
    some = batch[np.array([2, 0])]
    assert some.ids.tolist() == [6, 4] and some.psf_fwhm.tolist() == [5, 3] and len(some.columns["band"]) == 2


def test_stored_stamps_are_float32_and_scales_are_named_where_they_do_not_fit() -> None:
    counts = np.arange(12).reshape(3, 2, 2)
    found = stored_stamps({"science": counts, "science_scale": [1, 2, 1]}, ["science"])["science"]
    assert found.pixels.dtype == np.float32 and found.missing is None
    np.testing.assert_array_equal(found.pixels, counts * np.array([1, 2, 1])[:, None, None])
    with pytest.raises(InvalidInputError, match=r"science_scale has shape \(2,\)"):
        stored_stamps({"science": counts, "science_scale": [1, 2]}, ["science"])
    with pytest.raises(InvalidInputError, match="science_scale must be numbers"):
        stored_stamps({"science": counts, "science_scale": ["1", "2", "3"]}, ["science"])


@pytest.mark.parametrize(("make", "header"), [(lsst_alerts, b""), (ztf_alerts, b"\0\0\0\0\7")])
def test_a_bare_packet_is_read_with_its_schema(tmp_path: Path, make: Any, header: bytes) -> None:
    schema, records = make(SQUARES, range(100, 107))
    packet = io.BytesIO()
    parsed = fastavro.parse_schema(schema)
    fastavro.schemaless_writer(packet, parsed, records[3])
    (tmp_path / "alert").write_bytes(header + packet.getvalue())

    (tmp_path / "alert.avsc").write_text(json.dumps(schema))
    with (tmp_path / "alerts.avro").open("wb") as file:
        fastavro.writer(file, parsed, records)
    (alert,) = read_alerts(tmp_path / "alert", tmp_path / "alert.avsc")
    all_alerts = list(read_alerts(tmp_path / "alerts.avro"))
    assert [each.id for each in all_alerts] == list(range(100, 107))
    assert [each.is_negative for each in all_alerts] == [False, True] * 3 + [False]
    assert alert.id == 103 and alert.is_negative
    for role, stamp in alert.stamps.items():
        np.testing.assert_array_equal(stamp, all_alerts[3].stamps[role])
    with pytest.raises(InvalidInputError, match="a bare packet needs its schema"):
        next(read_alerts(tmp_path / "alert"))


def test_fields_of_named_types_are_read_without_the_meaning_of_logical_ones(tmp_path: Path) -> None:
    moment = {"type": "long", "logicalType": "timestamp-micros"}
    inner = {"type": "record", "name": "inner", "fields": [{"name": "a", "type": moment}]}
    fields = [
        {"name": "left_out", "type": inner},
        {"name": "b", "type": "inner"},
        {"name": "c", "type": "inner"},
    ]
    schema = {"type": "record", "name": "outer", "fields": fields}
    far = 2**62  # no date of Python's
    plain = {**inner, "fields": [{"name": "a", "type": "long"}]}
    written = {**schema, "fields": [{**fields[0], "type": plain}, *fields[1:]]}
    with (tmp_path / "x.avro").open("wb") as file:
        fastavro.writer(
            file, fastavro.parse_schema(written), [{n: {"a": far} for n in ("left_out", "b", "c")}]
        )
    assert list(read_avro(tmp_path / "x.avro", {"a", "b", "c"})) == [{"b": {"a": far}, "c": {"a": far}}]

    (tmp_path / "x.avsc").write_text(json.dumps(schema))
    packet = io.BytesIO()
    values = {"left_out": {"a": 1}, "b": {"a": 2}, "c": {"a": far}}
    fastavro.schemaless_writer(packet, fastavro.parse_schema(written), values)
    (tmp_path / "bare").write_bytes(packet.getvalue())
    found = list(read_avro(tmp_path / "bare", {"a", "b", "c"}, tmp_path / "x.avsc"))
    assert found == [{"b": {"a": 2}, "c": {"a": far}}]
    nothing = {"type": "record", "name": "empty", "fields": [{"name": "a", "type": "null"}]}
    (tmp_path / "x.avsc").write_text(json.dumps(nothing))
    with pytest.raises(ValueError, match="nothing in them"):
        list(read_avro(tmp_path / "bare", {"a"}, tmp_path / "x.avsc"))


def test_an_alert_without_an_image_has_a_stamp_of_nothing(tmp_path: Path) -> None:
    schema, records = lsst_alerts(SQUARES, range(7))
    records[0]["cutoutTemplate"] = None
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), records)
    alert = next(read_alerts(tmp_path / "a.avro"))
    batch = stamp_batch(alert)
    assert set(alert.stamps) == {"science", "difference"} and len(batch) == 1
    assert {stamps.dtype.name for stamps in batch.stamps.values()} == {"float32"}
    assert np.isnan(batch.stamps["template"]).all() and batch.stamps["template"].shape == (1, 4, 4)


def test_an_alert_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.avro").write_bytes(b"Obj\x01\0\0")
    with pytest.raises(InvalidInputError, match=r"cut\.avro"):
        list(read_alerts(tmp_path / "cut.avro"))


BOX = Box.factory[20:60, 30:80]


def masked_image() -> MaskedImage:
    pixels = generator(7, "test-cutouts-files").normal(size=BOX.shape).astype(np.float32)
    mask = Mask(0, schema=MaskSchema([MaskPlane("SATURATED", ""), MaskPlane("NO_DATA", "")]), bbox=BOX)
    mask.set("NO_DATA", pixels > 2)
    return MaskedImage(Image(pixels, bbox=BOX, unit=u.nJy), mask=mask)


def test_an_image_that_lsst_images_wrote_is_read_with_its_mask(tmp_path: Path) -> None:
    image = masked_image()
    image.write(str(tmp_path / "masked.fits"))
    image.image.write(str(tmp_path / "image.fits"))
    for name, has_mask in (("masked", True), ("image", False)):
        file = read_image_file(tmp_path / f"{name}.fits")
        assert file.image.bbox == BOX and (file.mask is not None) == has_mask
        np.testing.assert_array_equal(file.image.array, image.image.array)
        if has_mask:
            np.testing.assert_array_equal(file.mask.get("NO_DATA"), image.mask.get("NO_DATA"))
            assert not file.mask.get("SATURATED").any()


@pytest.mark.parametrize("dataset", [None, "difference_image", "visit_image"])
def test_an_image_of_early_afw_keeps_its_box_and_the_bits_of_its_planes(
    tmp_path: Path, dataset: str | None
) -> None:
    image = masked_image()
    header = fits.Header({"LTV1": -30, "LTV2": -20})
    planes = fits.Header({"MP_BAD": 0, "MP_SAT": 1, "HIERARCH MP_NO_DATA": 8})
    bits = np.where(image.mask.get("NO_DATA"), 1 << 8, 0) | np.eye(*BOX.shape, dtype=int) << 1
    primary = fits.PrimaryHDU()
    if dataset is not None:
        primary.header["HIERARCH LSST BUTLER DATASETTYPE"] = dataset
        primary.header["HIERARCH LSST BUTLER DATAID VISIT"] = 42
    hdus = [fits.ImageHDU(image.image.array, header), fits.ImageHDU(bits.astype(np.int32), header + planes)]
    fits.HDUList([primary, *hdus, fits.ImageHDU(image.image.array)]).writeto(tmp_path / "old.fits")
    file = read_image_file(tmp_path / "old.fits")
    assert file.image.bbox == file.mask.bbox == BOX
    np.testing.assert_array_equal(file.image.array, image.image.array)
    np.testing.assert_array_equal(file.mask.get("NO_DATA"), image.mask.get("NO_DATA"))
    np.testing.assert_array_equal(file.mask.get("SATURATED"), np.eye(*BOX.shape, dtype=bool))
    assert not file.mask.get("BAD").any()
    assert file.visit == (None if dataset is None else 42)
    assert file.is_difference == {None: None, "difference_image": True, "visit_image": False}[dataset]


def test_turned_stamps_miss_the_pixels_of_the_planes_that_are_named() -> None:
    image = masked_image()
    saturated = np.zeros(BOX.shape, bool)
    saturated[20, 25] = True
    image.mask.set("SATURATED", saturated)
    x, y = [55.0], [40.0]
    places = {}
    for planes in ((), ("SATURATED",)):
        north = turned(0.0, False)
        stamp = extract_north_up(image.image, image.mask, north, x, y, 9, bad_planes=planes, order=0)
        plain = extract(image.image, x, y, 9, mask=image.mask, bad_planes=planes)
        assert stamp.missing[0].sum() == plain.missing[0].sum() == len(planes)
        places[planes] = stamp.missing[0]
    assert places["SATURATED",][4, 4]


def test_a_trimmed_stamp_off_the_image_is_empty() -> None:
    (trimmed,) = extract(np.ones((20, 20), np.float32), [100.0], [100.0], 7, mode="trim")
    assert trimmed.pixels.shape == trimmed.missing.shape == (0, 0) and trimmed.box is None


def test_fluxes_in_units_that_are_no_flux_densities_keep_their_signs() -> None:
    flux = np.array([5.0, -7.0]) * u.adu
    table = read_dia_sources({"diaSourceId": [1, 2], "x": [1, 2], "y": [1, 2], "psfFlux": flux})
    assert table["flux"].tolist() == [5, -7] and table["is_negative"].tolist() == [False, True]
    micro = read_dia_sources({"diaSourceId": [1], "x": [1], "y": [1], "psfFlux": [2.0] * u.uJy})
    assert micro["flux"][0] == pytest.approx(2000)


def test_why_the_psf_is_not_known_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        widths = psf_fwhm_at(masked_image(), [40, 50], [30, 40])
    assert np.isnan(widths).all() and widths.dtype == np.float32
    assert "is not known: it carries none" in caplog.text
