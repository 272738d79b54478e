"""Files of the names that README and manual use, made of one small run, for the commands that are shown."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import fastavro
import h5py
import numpy as np
from astropy.io import fits
from astropy.table import Table
from lsst.daf.butler import Butler, CollectionType
from lsst.images import Box, VisitImage

from alerts import lsst_alerts
from lsst.meas.realbogus.cutouts import ROLES
from lsst.meas.realbogus.model import (
    initial_weights,
    make_model,
    named_architecture,
    preset_contract,
    read_model_file,
    write_model,
)
from small_survey import COLLECTION

IMAGES = {
    "science": "injected_preliminary_visit_image",
    "template": "template_detector",
    "difference": "difference_image",
}
CHAINS = ("u/me/realbogus", "COLLECTION", "u/me/night", "u/me/night-20260208", "u/me/science-verification")
"""Collections of the pages that stand for the run."""


def lay_files(folder: Path, run: Path) -> None:
    """Fill a folder with everything that the pages read."""
    with Butler.from_config(str(run), collections=[COLLECTION, "RealBogusCam/input"]) as butler:
        where = {"instrument": "RealBogusCam", "visit": 1000, "detector": 0}
        images = {role: butler.get(name, where) for role, name in IMAGES.items()}
        tables = {
            name: butler.get(name, where)
            for name in (
                "source_detector",
                "dia_source_unstandardized",
                "dia_source_cutouts",
                "dia_source_match",
                "dia_source_reliability",
                "injected_preliminary_visit_image_catalog",
                "fake_supernova_catalog",
            )
        }
        template = butler.get("template_visit_image", where | {"visit": 1})
    for role, name in (("science", "S"), ("template", "T"), ("difference", "D")):
        images[role].write(str(folder / f"{name}.fits"))
    images["science"].write(str(folder / "IMAGE.fits"))
    _lay_tables(folder, tables)
    _lay_frames(folder, images["science"], template)
    _lay_models(folder)


def _lay_tables(folder: Path, tables: Mapping[str, Table]) -> None:
    sources, cutouts = tables["dia_source_unstandardized"], tables["dia_source_cutouts"]
    label = np.asarray(tables["dia_source_match"]["label"])
    sources.write(folder / "dia_sources.parquet")
    tables["source_detector"].write(folder / "SOURCES.parquet")
    tables["injected_preliminary_visit_image_catalog"].write(folder / "injected.parquet")
    tables["fake_supernova_catalog"][["injection_id", "ra", "dec", "mag", "band"]].write(folder / "MINE.csv")
    table = Table({"diaSourceId": sources["diaSourceId"], "label": label})
    scores = tables["dia_source_reliability"]
    Table({"diaSourceId": scores["id"], "score": np.clip(scores["score"], 0, 1)}).write(
        folder / "scores.parquet"
    )
    table.write(folder / "labels.csv")
    stamps = {role: np.asarray(cutouts[role]) for role in ROLES}
    ids = np.asarray(cutouts["diaSourceId"])
    np.savez(folder / "stamps.npz", id=ids, label=label, **stamps)
    known = label >= 0
    np.savez(folder / "few.npz", label=label[known], **{r: s[known] for r, s in stamps.items()})
    (folder / "alerts").mkdir()
    schema, records = lsst_alerts({role: stamp[:3] for role, stamp in stamps.items()}, ids[:3])
    with (folder / "alerts" / "1.avro").open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), records)


def _lay_frames(folder: Path, science: VisitImage, template: VisitImage) -> None:
    """Write frames of a telescope that no Butler knows: pixels, a header, and planes beside them."""
    for name in ("science", "old", "maps"):
        (folder / name).mkdir()
    part = Box.factory[120:390, 120:390]
    science, template = science[part], template[part]
    for name in ("science/1", "science1", "new1", "night1", "n21_sci", "jw1_i2d"):
        _lay_frame(folder / f"{name}.fits", science)
    for name in ("reference", "ref1", "old1", "n11_sci", "old/jw0_i2d"):
        _lay_frame(folder / f"{name}.fits", template)
    for name, image in (("night1", science), ("old1", template)):
        fits.writeto(folder / "maps" / f"{name}.noise.fits", np.sqrt(image.variance.array))
        fits.writeto(folder / "maps" / f"{name}.mask.fits", np.zeros(image.image.array.shape, np.uint8))
    for name, image in (("n11_wht", template), ("n21_wht", science)):
        fits.writeto(folder / f"{name}.fits", 1 / image.variance.array)
    y, x = np.mgrid[-12:13, -12:13]
    fits.writeto(folder / "psf.fits", np.exp(-(x**2 + y**2) / (2 * 1.8**2)))


def _lay_frame(path: Path, image: VisitImage) -> None:
    header = image.sky_projection.as_fits_wcs(image.bbox).to_header(relax=True)
    header.update({"DATE-OBS": "2026-02-08T03:04:05", "EXPTIME": 30.0, "MAGZERO": 31.4, "GAIN": 1.0})
    fits.writeto(path, image.image.array, header)


def _lay_models(folder: Path) -> None:
    weights = initial_weights(named_architecture("dia"), 5)
    own = make_model(preset_contract("dia", "des-dia", "aad3s"), weights)
    (folder / "MODEL.rbmodel").write_bytes(write_model(own))
    (folder / "golden_dia.npz").write_bytes(own.golden.to_bytes())
    with h5py.File(folder / "model_checkpoint_AAD_3s3DH.h5", "w", track_order=True) as file:
        for name, array in weights.items():
            layer, variable = name.split("/")
            file[f"model_weights/{layer}/{layer}/{variable}:0"] = array
    for name in ("mine", "a", "b"):
        (folder / f"{name}.rbmodel").write_bytes(read_model_file("package:dia"))


def lay_repository(folder: Path, run: Path) -> Path:
    """Copy a repository with a run, under the names that pages have for it and its collections."""
    repo = folder / "REPO"
    shutil.copytree(run, repo)
    (folder / "repo").symlink_to(repo)
    with Butler.from_config(str(repo), writeable=True) as butler:
        for name in CHAINS:
            butler.collections.register(name, CollectionType.CHAINED)
            butler.collections.redefine_chain(name, COLLECTION)
    return repo
