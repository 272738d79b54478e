#!/usr/bin/env python
"""Draw a contact sheet of every kind of artefact that the simulator draws: ``doc/images/artefact_kinds.png``.

Each row is a kind, each triplet the science image, the template and the difference around a DIA source that
the truth table ascribes to it: four with the pixels and PSF of LSSTCam, then four with those of ZTF. Images
are simulated, templates coadded and subtracted in memory, in about a minute.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy.table import Table
from lsst.images import VisitImage
from PIL import Image

from lsst.meas.realbogus.diffim import subtract_visit
from lsst.meas.realbogus.measurement import measure_difference
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.survey import (
    PRESETS,
    TRAINING_ARTEFACTS,
    SurveyConfig,
    make_schedule,
    simulate_visit,
)
from lsst.meas.realbogus.survey._astrometry import make_wcs
from lsst.meas.realbogus.survey._tract import make_tract
from lsst.meas.realbogus.tables import empty_table
from lsst.meas.realbogus.templates import assemble_coadd, build_template, prepare_input
from lsst.meas.realbogus.truth import label_dia_sources
from lsst.meas.realbogus.truth._inputs import INJECTED

mpl.use("Agg")
from matplotlib import pyplot as plt

KINDS = (
    "soft_blob", "ghost_disk", "glint", "aberration", "core_defect", "charge_trail", "persistence", "streak",
    "cosmic_ray_hit", "hot_pixel", "crosstalk", "missing_block", "ringing", "refraction", "brighter_fatter",
    "clouds",
)  # fmt: skip
HALF = 15

type Stamp = np.ndarray
type Triplet = tuple[Stamp, Stamp, Stamp]


def make_template(config: SurveyConfig, science: VisitImage) -> VisitImage:
    """Coadd the template visits onto the detector of a science image."""
    images = [simulate_visit(config, visit, 0).image for visit in make_schedule(config) if visit.is_template]
    wcs = make_wcs(config.ra, config.dec, pixel_scale=config.pixel_scale)
    tract = make_tract(
        config.skymap, wcs, [(image.sky_projection, image.bbox) for image in [science, *images]]
    )
    coadds = []
    for patch in tract.patches:
        inputs = [item for item in (prepare_input(image, tract, patch) for image in images) if item]
        if inputs:
            coadds.append(assemble_coadd(inputs, tract, patch, band=science.band))
    template = build_template(
        coadds, science.bbox, science.sky_projection,
        detector=science.detector, obs_info=science.obs_info, band=science.band,
    )  # fmt: skip
    assert template is not None
    return template


def labelled(config: SurveyConfig, number: int) -> tuple[dict[str, np.ndarray], Table]:
    """Subtract one search visit; return its images, and its DIA sources with labels."""
    search = [visit for visit in make_schedule(config) if not visit.is_template][number]
    simulated = simulate_visit(config, search, 0)
    science = simulated.image
    products = subtract_visit(science, make_template(config, science))
    sources = measure_difference(
        products.difference, science, products.template,
        science_psf=science.psf, template_psf=products.template.psf,
    )[1].sources  # fmt: skip
    matched = label_dia_sources(sources, empty_table(INJECTED), simulated.truth)
    for name in ("label", "label_reason"):
        sources[name] = matched.table[name]
    images = {"science": science, "template": products.template, "difference": products.difference}
    return {name: np.array(image.image.array, float) for name, image in images.items()}, sources


def collect(config: SurveyConfig, found: dict[str, list[Triplet]]) -> None:
    """Add triplets around the DIA sources of every search visit to their kinds."""
    for number in range(config.n_search_visits):
        images, sources = labelled(config, number)
        padded = [np.pad(image, HALF, constant_values=np.nan) for image in images.values()]
        for x, y, reason in zip(sources["x"], sources["y"], sources["label_reason"], strict=True):
            row, column = round(y), round(x)
            stamp = tuple(image[row : row + 2 * HALF + 1, column : column + 2 * HALF + 1] for image in padded)
            found[str(reason)].append(stamp)


def stretch(stamp: Stamp) -> Stamp:
    """Scale a stamp by its median and scatter, as a network sees it."""
    if not np.isfinite(stamp).any():
        return np.zeros(stamp.shape)
    middle = np.nanmedian(stamp)
    scatter = 1.4826 * np.nanmedian(np.abs(stamp - middle))
    return np.arcsinh((stamp - middle) / (3 * scatter + 1e-9))


def draw(found: dict[str, list[Triplet | None]], kinds: tuple[str, ...], path: Path, columns: int) -> None:
    """Draw one row for each kind."""
    colours = plt.get_cmap("gray").with_extremes(bad="#803030")
    figure = plt.figure(figsize=(1.1 + 1.5 * columns, 0.52 * len(kinds)), dpi=100)
    left = 1.1 / (1.1 + 1.5 * columns)
    for number, kind in enumerate(kinds):
        bottom, tall = 1 - (number + 1) / len(kinds), 0.92 / len(kinds)
        figure.text(0.005, bottom + tall / 2, kind.replace("_", "\n"), fontsize=7, va="center")
        for place, triplet in enumerate(found[kind][:columns]):
            if triplet is None:
                continue
            wide = (1 - left) / columns
            axes = figure.add_axes((left + place * wide, bottom, 0.97 * wide, tall))
            row = np.hstack(
                [np.pad(stretch(stamp), ((0, 0), (0, 1)), constant_values=np.nan) for stamp in triplet]
            )
            axes.imshow(row, cmap=colours, vmin=-1.2, vmax=3, origin="lower", interpolation="nearest")
            axes.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.canvas.draw()
    Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]).quantize(40).save(path, optimize=True)
    plt.close(figure)


def examples(preset: str, seed: int) -> dict[str, list[Triplet]]:
    """Return triplets by kind as a camera sees them: those on blank sky together, those at stars singly."""
    others = (
        "cosmic_rays", "bad_columns", "satellites", "ghosts", "astrometric_jitter", "psf_changes",
        "edge_glows", "no_data_borders", "vignetted_corners",
    )  # fmt: skip
    base = PRESETS[preset].replace(
        seed=seed, detector_grid=(1, 1), detector_size=(800, 800), n_search_visits=1, n_template_visits=3,
        template_artefact_factor=0.0, bands=("g",), dither=0.5, rotation=(0.0, 0.0),
        **dict.fromkeys(others, 0.0),
    )  # fmt: skip
    starry = base.replace(star_density=2.5 * base.star_density, galaxy_density=0.0)
    found: dict[str, list[Triplet]] = defaultdict(list)
    at_stars = (
        "cloud_patches",
        "core_defects",
        "aberrated_visits",
        "charge_trails",
        "refraction",
        "brighter_fatter",
    )
    on_sky = {name: 15.0 for name in TRAINING_ARTEFACTS if name not in at_stars}
    collect(base.replace(**on_sky | {"missing_blocks": 40.0, "glint_trails": 8.0}), found)
    for changes in (
        {"cloud_patches": 0.12, "extinction": (2.5, 2.5), "template_extinction": (0.0, 0.0)},
        {"core_defects": 0.5},
        {"aberrated_visits": 1.0, "aberration_size": (0.8, 1.4), "aberration_in_model": (0.4, 0.6)},
        {"charge_trails": 1.0, "charge_trail_fraction": (0.04, 0.06)},
        {"refraction": 8.0 * base.pixel_scale / 0.2, "airmass": (1.3, 1.6)},
        {"brighter_fatter": 0.08},
    ):
        collect(starry.replace(**changes), found)
    return found


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("doc/images/artefact_kinds.png"))
    parser.add_argument("--columns", type=int, default=4, help="triplets of each kind and camera")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    shown: dict[str, list[Triplet | None]] = defaultdict(list)
    for preset in ("lsstcam", "ztf"):
        found = examples(preset, options.seed)
        for kind in KINDS:
            order = generator(options.seed, "examples", preset, kind).permutation(len(found[kind]))
            chosen = [found[kind][number] for number in order[: options.columns]]
            shown[kind] += chosen + [None] * (options.columns - len(chosen))
    draw(shown, KINDS, options.output, 2 * options.columns)


if __name__ == "__main__":
    main()
