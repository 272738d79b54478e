"""Fluxes and positions of fakes in difference images against what was injected.

    python benchmarks/photometry.py [--quick] [--json FILE]

Simulated surveys in memory, on detectors of 1024 x 1024 pixels: template coadds, search visits of three
kinds (ordinary, with a wrong PSF model, with a wrong WCS), fakes on galaxies and anywhere, subtraction,
measurement. Printed is a Markdown table of ``(psfFlux - injected) / psfFluxErr`` and of the same for
positions, by population, surface brightness beneath, and kind of visit, for fakes whose expected
signal-to-noise ratio is 8 or more: a cut on the injected flux, so that noise does not choose. Fakes with
another change of the sky within 15 pixels (``blended``) or on an artefact of the simulator (``artefact``) are
rows of their own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.ndimage
from astropy.table import Table, vstack
from lsst.images import VisitImage
from lsst.images.cells import CellCoadd

from lsst.meas.realbogus.diffim import subtract_visit
from lsst.meas.realbogus.injection import (
    CatalogOptions,
    Footprint,
    HostedOptions,
    RandomOptions,
    inject,
    make_catalog,
)
from lsst.meas.realbogus.measurement import measure_difference, measure_sources
from lsst.meas.realbogus.survey import PRESETS, SurveyConfig, Visit, make_schedule, simulate_visit
from lsst.meas.realbogus.survey._astrometry import make_wcs
from lsst.meas.realbogus.survey._tract import make_tract
from lsst.meas.realbogus.templates import assemble_coadd, build_template, prepare_input
from lsst.meas.realbogus.truth import distance_to_segments

SIZE = 1024
KINDS = {
    "ordinary": {"psf_changes": 0.0, "astrometric_jitter": 0.0},
    "wrong PSF": {"psf_changes": 1.0, "astrometric_jitter": 0.0},
    "wrong WCS": {"psf_changes": 0.0, "astrometric_jitter": 1.0},
}
FAKES = CatalogOptions(
    hosted=HostedOptions(fraction=0.2), random=RandomOptions(density=12_000.0, mag_min=20.0, mag_max=24.5)
)
OBJECTS = ("star", "galaxy", "transient", "variable", "asteroid", "high_proper_motion")
NOT_LOCAL = ("psf_change", "astrometric_jitter")
"""Artefacts that are those of a whole visit."""
LEAST_SNR = 8.0
MATCH_PIXELS, BLEND_PIXELS, MASK_PIXELS, ARTEFACT_PIXELS = 3.0, 15.0, 6, 12.0
AREA = 0.2**2
"""Square arcseconds of a pixel."""
BRIGHTNESS = (15.0, 22.0, 23.0, 24.0, 25.0, 26.0)
"""Bins of the light beneath a fake, magnitudes in a square arcsecond; the faintest are on blank sky."""


def survey(seed: int, kind: str) -> SurveyConfig:
    """Return a survey of one detector; its sky and its templates depend on the seed only."""
    return PRESETS["demo"].replace(
        seed=seed, detector_grid=(1, 1), detector_size=(SIZE, SIZE), n_search_visits=3, **KINDS[kind]
    )


def coadds_of(config: SurveyConfig) -> list[CellCoadd]:
    """Assemble the template coadds."""
    images = [simulate_visit(config, visit, 0).image for visit in make_schedule(config) if visit.is_template]
    grid = make_wcs(config.ra, config.dec, pixel_scale=config.pixel_scale)
    tract = make_tract(config.skymap, grid, [(image.sky_projection, image.bbox) for image in images])
    coadds = []
    for patch in tract.patches:
        inputs = [item for item in (prepare_input(image, tract, patch) for image in images) if item]
        if inputs:
            coadds.append(assemble_coadd(inputs, tract, patch, band="r"))
    return coadds


def measure(config: SurveyConfig, visit: Visit, coadds: list[CellCoadd]) -> Table:
    """Inject, subtract and measure one search visit; return the fakes with what was measured of each."""
    simulated = simulate_visit(config, visit, 0)
    image = simulated.image
    footprint = Footprint(visit.id, 0, "r", visit.mjd, image.bbox, image.sky_projection)
    catalog = make_catalog(measure_sources(image), footprint, FAKES, seed=config.seed)
    injection = inject(image, catalog, seed=config.seed)
    template = build_template(
        coadds,
        image.bbox,
        image.sky_projection,
        detector=image.detector,
        obs_info=image.obs_info,
        band="r",
    )
    assert template is not None
    products = subtract_visit(injection.image, template)
    difference, found = measure_difference(
        products.difference,
        injection.image,
        products.template,
        science_psf=image.psf,
        template_psf=products.template.psf,
    )
    fakes = injection.catalog[np.asarray(injection.catalog["injection_flag"]) == 0]
    fakes = fakes[image.bbox.contains(x=np.rint(fakes["x"]).astype(int), y=np.rint(fakes["y"]).astype(int))]
    return _join(fakes, found.sources, simulated.truth, difference, products.template, products.summary)


def _join(
    fakes: Table,
    sources: Table,
    truth: Table,
    difference: VisitImage,
    template: VisitImage,
    summary: dict[str, float | int | str],
) -> Table:
    """Return a row for each fake: what was injected, what was found, and what lies nearby."""
    x, y = np.asarray(fakes["x"], float), np.asarray(fakes["y"], float)
    column, row = (
        np.rint(x).astype(int) - difference.bbox.x.start,
        np.rint(y).astype(int) - difference.bbox.y.start,
    )
    source, is_found = _matched(x, y, sources)
    psf = difference.psf.compute_kernel_image(x=difference.bbox.x.center, y=difference.bbox.y.center).array
    noise = np.sqrt(difference.variance.array[row, column] / np.sum(psf**2))
    light = template.image.array[row, column] / AREA
    out = Table(
        {
            "population": np.where(np.asarray(fakes["population"]) == "hosted", "hosted", "isolated"),
            "flux": np.asarray(fakes["flux"], float),
            "snr": np.asarray(fakes["flux"], float) / noise,
            "brightness": 31.4 - 2.5 * np.log10(np.maximum(light, 1e-9)),
            "scale": np.full(len(fakes), float(summary["fluxScale"])),
        }
    )
    for name, measured, true, error in (
        ("flux_pull", sources["psfFlux"], out["flux"], sources["psfFluxErr"]),
        ("x_pull", sources["x"], x, sources["xErr"]),
        ("y_pull", sources["y"], y, sources["yErr"]),
        ("ratio", sources["psfFlux"], 0.0, out["flux"]),
    ):
        by = np.asarray(error)[source] if name != "ratio" else np.asarray(error)
        out[name] = np.where(is_found, (np.asarray(measured)[source] - true) / by, np.nan)
    out["where"] = _surroundings(x, y, truth, difference, float(np.median(noise)))
    return out


def _pixels(position: np.ndarray, start: int) -> np.ndarray:
    return np.rint(position).astype(int) - start


def _matched(x: np.ndarray, y: np.ndarray, sources: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest source of each fake, and whether the two are each other's."""
    away = np.hypot(np.subtract.outer(x, sources["x"]), np.subtract.outer(y, sources["y"]))
    source = away.argmin(axis=1)
    mutual = away.argmin(axis=0)[source] == np.arange(len(x))
    positive = ~np.asarray(sources["isNegative"], bool)[source]
    return source, mutual & positive & (away.min(axis=1) < MATCH_PIXELS)


