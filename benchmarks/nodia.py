"""What a detector costs with and without difference imaging.

For detectors of 1024, 2048 and 4096 pixels a side, a survey of two template visits and one science visit is
simulated and its template assembled. Then, on the same science image,

* with DIA: template, subtraction, detection and measurement, scores of the DIA sources;
* without: scores of the image's own sources (the table exists anyway), template warped where stamps need it.

Figures are CPU seconds of the quanta, reading and writing included, by task; `nodia_over_dia_cost` is the
ratio of the sums at the largest size. Models are untrained: their arithmetic does not depend on the weights.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from lsst.daf.butler import Butler
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lsst.meas.realbogus.model import (
    NORMALIZATIONS,
    Contract,
    NormalizationChoice,
    Output,
    initial_weights,
    make_model,
    named_architecture,
    write_model,
)
from lsst.meas.realbogus.survey import PRESETS, simulate_survey

TASKS = "lsst.meas.realbogus.tasks"
TEMPLATE = {"assembleTemplate": f"{TASKS}.assemble_template.AssembleTemplateTask"}
WITH_DIA = {
    "buildTemplate": f"{TASKS}.build_template.BuildTemplateTask",
    "subtractImages": f"{TASKS}.subtract_images.SubtractImagesTask",
    "detectAndMeasureDiaSource": f"{TASKS}.detect_and_measure.DetectAndMeasureTask",
    "rbClassifier": f"{TASKS}.rb_classifier.RbClassifierTask",
}
WITHOUT = {"rbClassifierNoDia": f"{TASKS}.rb_classifier_nodia.RbClassifierNoDiaTask"}
INPUTS = {"dia": ("difference", "science", "template"), "nodia": ("science", "template")}


def write_models(folder: Path) -> dict[str, Path]:
    """Write untrained models of the packaged architectures."""
    paths = {}
    for name, inputs in INPUTS.items():
        architecture = named_architecture(name)
        contract = Contract(
            name=name,
            version="0",
            inputs=inputs,
            layout="side_by_side",
            stamp_size=51,
            normalization=NormalizationChoice(name=next(n for n in NORMALIZATIONS if "sigma" in n)),
            output=Output(size=2, real=0),
            architecture=architecture,
        )
        paths[name] = folder / f"{name}.rbmodel"
        paths[name].write_bytes(write_model(make_model(contract, initial_weights(architecture))))
    return paths


def run(root: Path, tasks: dict[str, str], inputs: list[str], output: str, models: dict[str, Path]) -> Butler:
    """Run tasks on a repository."""
    pipeline = Pipeline("benchmark")
    for label, name in tasks.items():
        pipeline.addTask(name, label)
        if label != "assembleTemplate":
            pipeline.addConfigOverride(label, "connections.science", "preliminary_visit_image")
    if "rbClassifier" in tasks:
        pipeline.addConfigOverride("rbClassifier", "model_uri", str(models["dia"]))
    if "rbClassifierNoDia" in tasks:
        pipeline.addConfigOverride("rbClassifierNoDia", "nodia_model_uri", str(models["nodia"]))
    butler = SimplePipelineExecutor.prep_butler(root, inputs=inputs, output=output)
    where = "instrument='RealBogusCam' AND skymap='realbogus'"
    executor = SimplePipelineExecutor.from_pipeline(pipeline, where=where, butler=butler)
    executor.run(register_dataset_types=True)
    return executor.butler


def cpu_seconds(butler: Butler, label: str) -> float:
    """CPU seconds of the quanta of a task, reading and writing included."""
    total = 0.0
    for ref in butler.query_datasets(f"{label}_metadata"):
        quantum = butler.get(ref)["quantum"]
        total += quantum["endCpuTime"] - quantum["prepCpuTime"]
    return total


def measure(side: int, folder: Path, models: dict[str, Path]) -> dict[str, float]:
    """Simulate a detector and run both ways on it."""
    root = folder / f"repo{side}"
    config = dataclasses.replace(
        PRESETS["small"],
        detector_size=(side, side),
        n_template_visits=2,
        n_search_visits=1,
        distortion=side / 512,
    )
    inputs = [simulate_survey(root, config)]
    run(root, TEMPLATE, inputs, "template", models)
    inputs.insert(0, "template")
    figures = {}
    for way, tasks in (("dia", WITH_DIA), ("nodia", WITHOUT)):
        butler = run(root, tasks, inputs, way, models)
        for label in tasks:
            figures[f"{way}_{label}_cpu_s_{side}"] = cpu_seconds(butler, label)
        figures[f"{way}_cpu_s_{side}"] = sum(figures[f"{way}_{label}_cpu_s_{side}"] for label in tasks)
        table = "dia_source_reliability" if way == "dia" else "source_reliability"
        (ref,) = butler.query_datasets(table)
        figures[f"{way}_sources_{side}"] = len(butler.get(ref))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="512 and 1024 pixels only")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    sides = (512, 1024) if arguments.quick else (1024, 2048, 4096)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = write_models(folder)
        measure(256, folder, models)  # imports and first uses count for nobody
        for side in sides:
            figures |= measure(side, folder, models)
            dia, nodia = figures[f"dia_cpu_s_{side}"], figures[f"nodia_cpu_s_{side}"]
            n_dia, n_nodia = figures[f"dia_sources_{side}"], figures[f"nodia_sources_{side}"]
            print(
                f"{side:5d}: with DIA {dia:6.2f} s for {n_dia:5.0f} sources, without {nodia:6.2f} s for "
                f"{n_nodia:5.0f}; ratio {nodia / dia:.3f}"
            )
    figures["nodia_over_dia_cost"] = figures[f"nodia_cpu_s_{sides[-1]}"] / figures[f"dia_cpu_s_{sides[-1]}"]
    for name, value in figures.items():
        print(f"{name:48s} {value:.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
