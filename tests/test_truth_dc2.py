"""DC2's truth: tables in every format, the flux at a visit's time, and the counts of DMTN-274."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import astropy.time
import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from lsst.daf.butler import Butler, Timespan
from lsst.sphgeom import Box as SkyBox
from lsst.sphgeom import LonLat

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.injection import dc2_magnitudes
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.repository import compare_with_dc2
from lsst.meas.realbogus.tables import magnitude_to_njy, read_table_file, write_table_file
from lsst.meas.realbogus.truth import (
    Dc2Truth,
    DetectionCounts,
    find_truth,
    match,
    read_dc2_selection,
    read_dc2_summary,
    read_dc2_tables,
    read_dc2_truth,
    read_dc2_variability,
)
from table_repository import table_repository

VISIT = 1030665
MJD = 60000.0
SUMMARY = Table(
    {
        "id": ["41", "MS_1_2", "43"],
        "host_galaxy": [-1, 77, -1],
        "ra": [55.0, 55.01, 55.5],
        "dec": [-30.0, -30.01, -30.0],
        "redshift": [0.0, 0.3, 0.0],
        "is_variable": [1, 1, 1],
        "flux_r": [1e4, 0.0, 2e4],
        "flux_i": [2e4, 0.0, 3e4],
    }
)
LIGHT_CURVES = Table(
    {
        "id": ["41", "MS_1_2", "43", "41"],
        "obsHistID": [VISIT, VISIT, VISIT, 7],
        "MJD": [MJD, MJD, MJD, 59000.0],
        "bandpass": ["i", "i", "i", "r"],
        "delta_flux": [-3e3, 5e3, 1e3, 2e3],
    }
)
SUPERNOVA = Table(
    {
        "snid": ["MS_9", "MS_1_2"], "x0": [1e-4, 1e-4], "t0": [MJD, MJD], "x1": [0.0, 0.0], "c": [0.0, 0.0],
        "z": [0.1, 0.1], "snra": [55.02, 55.01], "sndec": [-30.0, -30.01],
    }
)  # fmt: skip


def _write_sqlite(path: Path, **tables: Table) -> None:
    with sqlite3.connect(path) as connection:
        for name, table in tables.items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(table.colnames)})")
            rows = [tuple(np.asarray(value).item() for value in row) for row in table.iterrows()]
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(table.columns))})", rows)
    connection.close()


@pytest.fixture
def truth(tmp_path: Path) -> Dc2Truth:
    """Two variables, one of them elsewhere, and two supernovae, one of them with a light curve."""
    for name, table in (("summary", SUMMARY), ("curves", LIGHT_CURVES), ("sne", SUPERNOVA)):
        write_table_file(table, tmp_path / f"{name}.parquet")
    return read_dc2_tables(
        supernovae=tmp_path / "sne.parquet",
        summaries=[tmp_path / "summary.parquet"],
        variability=[tmp_path / "curves.parquet"],
    )


@pytest.mark.parametrize("ending", ["csv", "parquet", "db"])
def test_tables_of_every_format_read_the_same(tmp_path: Path, ending: str) -> None:
    for read, name, table in (
        (read_dc2_summary, "truth_summary", SUMMARY),
        (read_dc2_variability, "sn_variability_truth", LIGHT_CURVES),
    ):
        path = tmp_path / f"{name}.{ending}"
        if ending == "db":
            _write_sqlite(path, **{name: table})
        else:
            write_table_file(table, path)
        out = read(path)
        assert out["id"].tolist() == table["id"].tolist()
        for column in set(out.colnames) & set(table.colnames) - {"id", "bandpass"}:
            np.testing.assert_array_equal(out[column], table[column])
    assert np.isnan(read_dc2_summary(tmp_path / f"truth_summary.{ending}")["flux_u"]).all()
    some = read_dc2_variability(path, visits={7})
    assert (some["id"].tolist(), some["delta_flux"].tolist()) == (["41"], [2e3])


def test_numbers_for_names_and_missing_tables(tmp_path: Path) -> None:
    curves = LIGHT_CURVES[[0, 2, 3]]
    curves["id"] = curves["id"].astype(int)  # as the parquet files of stars have them
    write_table_file(curves, tmp_path / "stars.parquet")
    assert read_dc2_variability(tmp_path / "stars.parquet", {VISIT})["id"].tolist() == ["41", "43"]
    _write_sqlite(tmp_path / "other.db", something=SUMMARY)
    with pytest.raises(InvalidInputError, match=r"other.db has no table truth_summary; has something"):
        read_dc2_summary(tmp_path / "other.db")
    with pytest.raises(InvalidInputError, match="no truth table"):
        read_dc2_variability(tmp_path / "absent.db")


def test_both_forms_of_the_parameters_of_supernovae_read_the_same(tmp_path: Path) -> None:
    """The table ``sne_params`` calls its columns otherwise, and knows hosts."""
    write_table_file(SUPERNOVA, tmp_path / "list.parquet")
    params = Table({f"{name}_in": SUPERNOVA[name] for name in SUPERNOVA.colnames})
    params["galaxy_id"] = [31, 0]
    _write_sqlite(tmp_path / "sne.db", sne_params=params)
    of_list, of_params = (read_dc2_truth(tmp_path / name) for name in ("list.parquet", "sne.db"))
    assert of_list["snid"].tolist() == ["MS_1_2", "MS_9"]
    assert (of_list["host_id"].tolist(), of_params["host_id"].tolist()) == ([0, 0], [0, 31])
    for name in set(of_list.colnames) - {"host_id"}:
        np.testing.assert_array_equal(of_list[name], of_params[name])


def test_a_table_without_visits_is_refused_whatever_is_asked_of_it(tmp_path: Path) -> None:
    write_table_file(SUMMARY, tmp_path / "summary.parquet")
    with pytest.raises(InvalidCatalogError, match="obsHistID"):
        read_dc2_variability(tmp_path / "summary.parquet", {VISIT})


def test_changes_are_those_of_the_visit(truth: Dc2Truth) -> None:
    changes = truth.changes(VISIT, "i", MJD)
    assert changes["dc2_id"].tolist() == ["41", "MS_1_2", "43"]
    assert changes["kind"].tolist() == ["variable", "transient", "variable"]
    assert changes["flux"].tolist() == [1.7e4, 5e3, 3.1e4]
    assert changes["template_flux"].tolist() == [2e4, 0.0, 3e4]
    assert changes["delta_flux"].tolist() == [-3e3, 5e3, 1e3]
    assert changes["mag_r"][0] == pytest.approx(31.4 - 2.5 * 4) and np.isnan(changes["mag_r"][1])
    assert changes["truth_id"][0] == 41 and changes["truth_id"][1] >= 1 << 62
    assert changes["host_id"].tolist() == [0, 77, 0]
    assert len(truth.changes(8, "i", MJD)) == 0
    with pytest.raises(InvalidCatalogError, match="bandpass is i, the visit's band is r"):
        truth.changes(VISIT, "r", MJD)
    lost = Dc2Truth(summary=truth.summary[:1], variability=truth.variability)  # type: ignore[index]
    with pytest.raises(InvalidCatalogError, match="2 objects are not in the summary, the first MS_1_2"):
        lost.changes(VISIT, "i", MJD)


def test_supernovae_without_a_light_curve_have_that_of_their_parameters(truth: Dc2Truth) -> None:
    near = {"contains": lambda ra, dec: ra < 55.2, "magnitudes": dc2_magnitudes}
    changes = truth.changes(VISIT, "i", MJD, **near)
    assert changes["dc2_id"].tolist() == ["41", "MS_1_2", "MS_9"]  # each once
    assert truth.supernovae is not None
    one = truth.supernovae[np.asarray(truth.supernovae["snid"]) == "MS_9"]
    assert changes["flux"][2] == pytest.approx(magnitude_to_njy(dc2_magnitudes(one, "i", MJD))[0])
    assert changes["mag_r"][2] == pytest.approx(dc2_magnitudes(one, "r", MJD)[0])
    assert len(Dc2Truth(supernovae=one).changes(1, "i", MJD - 500.0, **near)) == 0  # dark


def test_supernovae_of_the_shared_tables_are_as_bright_as_they_say(shared_data: Path) -> None:
    folder = shared_data / "truth_dc2"
    table = read_dc2_truth(folder / "sne_cosmoDC2_v1.1.4_MS_DDF_small.db")
    row = int(np.argmin(table["redshift"]))
    peak = float(table["t0"][row])
    changes = Dc2Truth(supernovae=table).changes(1, "r", peak, magnitudes=dc2_magnitudes)
    one = changes[np.asarray(changes["dc2_id"]) == table["snid"][row]]
    assert len(one) == 1 and one["mag_r"][0] == pytest.approx(
        10.5 - 2.5 * np.log10(table["x0"][row]), abs=0.8
    )
    assert len(np.unique(changes["truth_id"])) == len(changes) > 10


def test_the_counts_of_dmtn_274_come_out_of_the_published_cells() -> None:
    """100 images of DC2: 4373 sources, 346 of them true; 5258 true changes."""
    rng = generator(1, "test-dmtn-274", 0)
    parts = [rng.multinomial(n, np.full(100, 0.01)) for n in (346, 4373 - 346, 5258 - 346)]
    counts = DetectionCounts()
    for true, false, missed in zip(*parts, strict=True):
        place = rng.permutation(4000)[: true + false + missed] * 3 / 3600  # 3 arcsec apart
        found, others, lost = np.split(place, [true, true + false])
        truth = Table({"ra": 55 + np.concatenate([found, lost]), "dec": np.full(true + missed, 0.0)})
        sources = Table(
            {"ra": 55 + np.concatenate([others, found]), "dec": np.full(true + false, 0.5 / 3600)}
        )
        for one_to_one in (False, True):
            rows = find_truth(sources, truth, one_to_one=one_to_one)
            assert rows.tolist() == [-1] * false + list(range(true))
        counts += DetectionCounts.of(rows, len(truth))
    assert (counts.n_sources, counts.n_matched, counts.n_unmatched) == (4373, 346, 4027)
    assert (counts.n_truth, counts.n_missed) == (5258, 4912)
    assert round(100 * counts.missed_fraction, 1) == 93.4


def test_two_sources_of_one_change_both_match_it_unless_one_to_one() -> None:
    truth = Table({"ra": [10.0, 10.0], "dec": [0.0, 0.8 / 3600]})
    sources = Table({"ra": [10.0, 10.0, 11.0], "dec": [0.1 / 3600, -0.3 / 3600, 0.0]})
    assert find_truth(sources, truth).tolist() == [0, 0, -1]
    assert find_truth(sources, truth, one_to_one=True).tolist() == [0, -1, -1]
    counts = DetectionCounts.of([0, 0, -1], 2)
    assert (counts.n_matched, counts.n_found, counts.n_missed) == (2, 1, 1)


def test_the_images_of_dmtn_274_are_listed() -> None:
    images = read_dc2_selection()
    assert len(images) == len({(row["visit"], row["detector"]) for row in images}) == 100
    assert len(set(images["visit"])) == 43 and set(images["band"]) == set("griy")
    assert tuple(images[0]) == (1030665, 151, "i")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """An image of DMTN-274 and another, with three DIA sources each."""
    root = tmp_path / "repo"
    begin = astropy.time.Time(MJD - 15 / 86400, format="mjd", scale="tai")
    span = Timespan(begin, begin + 30 * astropy.units.s)
    region = SkyBox(LonLat.fromDegrees(54.9, -30.1), LonLat.fromDegrees(55.1, -29.9))
    words = {"instrument": "LSSTCam-imSim", "detectors": (151,), "physical_filter": "i_sim_1.4", "band": "i"}
    name, visits = "dia_source_unstandardized", (VISIT, 8)
    with table_repository(root, [name], visits, **words, region=region, run="u/run", timespan=span) as butler:
        for visit in visits:
            image = {"instrument": "LSSTCam-imSim", "visit": visit, "detector": 151}
            sources = Table(
                {
                    "diaSourceId": 10 * visit + np.arange(3), "ra": [55.0, 55.02, 55.05],
                    "dec": [-30.0 + 0.3 / 3600, -30.0, -30.0], "psfFlux": [-3e3, 2e4, 500.0],
                    "psfFluxErr": np.full(3, 100.0), "x": np.arange(3) * 300.0, "y": np.arange(3) * 300.0,
                }
            )  # fmt: skip
            butler.put(sources, name, image)
    return root


def test_a_run_is_compared_with_the_truth_and_labelled_by_it(repo: Path, truth: Dc2Truth) -> None:
    compared = compare_with_dc2(repo, "u/run", truth, run="u/truth")
    # On the first image a variable and two supernovae, on the second the supernovae of the parameters.
    assert (compared.n_images, compared.counts) == (2, DetectionCounts(6, 3, 5, 3))
    assert compared.on_good_pixels == compared.counts
    found = {int(i) for i in compared.objects["diaSourceId"] if i >= 0}
    assert found == {10 * VISIT, 10 * VISIT + 1, 81}
    one = compare_with_dc2(repo, "u/run", truth, selection=read_dc2_selection())
    assert (one.n_images, one.counts) == (1, DetectionCounts(3, 2, 3, 2))
    with Butler.from_config(repo) as butler:
        image = {"instrument": "LSSTCam-imSim", "visit": VISIT, "detector": 151}
        sources = butler.get("dia_source_unstandardized", image, collections="u/run")
        labelled = match(sources, truth=butler.get("visit_truth", image, collections="u/truth")).sources
    assert labelled["label"].tolist() == [1, 1, 0]
    assert labelled["kind"].tolist()[:2] == ["variable", "transient"]


@pytest.fixture
def run(repo: Path, truth: Dc2Truth, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the command in the folder of the files."""
    monkeypatch.chdir(repo.parent)

    def invoke(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, ["truth", "dc2", "repo", "u/run", *words])
        assert result.exit_code == code, result.output
        return result.output

    return invoke


def test_the_command_prints_the_table_of_dmtn_274(run: Callable[..., str], tmp_path: Path) -> None:
    output = run("--supernovae", "sne.parquet", "--summary", "summary.parquet", "--variability",
                 "curves.parquet", "--dmtn-274", "-o", "all.ecsv")  # fmt: skip
    words = [line.split() for line in output.splitlines()]
    assert ["DIA", "sources", "3", "3"] in words and ["matching", "the", "truth", "2", "2"] in words
    assert ["truth", "objects", "3", "3"] in words and ["missed,", "of", "all", "33.3%", "33.3%"] in words
    assert read_table_file(tmp_path / "all.ecsv")["delta_flux"].tolist()[:2] == [-3e3, 5e3]
    assert "give --supernovae, or --summary" in run(code=2)
