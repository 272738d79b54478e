"""Ours next to the tasks of the Science Pipelines: injection, difference imaging, images and scores.

    python benchmarks/stack.py [--quick] [--json FILE] [--data DATA]

Where the Science Pipelines are installed, their tasks run on the same simulated images as ours:
VisitInjectTask on one catalogue, AlardLuptonSubtractTask and DetectAndMeasureTask on one science image with
injected stars and its template, and `ExposureF` datasets beside ours. What is not installed is named and left
out. What those tasks stored of two visits (tests/data/stack) is compared with ours everywhere.

Figures of the simulated image: `flux_deviation` is the largest deviation from 1 of injected fluxes, ours
over theirs, and `flags_differ` the number of rows whose flags differ; `ours_…` and `theirs_…` say which
fraction of the injected stars of SNR 10 or more was found, at which flux, with how many false sources of
SNR 7 or more; `…_cpu_ratio` is theirs over ours, in CPU seconds. `score_difference` is the largest difference
of the scores of one set of sources through a Butler and outside. `stored_…` are those of the stored visits.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from astropy.table import Table
from judging.added_light import VISITS as INJECTED_VISITS
from judging.added_light import compare_light, compare_stored, read_injection
from judging.differences import VISITS, Verdict, against_truth, agreement, judge, same_matches
from judging.pair import Pair, make_pair
from judging.stored import unpack_results
from judging.their_tasks import NEEDED, cpu, inject_theirs, missing, subtract_theirs
from lsst.daf.butler import Butler, DatasetType
from lsst.images import DifferenceImage, VisitImage
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lsst.meas.realbogus.cutouts import read_dia_sources
from lsst.meas.realbogus.diffim import subtract_visit
from lsst.meas.realbogus.injection import InjectionOptions, inject
from lsst.meas.realbogus.measurement import measure_difference
from lsst.meas.realbogus.model import load_classifier, score_sources
from lsst.meas.realbogus.tasks.rb_classifier import RbClassifierTask

type Figures = dict[str, float]

MODEL = "package:acero-cuellar-dia"
RADIUS = 12.0
"""Within how many pixels both injections calibrate a star [pixels]; VisitInjectTask's default."""


def compare_stored_results(stack: Path) -> Figures:
    """Compare with what the real tasks stored."""
    figures: Figures = {}
    for visit in INJECTED_VISITS:
        case = read_injection(stack, visit)
        _, ratios = compare_stored(case, case.ours.image)
        figures[f"stored_{visit}_flux_deviation"] = float(np.abs(ratios - 1).max())
        figures[f"stored_{visit}_flags_differ"] = count_other_flags(case.ours.catalog, case.their_catalog)
    for visit, suffix in VISITS.items():
        numbers = agreement(judge(stack, visit)) | same_matches(stack, suffix)
        figures |= {f"stored_{visit}_diffim_{name}": value for name, value in numbers.items()}
    return figures


def count_other_flags(ours: Table, theirs: Table) -> float:
    """Count rows of one catalogue that only one injection has, or whose flags differ."""
    flags = [
        dict(zip(table["injection_id"].tolist(), table["injection_flag"].tolist(), strict=True))
        for table in (ours, theirs)
    ]
    return float(sum(flags[0].get(row) != flags[1].get(row) for row in flags[0].keys() | flags[1].keys()))


def compare_injections(pair: Pair) -> Figures:
    """Inject one catalogue without noise, by both where both are."""
    options = InjectionOptions(add_noise=False, calib_flux_radius=RADIUS)
    seconds, ours = cpu(lambda: inject(pair.science, pair.fakes, options, seed=1))
    figures = {"injection_cpu_s": seconds}
    if missing("injection"):
        return figures
    theirs = inject_theirs(pair.science, pair.fakes["injection_id", "ra", "dec", "mag"], RADIUS)
    good = np.asarray(ours.catalog["injection_flag"]) == 0
    _, ratios = compare_light(
        pair.science,
        ours.image.image.array,
        theirs.pixels,
        ours.catalog["x"][good],
        ours.catalog["y"][good],
    )
    return figures | {
        "injection_cpu_ratio": theirs.seconds / seconds,
        "flux_deviation": float(np.abs(ratios - 1).max()),
        "flags_differ": count_other_flags(ours.catalog, theirs.catalog),
        "fluxes_compared": float(ratios.size),
    }


def with_fakes(pair: Pair) -> VisitImage:
    """Return the science image with the fakes, and Poisson noise of their light."""
    return inject(pair.science, pair.fakes, seed=1).image


def noise_of_flux(difference: DifferenceImage) -> float:
    """Return the error of the PSF flux of a faint source in the middle of a difference image."""
    box = difference.bbox
    kernel = difference.psf.compute_kernel_image(x=box.x.center, y=box.y.center).array
    return float(np.sqrt(np.nanmedian(difference.variance.array) / np.sum(kernel**2)))


def compare_differences(pair: Pair, science: VisitImage) -> tuple[Figures, DifferenceImage, Table]:
    """Find the fakes in the difference with the template, by both where both are."""
    subtract_s, products = cpu(lambda: subtract_visit(science, pair.template))
    detect_s, (difference, catalog) = cpu(
        lambda: measure_difference(
            products.difference,
            science,
            products.template,
            science_psf=science.psf,
            template_psf=products.template.psf,
        )
    )
    ours, noise = catalog.sources, noise_of_flux(difference)
    figures = {"subtract_cpu_s": subtract_s, "detect_cpu_s": detect_s}
    found = against_truth(ours, "psfFlux", "psfFluxErr", pair.fakes, noise)
    figures |= {f"ours_{name}": value for name, value in found.items()}
    if not missing("difference imaging"):
        theirs = subtract_theirs(science, pair.template, pair.sources)
        found = against_truth(theirs.table, "flux", "error", pair.fakes, noise)
        figures |= {f"theirs_{name}": value for name, value in found.items()}
        verdict = Verdict.of(theirs.table, ours, pair.fakes.copy(), products.summary)
        figures |= {f"both_{name}": value for name, value in agreement(verdict).items()}
        figures["subtract_cpu_ratio"] = theirs.subtract_seconds / subtract_s
        figures["detect_cpu_ratio"] = theirs.detect_seconds / detect_s
    return figures, difference, ours


