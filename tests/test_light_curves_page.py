"""The page of light curves: every epoch is on it once, with its own stamps and place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from lsst.meas.realbogus.association import LightCurves, SkyImage, make_light_curves
from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.cutouts import extract_triplets, read_dia_sources, stamp_table
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.report import (
    CutoutCard,
    SourceMap,
    choose_objects,
    make_cards,
)
from lsst.meas.realbogus.report._light_curves_page import render_light_curves_page
from lsst.meas.realbogus.repository import read_light_curves
from lsst.meas.realbogus.tables import read_table_file
from test_association import make_sources, square
from test_association_task import make_repo

EVIL = "<script>document.title = 'taken'</script>"


def make_curves() -> tuple[Table, LightCurves]:
    """Make objects with scores that follow their label, in images that cover them all."""
    sources = make_sources()
    sources["score"] = np.where(sources["label"] == 1, 0.9, 0.1)
    images = [
        SkyImage(visit, 0, "gr"[visit % 2], 60000.0 + 3 * visit, square(0.03, 60.01, 1.0))
        for visit in range(6)
    ]
    return sources, make_light_curves(sources, images)


def cards_of(sources: Table, size: int = 21) -> list[CutoutCard]:
    image = generator(3, "test-light-curves-page").normal(size=(80, 80)).astype(np.float32)
    x, y = np.linspace(0, 79, len(sources)), np.linspace(79, 0, len(sources))
    rows = {name: sources[name] for name in ("diaSourceId", "psfFlux", "psfFluxErr", "ra", "dec")}
    catalog = read_dia_sources({**rows, "x": x, "y": y})
    match = sources["diaSourceId", "label"]
    match["label_reason"] = EVIL[:24]
    scores = Table({"id": sources["diaSourceId"], "score": sources["score"]})
    stamps = extract_triplets(image, image, image, x, y, size)
    return make_cards(stamp_table(catalog, stamps), scores, match)


def facts_of(page: str) -> dict[str, Any]:
    return json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', page)[1])


def test_every_epoch_is_on_the_page_with_its_own_stamps() -> None:
    sources, curves = make_curves()
    cards = cards_of(sources)[::2]
    ids = np.asarray(sources["diaSourceId"])
    places = SourceMap("umap", ids[::-1], np.stack([np.arange(ids.size), -np.arange(ids.size)], axis=1))
    page = render_light_curves_page(curves, cards, title=EVIL, note=EVIL, source_map=places)
    facts = facts_of(page)
    epochs, objects = facts["epochs"], facts["objects"]
    assert (
        EVIL not in page
        and page.count("</script>") == 3
        and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    )
    assert len(epochs["object"]) == len(curves.epochs) and len(objects["id"]) == len(curves.objects)
    stamps = page.split('id="stamps">\n')[1].split("\n</script>")[0].split("\n")
    assert stamps == [card.stamps for card in cards]
    for row, identifier in enumerate(epochs["id"]):
        assert objects["id"][epochs["object"][row]] == str(curves.epochs["diaObjectId"][row])
        assert (epochs["flux"][row] is None) == (identifier == "")
        number = epochs["stamp"][row]
        assert number < 0 or cards[number].id == identifier
        if identifier:
            assert facts["map"]["x"][row] == ids.size - 1 - np.flatnonzero(ids == int(identifier))[0]
        else:
            assert facts["map"]["x"][row] is None
    assert sum(number >= 0 for number in epochs["stamp"]) == len(cards)


def test_confirmed_objects_and_those_with_most_sources_are_chosen_first() -> None:
    _, curves = make_curves()
    chosen = choose_objects(curves, 30)
    confirmed = curves.objects["diaObjectId"][curves.objects["confirmation"] == "confirmed"].tolist()
    counts = dict(
        zip(curves.objects["diaObjectId"].tolist(), curves.objects["nDiaSources"].tolist(), strict=True)
    )
    assert set(chosen.tolist()) < set(confirmed) and sum(counts[i] for i in chosen.tolist()) <= 30
    assert min(counts[i] for i in chosen.tolist()) >= max(counts[i] for i in confirmed if i not in chosen)
    assert sorted(choose_objects(curves, 10**6)) == sorted(counts)
    facts = facts_of(render_light_curves_page(curves, title="x", max_sources=30))
    assert sorted(facts["objects"]["id"]) == sorted(map(str, chosen.tolist()))


def test_a_map_of_other_numbers_is_refused() -> None:
    _, curves = make_curves()
    with pytest.raises(InvalidInputError, match=r"two numbers for each of 3 sources; got \(3, 1\)"):
        render_light_curves_page(curves, title="x", source_map=SourceMap("m", [1, 2, 3], np.zeros((3, 1))))


@pytest.mark.slow
def test_ten_thousand_sources_stay_below_60_mb() -> None:
    """Full triplets of 51 pixels of noise, which compresses worst; measured on some, as all are alike."""
    sources, _ = make_curves()
    page = render_light_curves_page(make_light_curves(sources), cards_of(sources, 51), title="x")
    assert len(page) / len(sources) * 10_000 < 60e6


@pytest.mark.slow
def test_the_command_draws_what_the_tables_hold(tmp_path: Path) -> None:
    sources, _ = make_curves()
    make_repo(tmp_path / "repo", sources)
    columns = {
        "diaSourceId": sources["diaSourceId"],
        "embedding_x": sources["ra"],
        "embedding_y": sources["dec"],
    }
    Table(columns, meta={"embedding": "umap"}).write(tmp_path / "map.ecsv")
    output = tmp_path / "page.html"
    arguments = [
        "lightcurves",
        str(tmp_path / "repo"),
        "scores",
        "-o",
        str(output),
        "--map",
        str(tmp_path / "map.ecsv"),
    ]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert f"{len(sources)} sources of 80 objects, 40 confirmed" in result.output
    facts = facts_of(output.read_text())
    assert facts["map"]["name"] == "umap" and len(facts["objects"]["id"]) == 80
    words = ["--overwrite", "-c", "confirmation.min_epochs=7", "--tables", str(tmp_path / "tables")]
    few = CliRunner().invoke(main, [*arguments, *words])
    curves = read_light_curves(tmp_path / "repo", "scores")
    for name in ("association", "objects", "epochs"):
        written, table = read_table_file(tmp_path / "tables" / f"{name}.parquet"), getattr(curves, name)
        assert written.colnames == table.colnames and len(written) == len(table)
        assert written["diaObjectId"].tolist() == table["diaObjectId"].tolist()
    objects = read_table_file(tmp_path / "tables" / "objects.parquet")
    assert "confirmed" not in objects["confirmation"].tolist()
    assert "0 confirmed" in few.output
    wrong = CliRunner().invoke(main, [*arguments, "--overwrite", "-c", "radios=1"])
    assert wrong.exit_code == 1 and "did you mean radius?" in wrong.output