def _surroundings(
    x: np.ndarray, y: np.ndarray, truth: Table, difference: VisitImage, noise: float
) -> np.ndarray:
    """Say of each fake whether it is blended, on an artefact, or neither."""
    kind = np.asarray(truth["kind"]).astype(str)
    changed = np.isin(kind, OBJECTS) & (np.abs(truth["flux"] - truth["template_flux"]) > noise)
    other = np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y)) + np.where(np.eye(len(x)), np.inf, 0.0)
    near = np.hypot(
        np.subtract.outer(x, np.asarray(truth["x"])[changed]),
        np.subtract.outer(y, np.asarray(truth["y"])[changed]),
    )
    blended = np.concatenate([other, near], axis=1).min(axis=1) < BLEND_PIXELS
    artefacts = truth[~np.isin(kind, (*OBJECTS, *NOT_LOCAL))]
    away = distance_to_segments(x, y, *(artefacts[name] for name in ("x", "y", "length", "width", "angle")))
    spoiled = np.zeros(difference.bbox.shape, bool)
    for plane in ("BAD", "SATURATED", "COSMIC_RAY", "INTERPOLATED", "NO_DATA", "SAT_TEMPLATE"):
        if plane in difference.mask.schema.names:
            spoiled |= difference.mask.get(plane)
    spoiled = scipy.ndimage.maximum_filter(spoiled, size=2 * MASK_PIXELS + 1)
    column, row = (
        np.rint(x).astype(int) - difference.bbox.x.start,
        np.rint(y).astype(int) - difference.bbox.y.start,
    )
    on_artefact = spoiled[row, column] | (away < ARTEFACT_PIXELS).any(axis=1)
    return np.where(on_artefact, "artefact", np.where(blended, "blended", "apart"))


