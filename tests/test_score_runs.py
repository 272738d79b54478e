"""Runs of `realbogus score`: each source once and in order whatever stops, the same answer on every way."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import fastavro
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner, Result
from lsst.daf.butler.formatters.parquet import astropy_to_arrow
from lsst.images import Box, Image, Mask, MaskPlane, MaskSchema

from lsst.meas.realbogus import cutouts
from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import (
    Classifier,
    import_keras,
    initial_weights,
    load_classifier,
    make_model,
    named_architecture,
    preset_contract,
    score_sources,
    score_stamps,
    score_table,
    write_model,
)
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import LabelledStamps
from stamp_files import Stamps, stop_scoring, write_fits, write_npz, write_parquet

pytestmark = pytest.mark.slow

N, SIZE = 30, 51


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "nodia.rbmodel"
    contract = preset_contract("nodia", "nodia", "t1")
    path.write_bytes(write_model(make_model(contract, initial_weights(named_architecture("nodia")))))
    return path


@pytest.fixture(scope="module")
def classifier(model: Path) -> Classifier:
    return load_classifier(model.read_bytes(), "nodia")


def make_stamps(n: int, key: str, size: int = SIZE) -> Stamps:
    rng = generator(5, "test-score-runs", key)
    return {role: rng.normal(0, 50, (n, size, size)).astype(np.float32) for role in cutouts.ROLES}


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["score", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def write_alerts(path: Path, stamps: Stamps, ids: Any, pixel_scale: float | None = None) -> None:
    def stamp(array: npt.NDArray[np.float32]) -> bytes:
        buffer = io.BytesIO()
        cd = {} if pixel_scale is None else {"CD1_1": -pixel_scale / 3600, "CD2_2": pixel_scale / 3600}
        fits.PrimaryHDU(array, fits.Header(cd)).writeto(buffer)
        return buffer.getvalue()

    source = {"type": "record", "name": "diaSource", "fields": [{"name": "diaSourceId", "type": "long"}]}
    fields = [{"name": "diaSource", "type": source}]
    fields += [{"name": f"cutout{role.capitalize()}", "type": "bytes"} for role in stamps]
    schema = {"type": "record", "name": "alert", "fields": fields}
    records = [
        {
            "diaSource": {"diaSourceId": int(identifier)},
            **{f"cutout{role.capitalize()}": stamp(cube[row]) for role, cube in stamps.items()},
        }
        for row, identifier in enumerate(ids)
    ]
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), records)


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """One file of every kind, in an order that mixes them."""
    paths = [tmp_path / name for name in ("a.avro", "b.npz", "c.avro", "d.parquet", "e.fits", "f.npz")]
    writers = (write_alerts, write_npz, write_alerts, write_parquet, write_fits, write_npz)
    for number, (path, write) in enumerate(zip(paths, writers, strict=True)):
        n = 5 + number
        write(path, make_stamps(n, path.name), np.arange(n) + 1000 * (number + 1))
    return paths


def ids_of(paths: list[Path]) -> list[int]:
    all_of = {
        p: 1000 * (i + 1) + np.arange(5 + i) for i, p in enumerate(sorted(paths[0].parent.glob("[a-f].*")))
    }
    return [int(i) for path in paths for i in all_of[path]]


def test_defect_05_rows_come_in_the_order_of_mixed_inputs(
    tmp_path: Path, model: Path, inputs: list[Path]
) -> None:
    order = inputs[::-1]
    run("-m", model, *order, "-o", tmp_path / "o.parquet")
    assert Table.read(tmp_path / "o.parquet")["id"].tolist() == ids_of(order)


@pytest.mark.parametrize("chunk", [1, 4, 4096])
@pytest.mark.parametrize("bad", [0, 3, 5])
def test_defect_05_keep_going_after_a_failed_run_gives_each_source_once(
    tmp_path: Path, model: Path, inputs: list[Path], bad: int, chunk: int
) -> None:
    """Whatever the options of the run before: the parts are those of the sources, not of the options."""
    whole = inputs[bad].read_bytes()
    inputs[bad].write_bytes(whole[: len(whole) // 2])
    output = tmp_path / "o.parquet"
    arguments = ["-m", model, *inputs, "-o", output]
    assert inputs[bad].name in run(*arguments, "--chunk", 7, code=1).output
    result = run(*arguments, "--chunk", chunk, "--keep-going", code=3)
    assert f"Left out: {inputs[bad]}" in result.output
    expected = ids_of([path for path in inputs if path != inputs[bad]])
    scores = Table.read(output)
    assert scores["id"].tolist() == expected
    assert not list(tmp_path.glob("*.partial"))
    again = run(*arguments, code=3)
    assert "complete already" in again.output and f"Left out: {inputs[bad]}" in again.output
    fresh = tmp_path / "fresh.parquet"
    run("-m", model, *inputs, "-o", fresh, "--keep-going", code=3)
    np.testing.assert_allclose(Table.read(fresh)["score"], scores["score"], atol=1e-6)


def test_defect_05_what_was_left_out_is_tried_again_without_keep_going(
    tmp_path: Path, model: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs[1].write_bytes(b"nothing")
    output = tmp_path / "o.parquet"
    arguments = ["-m", model, *inputs, "-o", output]
    stop_scoring(monkeypatch, 20)
    run(*arguments, "--keep-going", "--chunk", 1, code=130)
    monkeypatch.undo()
    assert "b.npz" in run(*arguments, code=1).output
    run(*arguments, "--keep-going", code=3)
    assert Table.read(output)["id"].tolist() == ids_of([inputs[0], *inputs[2:]])


@pytest.mark.parametrize("stop", range(1, 12, 2))
def test_defect_05_a_run_stopped_anywhere_goes_on_with_other_chunks(
    tmp_path: Path, model: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    output = tmp_path / "o.parquet"
    load_classifier(model.read_bytes(), "nodia")  # its golden scores are checked before
    calls = stop_scoring(monkeypatch, stop)
    for chunk in (5, 2, 3, 1, 4):
        if not output.exists():
            calls.clear()
            arguments = ["score", "-m", model, *inputs, "-o", output, "--chunk", chunk]
            CliRunner().invoke(main, list(map(str, arguments)))
    monkeypatch.undo()
    run("-m", model, *inputs, "-o", output)
    assert Table.read(output)["id"].tolist() == ids_of(inputs)


def test_defect_05_a_file_damaged_inside_is_left_out_whole(tmp_path: Path, model: Path) -> None:
    write_npz(tmp_path / "a.npz", make_stamps(600, "a"), np.arange(600))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF  # the checksum tells, long after the first sources have been read
    (tmp_path / "a.npz").write_bytes(content)
    write_npz(tmp_path / "b.npz", make_stamps(5, "b"), np.arange(5) + 9000)
    arguments = ["-m", model, tmp_path / "a.npz", tmp_path / "b.npz", "-o", tmp_path / "o.ecsv"]
    assert "a.npz cannot be read as stamps" in run(*arguments, code=1).output
    run(*arguments, "--keep-going", "--chunk", 100, code=3)
    assert Table.read(tmp_path / "o.ecsv")["id"].tolist() == list(range(9000, 9005))


def test_defect_05_two_models_on_mixed_inputs_keep_order(
    tmp_path: Path, model: Path, inputs: list[Path]
) -> None:
    run("-m", model, "-m", "package:nodia", *inputs, "-o", tmp_path / "o.fits", "--chunk", 3)
    scores = Table.read(tmp_path / "o.fits")
    assert scores["id"].tolist() == ids_of(inputs)
    assert {"score_nodia", "score_nodia_2", "flag_unscorable_nodia_2"} <= set(scores.colnames)


@contextlib.contextmanager
def opened(path: Path, **options: Any) -> Iterator[cutouts.StampFile]:
    with cutouts.open_stamp_file(path, **options) as file:
        yield file


def layouts() -> dict[str, Callable[[Path, Stamps, Any], None]]:
    def fortran(path: Path, stamps: Stamps, ids: Any) -> None:
        np.savez(path, id=ids, **{role: np.asfortranarray(cube) for role, cube in stamps.items()})

    def packed(path: Path, stamps: Stamps, ids: Any) -> None:
        write_npz(path, stamps, ids, packed=True)

    def one_group(path: Path, stamps: Stamps, ids: Any) -> None:
        write_parquet(path, stamps, ids)

    def small_groups(path: Path, stamps: Stamps, ids: Any) -> None:
        write_parquet(path, stamps, ids, row_group_size=4)

    def gzipped(path: Path, stamps: Stamps, ids: Any) -> None:
        write_fits(path, stamps, ids)

    def tiled(path: Path, stamps: Stamps, ids: Any) -> None:
        cubes = [
            fits.CompImageHDU(cube, name=role, compression_type="GZIP_2", quantize_level=0.0)
            for role, cube in stamps.items()
        ]
        fits.HDUList([fits.PrimaryHDU(), *cubes, fits.BinTableHDU(Table({"id": ids}))]).writeto(path)

    return {
        "stored.npz": write_npz,
        "packed.npz": packed,
        "fortran.npz": fortran,
        "one.parquet": one_group,
        "small.parquet": small_groups,
        "plain.fits": write_fits,
        "packed.fits.gz": gzipped,
        "tiled.fits": tiled,
    }


@pytest.mark.parametrize("name", layouts())
@pytest.mark.parametrize(("size", "start"), [(256, 0), (7, 0), (4, 13), (5, N)])
def test_defect_19_every_layout_reads_alike_from_any_row(
    tmp_path: Path, name: str, size: int, start: int
) -> None:
    stamps, ids = make_stamps(N, "layout", 9), np.arange(N) + 2**60
    layouts()[name](tmp_path / name, stamps, ids)
    with opened(tmp_path / name) as file:
        batches = list(file.batches(size, start))
    assert all(len(batch) <= size for batch in batches)
    found = np.concatenate([np.empty(0, np.int64), *(batch.ids for batch in batches)])
    assert found.tolist() == ids[start:].tolist()
    for role in cutouts.ROLES:
        pixels = np.concatenate([np.empty((0, 9, 9)), *(batch.stamps[role] for batch in batches)])
        np.testing.assert_array_equal(pixels, stamps[role][start:])


@pytest.mark.parametrize("name", ["stored.npz", "packed.npz", "one.parquet", "plain.fits"])
def test_defect_19_one_pass_reads_no_row_twice(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes read from the file are about its size, however small the batches."""
    stamps = make_stamps(400, "pass", 31)
    layouts()[name](tmp_path / name, stamps, np.arange(400))
    before = _bytes_read()
    with opened(tmp_path / name) as file:
        assert sum(len(batch) for batch in file.batches(8)) == 400
    assert _bytes_read() - before < 2.5 * (tmp_path / name).stat().st_size + 2e6


