"""`realbogus score`: every source of every kind of file gets its score, and an interrupted run goes on."""

from __future__ import annotations

import functools
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner, Result
from lsst.daf.butler import Butler

from alerts import lsst_alerts, ztf_alerts
from lsst.meas.realbogus import cutouts
from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.model import (
    Classifier,
    Contract,
    NormalizationChoice,
    Output,
    initial_weights,
    load_classifier,
    make_model,
    named_architecture,
    score_sources,
    score_table,
    write_model,
)
from lsst.meas.realbogus.randomness import generator
from stamp_files import stop_scoring, write_fits, write_npz, write_parquet

pytestmark = pytest.mark.slow

N = 11


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained models: what matters here is that the same pixels give the same numbers."""
    folder = tmp_path_factory.mktemp("models")
    out = {}
    for name, inputs in (("dia", ("difference", "science", "template")), ("nodia", ("science", "template"))):
        architecture = named_architecture(name)
        contract = Contract(
            name=name,
            version="0.test",
            inputs=inputs,
            layout="side_by_side",
            stamp_size=51,
            normalization=NormalizationChoice(name=_normalization()),
            output=Output(size=2, real=0),
            architecture=architecture,
        )
        out[name] = folder / f"{name}.rbmodel"
        out[name].write_bytes(write_model(make_model(contract, initial_weights(architecture))))
    return out


def _normalization() -> str:
    from lsst.meas.realbogus.model import NORMALIZATIONS

    return next(name for name in NORMALIZATIONS if "sigma" in name)


def classifier(models: dict[str, Path], name: str) -> Classifier:
    return load_classifier(models[name].read_bytes(), name)


@pytest.fixture(scope="module")
def stamps() -> dict[str, np.ndarray]:
    rng = generator(3, "test-score-stamps")
    return {role: rng.normal(0, 50, (N, 55, 55)).astype(np.float32) for role in cutouts.ROLES}


@pytest.fixture(scope="module")
def ids() -> np.ndarray:
    return np.arange(N, dtype=np.int64) * 7 + 2**55


def score(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["score", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def expected(models: dict[str, Path], stamps: dict[str, np.ndarray]) -> np.ndarray:
    return classifier(models, "dia").score(stamps).score


@pytest.mark.parametrize(
    "name, write",
    [
        ("s.npz", write_npz),
        ("s.fits", write_fits),
        ("s.parquet", functools.partial(write_parquet, row_group_size=4)),
    ],
)
@pytest.mark.parametrize("chunk", [3, 100])
def test_every_kind_of_stamp_file(tmp_path, models, stamps, ids, expected, name, write, chunk) -> None:
    write(tmp_path / name, stamps, ids)
    output = tmp_path / "scores.parquet"
    score("-m", models["dia"], tmp_path / name, "-o", output, "--chunk", chunk)
    scores = Table.read(output)
    np.testing.assert_array_equal(scores["id"], ids)
    np.testing.assert_allclose(scores["score"], expected, atol=1e-6)
    assert set(scores["version"]) == {"0.test"}


@pytest.mark.parametrize("suffix", ["ecsv", "csv", "fits", "parquet"])
def test_every_kind_of_output(tmp_path, models, stamps, ids, expected, suffix) -> None:
    write_npz(tmp_path / "s.npz", stamps, ids)
    output = tmp_path / f"scores.{suffix}"
    score("-m", models["dia"], "-m", models["nodia"], tmp_path / "s.npz", "-o", output)
    scores = Table.read(output)
    np.testing.assert_allclose(scores["score"], expected, atol=1e-6)
    assert {"score_dia", "score_nodia"} <= set(scores.colnames)


def test_interrupted_run_goes_on(tmp_path, models, stamps, ids, monkeypatch) -> None:
    write_npz(tmp_path / "s.npz", stamps, ids)
    output = tmp_path / "scores.parquet"
    arguments = ["-m", models["dia"], tmp_path / "s.npz", "-o", output, "--chunk", 4]
    classifier(models, "dia")  # its golden scores are checked before
    calls = stop_scoring(monkeypatch, 3)
    score(*arguments, code=130)
    assert not output.exists()
    result = score(*arguments)
    assert "8 of them had been scored before" in result.output
    assert len(calls) == 4 and not list(tmp_path.glob("*.partial"))
    np.testing.assert_array_equal(Table.read(output)["id"], ids)
    assert "complete already" in score(*arguments).output
    assert len(calls) == 4


def test_output_of_another_run_is_kept(tmp_path, models, stamps, ids) -> None:
    write_npz(tmp_path / "s.npz", stamps, ids)
    output = tmp_path / "scores.parquet"
    score("-m", models["dia"], tmp_path / "s.npz", "-o", output)
    before = output.read_bytes()
    other = ["-m", models["nodia"], tmp_path / "s.npz", "-o", output]
    assert "is of another run" in score(*other, code=1).output
    assert output.read_bytes() == before
    score(*other, "--overwrite")
    assert output.read_bytes() != before


def test_exit_codes(tmp_path, models, stamps, ids) -> None:
    write_npz(tmp_path / "good.npz", stamps, ids)
    (tmp_path / "bad.npz").write_bytes(b"not a zip file")
    files = [tmp_path / "good.npz", tmp_path / "bad.npz"]
    output = tmp_path / "o.parquet"
    assert "bad.npz" in score("-m", models["dia"], *files, "-o", output, code=1).output
    assert "Left out" in score("-m", models["dia"], *files, "-o", output, "--keep-going", code=3).output
    assert len(Table.read(output)) == N
    score("-m", models["dia"], tmp_path / "missing.npz", "-o", output, code=2)
    assert "no model called" in score("-m", "package:nope", files[0], "-o", output, code=1).output
    assert "must be one of" in score("-m", models["dia"], files[0], "-o", tmp_path / "o.txt", code=1).output


def test_stamps_that_the_model_needs_must_be_there(tmp_path, models, stamps, ids) -> None:
    two = {role: stamps[role] for role in ("science", "template")}
    write_npz(tmp_path / "s.npz", two, ids)
    arguments = [tmp_path / "s.npz", "-o", tmp_path / "o.parquet"]
    assert "needs difference" in score("-m", models["dia"], *arguments, code=1).output
    score("-m", models["nodia"], *arguments)


def test_no_source_gives_an_empty_table(tmp_path, models, stamps, ids) -> None:
    write_npz(tmp_path / "s.npz", {role: cube[:0] for role, cube in stamps.items()}, ids[:0])
    score("-m", models["dia"], tmp_path / "s.npz", "-o", tmp_path / "o.parquet")
    assert len(Table.read(tmp_path / "o.parquet")) == 0


@pytest.mark.parametrize("make", [lsst_alerts, ztf_alerts])
def test_alerts_of_both_surveys(tmp_path, models, stamps, ids, make) -> None:
    """ZTF's differences of negative detections are stored with the other sign."""
    shown = dict(stamps)
    if make is ztf_alerts:
        shown["difference"] = stamps["difference"] * np.where(np.arange(N) % 2, -1, 1)[:, None, None]
    expected = classifier(models, "dia").score(shown).score
    schema, records = make(stamps, ids)
    with (tmp_path / "all.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), records)
    alerts = list(cutouts.read_alerts(tmp_path / "all.avro"))
    assert [a.is_negative for a in alerts] == [bool(row % 2) for row in range(N)]
    score("-m", models["dia"], tmp_path / "all.avro", "-o", tmp_path / "o.parquet")
    scores = Table.read(tmp_path / "o.parquet")
    np.testing.assert_array_equal(scores["id"], ids)
    np.testing.assert_allclose(scores["score"], expected, atol=1e-6)


def test_alerts_may_differ_in_size_and_lack_stamps(tmp_path, models, stamps, ids, expected) -> None:
    schema, records = lsst_alerts(stamps, ids)
    inner = {role: cube[:, 2:-2, 2:-2] for role, cube in stamps.items()}  # 51 pixels: what the model looks at
    for row in (0, 3):
        records[row] = lsst_alerts(inner, ids)[1][row]
    records[5]["cutoutTemplate"] = None
    with (tmp_path / "all.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), records)
    score("-m", models["dia"], tmp_path / "all.avro", "-o", tmp_path / "o.parquet")
    scores = Table.read(tmp_path / "o.parquet")
    rows = np.arange(N) != 5
    np.testing.assert_allclose(scores["score"][rows], expected[rows], atol=1e-6)
    assert scores["flag_no_template"].tolist() == [row == 5 for row in range(N)]
    assert np.isnan(scores["score"][5]) and scores["flag_unscorable"][5]


def test_bare_packets_need_their_schema(tmp_path, models, stamps, ids) -> None:
    schema, records = lsst_alerts(stamps, ids)
    (tmp_path / "alert.avsc").write_text(json.dumps(schema))
    buffer = io.BytesIO(b"\0\0\0\0\1")
    buffer.seek(5)
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), records[0])
    (tmp_path / "one.avro").write_bytes(buffer.getvalue())
    arguments = ["-m", models["dia"], tmp_path / "one.avro", "-o", tmp_path / "o.parquet"]
    assert "needs its schema" in score(*arguments, code=1).output
    score(*arguments, "--schema", tmp_path / "alert.avsc")
    assert Table.read(tmp_path / "o.parquet")["id"].tolist() == [ids[0]]