def spread(values: np.ndarray) -> float:
    """Return the standard deviation of a Gaussian with the same central 68 %."""
    values = values[np.isfinite(values)]
    return float(np.diff(np.percentile(values, [15.87, 84.13]))[0] / 2) if len(values) > 4 else float("nan")


def rows_of(fakes: Table) -> Iterator[tuple[str, str, str, Table]]:
    """Yield the rows of the table: kind of visit, population, surface brightness, and fakes."""
    for kind in KINDS:
        of_kind = fakes[fakes["kind"] == kind]
        apart = of_kind[of_kind["where"] == "apart"]
        for population in ("isolated", "hosted"):
            yield kind, population, "all", apart[apart["population"] == population]
        edges = (*BRIGHTNESS, 100.0)
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            label = f"{low:g} to {high:g}" if high < 100 else "blank sky"
            yield kind, "any", label, apart[(apart["brightness"] >= low) & (apart["brightness"] < high)]
        for where in ("blended", "artefact"):
            yield kind, where, "all", of_kind[of_kind["where"] == where]


def table_of(fakes: Table) -> str:
    """Write the table as Markdown."""
    lines = [
        "| visits | fakes | mag / arcsec² beneath | found | flux / true | mean pull | median pull | spread "
        "| rms | spread of position pulls |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, population, label, part in rows_of(fakes[fakes["snr"] >= LEAST_SNR]):
        pull = np.asarray(part["flux_pull"])
        pull = pull[np.isfinite(pull)]
        if len(pull) < 5:
            continue
        place = np.concatenate([part["x_pull"], part["y_pull"]])
        lines.append(
            f"| {kind} | {population} | {label} | {len(pull)} of {len(part)} "
            f"| {np.nanmedian(part['ratio']):.3f} "
            f"| {pull.mean():+.2f} | {np.median(pull):+.2f} | {spread(pull):.2f} | {pull.std():.2f} "
            f"| {spread(place):.2f} |"
        )
    return "\n".join(lines)


def figures_of(fakes: Table) -> dict[str, float]:
    """Return the figures of the ordinary visits."""
    chosen = fakes[(fakes["kind"] == "ordinary") & (fakes["where"] == "apart") & (fakes["snr"] >= LEAST_SNR)]
    out = {}
    for population in ("isolated", "hosted"):
        pull = np.asarray(chosen["flux_pull"][chosen["population"] == population])
        pull = pull[np.isfinite(pull)]
        out[f"pull_scatter_{population}"] = spread(pull)
        out[f"flux_bias_{population}_sigma"] = float(np.median(pull))
        out[f"n_{population}"] = float(len(pull))
    out["position_pull_scatter"] = spread(np.concatenate([chosen["x_pull"], chosen["y_pull"]]))
    scales = np.unique(fakes["scale"][fakes["kind"] == "ordinary"])
    out["flux_scale_1024"] = float(np.mean(scales))
    out["flux_scale_1024_error"] = float(np.std(scales) / np.sqrt(max(len(scales) - 1, 1)))
    return out


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two surveys with one visit of each kind")
    parser.add_argument("--surveys", type=int, default=16, help="how many surveys to simulate")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    parts = []
    for seed in range(1, 3 if options.quick else 1 + options.surveys):
        coadds = coadds_of(survey(seed, "ordinary"))
        for kind in KINDS:
            config = survey(seed, kind)
            visits = [visit for visit in make_schedule(config) if not visit.is_template]
            for visit in visits[: 2 if kind == "ordinary" and not options.quick else 1]:
                part = measure(config, visit, coadds)
                part["kind"] = kind
                parts.append(part)
    fakes = vstack(parts, metadata_conflicts="silent")
    print(table_of(fakes))
    figures = figures_of(fakes)
    for name, value in figures.items():
        print(f"{name:40s} {value:10.4f}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