def _bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])


def test_defect_02_ztf_differences_are_turned_at_the_door(tmp_path: Path, shared_data: Path) -> None:
    """Through every kind of file, and by the option where the column does not tell."""
    content = (shared_data / "weights" / "d6_m7.h5").read_bytes()
    braai = tmp_path / "braai.rbmodel"
    braai.write_bytes(write_model(import_keras(content, preset_contract("braai", "braai", "d6_m7"))))
    stored = np.load(shared_data / "stamps" / "ztf_dev.npz")
    rows = np.flatnonzero(stored["drbversion"] == "d6_m7")
    drb, positive = stored["drb"][rows], stored["isdiffpos"][rows]
    stamps = {role: stored[role][rows] for role in cutouts.ROLES}
    np.savez(tmp_path / "ztf.npz", isdiffpos=positive, **stamps)
    np.savez(tmp_path / "other.npz", isNegative=~positive, **stamps)
    turned = stamps | {"difference": np.where(positive, 1, -1)[:, None, None] * stamps["difference"]}
    np.savez(tmp_path / "lsst.npz", isNegative=~positive, **turned)
    for name, options in (
        ("ztf.npz", ()),
        ("other.npz", ("--difference-sign", "as-detected")),
        ("lsst.npz", ()),
        ("lsst.npz", ("--difference-sign", "science-minus-template")),
    ):
        run("-m", braai, tmp_path / name, "-o", tmp_path / "o.parquet", "--overwrite", *options)
        scores = Table.read(tmp_path / "o.parquet")["score"]
        assert np.median(np.abs(scores - drb)) <= 1e-6, name
        np.testing.assert_array_equal(scores > 0.5, drb > 0.5)
    with (
        pytest.raises(InvalidInputError, match="as-detected"),
        opened(tmp_path / "ztf.npz", difference_sign="upside-down"),
    ):
        pass