def compare_storage(folder: Path, image: VisitImage) -> Figures:
    """Put and get one image, as ours and as an exposure where that can be."""
    Butler.makeRepo(folder)
    figures: Figures = {}
    kinds = {"visit_image": ("VisitImage", image)}
    if not missing("images"):
        kinds["exposure"] = ("ExposureF", image.copy().to_legacy())
    with Butler.from_config(folder, writeable=True, run="u/storage") as butler:
        for name, (storage_class, content) in kinds.items():
            kind = DatasetType(name, (), storage_class, universe=butler.dimensions)
            butler.registry.registerDatasetType(kind)
            figures[f"{name}_put_cpu_s"], ref = cpu(
                lambda kind=kind, content=content: butler.put(content, kind)
            )
            figures[f"{name}_get_cpu_s"], _ = cpu(lambda ref=ref: butler.get(ref))
            figures[f"{name}_bytes"] = float(butler.getURI(ref).size())
    return figures


def compare_scores(pair: Pair, science: VisitImage, difference: DifferenceImage, sources: Table) -> Figures:
    """Score sources outside the Butler, through it, and through it from exposures where that can be."""
    images = {"science": science, "template": pair.template, "difference": difference}
    read = read_dia_sources(sources)
    outside = score_sources([load_classifier(MODEL)], images, read["x"], read["y"], read["is_negative"])
    expected = outside[0].scores.score
    figures = {"scored": float(len(sources))}
    forms = {"": images}
    if not missing("images"):
        forms["exposure_"] = {role: image.copy().to_legacy() for role, image in images.items()}
    for prefix, contents in forms.items():
        scores = score_in_butler(pair, prefix, contents, sources)
        difference_of = np.abs(np.asarray(scores["score"]) - expected)
        figures[f"{prefix}score_difference"] = float(np.nanmax(difference_of, initial=0.0))
        if np.any(np.isnan(scores["score"]) != np.isnan(expected)):
            raise RuntimeError(
                f"the task leaves other sources unscored than the classifier ({prefix or 'ours'})"
            )
    return figures


def score_in_butler(pair: Pair, prefix: str, contents: dict[str, object], sources: Table) -> Table:
    """Put images and sources, and run rbClassifier on them."""
    run, names = f"u/{prefix}products", {role: f"{prefix}compared_{role}" for role in contents}
    classes = {"difference": "DifferenceImage"}
    with Butler.from_config(pair.repo, writeable=True, run=run) as butler:
        for role, content in contents.items():
            storage_class = "ExposureF" if prefix else classes.get(role, "VisitImage")
            put(butler, names[role], storage_class, content, pair.data_id)
        put(butler, f"{prefix}compared_sources", "ArrowAstropy", sources, pair.data_id)
    pipeline = Pipeline("scores")
    pipeline.addTask(RbClassifierTask, "rbClassifier")
    pipeline.addConfigOverride("rbClassifier", "model_uri", MODEL)
    names |= {"diaSources": f"{prefix}compared_sources", "classifications": f"{prefix}compared_scores"}
    for connection, name in names.items():
        pipeline.addConfigOverride("rbClassifier", f"connections.{connection}", name)
    inputs = [run, f"{pair.data_id['instrument']}/input"]
    butler = SimplePipelineExecutor.prep_butler(str(pair.repo), inputs=inputs, output=f"u/{prefix}scores")
    SimplePipelineExecutor.from_pipeline(pipeline, butler=butler).run(register_dataset_types=True)
    table: Table = butler.get(names["classifications"], pair.data_id)
    return table


def put(
    butler: Butler, name: str, storage_class: str, content: object, data_id: dict[str, int | str]
) -> None:
    """Put a dataset of a type that is registered if need be."""
    kind = DatasetType(name, ("instrument", "visit", "detector"), storage_class, universe=butler.dimensions)
    butler.registry.registerDatasetType(kind)
    butler.put(content, kind, data_id)


def compare_live(size: int) -> Figures:
    """Compare on a simulated image with as many pixels along each side."""
    with tempfile.TemporaryDirectory() as folder:
        pair = make_pair(Path(folder) / "survey", size)
        science = with_fakes(pair)
        figures = compare_injections(pair)
        found, difference, sources = compare_differences(pair, science)
        figures |= found | compare_storage(Path(folder) / "storage", science)
        return figures | compare_scores(pair, science, difference, sources)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="512 pixels along each side, not 2048")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--data", type=Path, help="other stored results than those of tests/data/stack")
    options = parser.parse_args()
    for what in NEEDED:
        if absent := missing(what):
            print(f"{what}: ours only; not installed: {', '.join(absent)}")
    figures = compare_live(512 if options.quick else 2048)
    if options.data is not None:
        figures |= compare_stored_results(options.data)
    else:
        with tempfile.TemporaryDirectory() as folder:
            figures |= compare_stored_results(unpack_results(Path(folder)))
    for name, value in figures.items():
        print(f"{name:40s} {value:12.4g}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