VISITS = [("", 42, 4), ("_43", 43, 7)]


@pytest.fixture(scope="module")
def native_repo(stack_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Butler:
    folder = tmp_path_factory.mktemp("native")
    with tarfile.open(stack_data / "butler" / "native_repo.tar") as archive:
        archive.extractall(folder, filter="data")
    return Butler.from_config(folder / "native_repo", collections="oracle/run")


@pytest.mark.parametrize("suffix, visit, detector", VISITS)
def test_plain_afw_files_and_the_butler_give_the_same_scores(
    tmp_path, models, native_repo, stack_data, suffix, visit, detector
) -> None:
    """Boxes not at 0, a template 20 pixels larger, a rotated WCS, NaN rows and a NO_DATA corner are here."""
    stack = stack_data
    files = {
        "--science": stack / "injection" / f"injected_default{suffix}.fits",
        "--template": stack / "images" / f"template{suffix}.fits",
        "--difference": stack / "diffim" / f"difference{suffix}.fits",
    }
    options = [part for pair in files.items() for part in pair]
    catalogue = stack / "diffim" / f"dia_source_unstandardized{suffix}.parquet"
    score("-m", models["dia"], "-m", models["nodia"], *options, catalogue, "-o", tmp_path / "o.parquet")
    plain = Table.read(tmp_path / "o.parquet")

    where = {"visit": visit, "detector": detector, "instrument": "OracleCam"}
    names = ("preliminary_visit_image", "template_detector", "difference_image")
    handles = {
        role: native_repo.getDeferred(name, **where) for role, name in zip(cutouts.ROLES, names, strict=True)
    }
    sources = cutouts.read_dia_sources(native_repo.get("dia_source_unstandardized", **where))
    both = [classifier(models, name) for name in ("dia", "nodia")]
    results = score_sources(both, handles, sources["x"], sources["y"], sources["is_negative"])
    butler = score_table(sources["id"], results)
    assert len(plain) == len(butler) > 20
    for name in butler.colnames:
        np.testing.assert_array_equal(plain[name], butler[name], err_msg=name)
    # The flags tell of what the images are known to hold.
    sky_only = Table({"diaSourceId": sources["id"], "ra": sources["ra"], "dec": sources["dec"]})
    sky_only.write(tmp_path / "sky.ecsv")
    score("-m", models["dia"], *options, tmp_path / "sky.ecsv", "-o", tmp_path / "sky.parquet")
    assert len(Table.read(tmp_path / "sky.parquet")) == len(plain)


def test_plain_fits_images_score(tmp_path, models, shared_data) -> None:
    """Any FITS image does, here real DECam frames, with positions and flags of their edges."""
    frames = sorted((shared_data / "images" / "decam").glob("DEC-OBS*a.mini.fits"))
    sources = Table({"id": [1, 2, 3], "x": [128.0, 2.0, np.nan], "y": [120.0, 100.0, 5.0]})
    sources.write(tmp_path / "s.csv")
    images = ["--science", frames[0], "--template", frames[1]]
    score("-m", models["nodia"], *images, tmp_path / "s.csv", "-o", tmp_path / "o.ecsv")
    scores = Table.read(tmp_path / "o.ecsv")
    assert scores["flag_edge"].tolist() == [False, True, True]
    assert scores["flag_unscorable"].tolist() == [False, False, True]
    assert np.isfinite(scores["score"][:2]).all() and np.isnan(scores["score"][2])