def scene(role: str, border: int, unit: u.UnitBase | None = u.nJy) -> tuple[Image, Mask]:
    box = Box.factory[500:700, 1000:1200].padded(border)
    pixels = generator(2, "test-score-runs", role).normal(0, 50, box.shape).astype(np.float32)
    mask = Mask(schema=MaskSchema([MaskPlane("NO_DATA", "no data")]), bbox=box)
    if role == "science":
        pixels[100:103, 40:60] = np.nan
    bad = np.zeros(box.shape, bool)
    if role == "template":
        bad[:60, :60] = True
    mask.set("NO_DATA", bad)
    return Image(pixels, bbox=box, unit=unit), mask


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("network", ["dia", "nodia"])
@pytest.mark.parametrize("size", [51, 63])
def test_defect_08_stored_stamps_get_the_flags_of_the_images(
    tmp_path: Path, dtype: str, network: str, size: int
) -> None:
    model = make_model(preset_contract(network, network, "1"), initial_weights(named_architecture(network)))
    images = {"science": scene("science", 0), "template": scene("template", 20), "difference": scene("d", 0)}
    rng = generator(3, "test-score-runs")
    x, y = rng.uniform(970, 1230, 120), rng.uniform(470, 730, 120)
    x[3] = np.nan
    sources = cutouts.read_dia_sources(
        {"diaSourceId": np.arange(120), "x": x, "y": y, "isNegative": np.arange(120) % 2 == 0}
    )
    block = cutouts.concatenate(cutouts.extract_triplets(*images.values(), x, y, size))
    stored = cutouts.stamp_table(sources, [block], dtype=dtype)
    pq.write_table(astropy_to_arrow(stored), tmp_path / "c.parquet")
    (tmp_path / "m.rbmodel").write_bytes(write_model(model))
    run("-m", tmp_path / "m.rbmodel", tmp_path / "c.parquet", "-o", tmp_path / "o.parquet")
    found = Table.read(tmp_path / "o.parquet")
    expected = score_table(
        sources["id"], score_sources([model.classifier()], images, x, y, sources["is_negative"])
    )
    for name in expected.colnames:
        if name.startswith("flag") or name in ("id", "fraction_missing"):
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert expected["flag_edge"].sum() > 20 and 5 < expected["flag_nan"].sum() < 100
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-6 if dtype == "float32" else 0.02)


def test_defect_08_training_takes_the_scale_of_stored_stamps_off() -> None:
    image = Image(np.full((60, 60), 3e6, np.float32) * np.arange(1, 61, dtype=np.float32))
    sources = cutouts.read_dia_sources({"diaSourceId": [1], "x": [30.0], "y": [30.0]})
    block = cutouts.concatenate(cutouts.extract_triplets(image, image, image, [30.0], [30.0], 11))
    stored = cutouts.stamp_table(sources, [block], dtype="float16")
    assert (stored["science_scale"] > 1).all()
    match = Table({"diaSourceId": [1], "label": [1], "label_reason": ["injected"]})
    rows = Table({"diaSourceId": [1], "isNegative": [False], "snr": [9.0]})
    learnt = LabelledStamps.from_tables(stored, match, rows, 0)
    for role in cutouts.ROLES:
        np.testing.assert_allclose(learnt.pixels[role], block[role].pixels, rtol=2**-11)
        np.testing.assert_array_equal(learnt.pixels[role], cutouts.stamps_of(stored, role))


def test_defect_08_stamps_have_the_unit_of_their_image() -> None:
    sources = cutouts.read_dia_sources({"diaSourceId": [1], "x": [1100.0], "y": [600.0]})
    images = [scene("science", 0, u.adu), scene("template", 20, u.nJy), scene("d", 0, None)]
    block = cutouts.concatenate(cutouts.extract_triplets(*images, [1100.0], [600.0], 11))
    stored = cutouts.stamp_table(sources, [block])
    assert [stored[role].unit for role in cutouts.ROLES] == [u.adu, u.nJy, None]


def test_defect_08_alerts_score_alike_in_any_company(classifier: Classifier) -> None:
    stamps = {30: make_stamps(4, "small", 30), 51: make_stamps(4, "large", 51)}
    batches = [
        cutouts.stamp_batch(
            cutouts.Alert(row, False, {r: stamps[size][r][row] for r in cutouts.ROLES}),
            ["science", "template"],
        )
        for row in range(4)
        for size in (30, 51)
    ]
    (together,) = score_stamps([classifier], batches)
    for row, batch in enumerate(batches):
        (alone,) = score_stamps([classifier], [batch])
        for name in ("fraction_missing", "flag_nan", "flag_edge", "flag_unscorable"):
            assert getattr(alone.scores, name)[0] == getattr(together.scores, name)[row]
        np.testing.assert_allclose(alone.scores.score[0], together.scores.score[row], atol=1e-6)


def write_sources(path: Path, **columns: Any) -> None:
    Table({"diaSourceId": np.arange(len(columns["ra"])), **columns}).write(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: a[:, 10:40, 10:40], "stamps smaller than the model looks at"),
        (lambda a: np.full_like(a, 7.0), "a stamp without contrast"),
        (lambda a: np.full_like(a, np.nan), "no valid pixel in the template"),
    ],
)
def test_defect_13_nothing_scored_is_not_exit_0(
    tmp_path: Path, model: Path, change: Callable[..., Any], reason: str
) -> None:
    stamps = {role: change(cube) for role, cube in make_stamps(6, "nothing").items()}
    write_npz(tmp_path / "s.npz", stamps, np.arange(6))
    arguments = ["-m", model, tmp_path / "s.npz", "-o", tmp_path / "o.parquet"]
    result = run(*arguments, code=4)
    assert f"No score: 6 sources have {reason}" in result.output
    assert len(Table.read(tmp_path / "o.parquet")) == 6
    assert f"6 sources have {reason}" in run(*arguments, code=4).output


@pytest.mark.parametrize("wrong", ["hours", "radians", "swapped"])
def test_defect_13_wrong_positions_are_named(
    tmp_path: Path, model: Path, shared_data: Path, wrong: str
) -> None:
    frames = sorted((shared_data / "images" / "decam").glob("DEC-OBS*a.mini.fits"))
    ra, dec = np.array([318.108, 318.109]), np.array([-66.016, -66.015])
    columns = {
        "hours": {"ra": ra / 15, "dec": dec},
        "radians": {"ra": np.radians(ra), "dec": np.radians(dec)},
        "swapped": {"ra": dec, "dec": ra},
    }[wrong]
    write_sources(tmp_path / "s.ecsv", **columns)
    images = ["--science", frames[0], "--template", frames[1]]
    result = run("-m", model, *images, tmp_path / "s.ecsv", "-o", tmp_path / "o.ecsv", code=4)
    assert "2 sources lie off the image: check that ra and dec are degrees" in result.output


@pytest.mark.parametrize(("pixel_scale", "warned"), [(None, False), (0.25, False), (1.01, True)])
def test_defect_13_packets_with_other_pixels_are_a_warning(
    tmp_path: Path, model: Path, pixel_scale: float | None, warned: bool
) -> None:
    """The model was trained on pixels of 0.263 arcsec."""
    write_alerts(tmp_path / "a.avro", make_stamps(3, "w"), [1, 2, 3], pixel_scale)
    first = next(iter(cutouts.read_alerts(tmp_path / "a.avro")))
    assert first.pixel_scale == (None if pixel_scale is None else pytest.approx(pixel_scale))
    result = run("-m", model, tmp_path / "a.avro", "-o", tmp_path / "o.csv")
    assert result.output.count("pixels of 1.01 arcsec") == warned


@pytest.mark.parametrize("suffix", ["parquet", "ecsv", "fits", "csv"])
def test_defect_18_files_of_scores_say_what_they_were_made_of(
    tmp_path: Path, model: Path, suffix: str
) -> None:
    write_npz(tmp_path / "s.npz", make_stamps(3, "meta"), np.arange(3))
    output = tmp_path / f"o.{suffix}"
    arguments = ["-m", model, tmp_path / "s.npz", "-o", output]
    run(*arguments)
    if suffix == "csv":
        meta = json.loads((tmp_path / "o.csv.meta.json").read_text())["meta"]
    else:
        meta = Table.read(output).meta
    (made,) = json.loads(meta["RBMODELS"])
    assert (made["name"], made["version"]) == ("nodia", "t1")
    assert made["sha256"] == load_classifier(model.read_bytes()).content_hash
    (read,) = json.loads(meta["RBINPUTS"])
    content = (tmp_path / "s.npz").read_bytes()
    assert (read["bytes"], read["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert "lsst-meas-realbogus" in meta["RBSOFT"] and json.loads(meta["RBLEFT"]) == []
    assert json.loads(meta["RBOPTS"])["engine"] == load_classifier(model.read_bytes()).engine.name
    if suffix == "parquet":
        assert Table.read(output)["score"].description.startswith("Probability")
    assert "complete already" in run(*arguments).output


def test_a_folder_of_parts_is_left_only_where_there_are_parts(tmp_path: Path, model: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"nothing")
    run("-m", model, tmp_path / "s.npz", "-o", tmp_path / "o.parquet", code=1)
    run("-m", model, tmp_path / "s.npz", "-o", tmp_path / "o.parquet", "--keep-going", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["s.npz"]
