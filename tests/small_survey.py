"""A small simulated survey, and the main job on it, for the tests that need one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from threadpoolctl import threadpool_limits

from lsst.meas.realbogus.survey import PRESETS, simulate_survey

PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
WHERE = "instrument='RealBogusCam' AND skymap='realbogus'"
ONE_VISIT = f"{WHERE} AND visit = 1000"
COLLECTION = "u/whole"
EMPTY = {"star_density": 0, "galaxy_density": 0, "transient_density": 0, "asteroid_density": 0}
"""Options of a survey with nothing on the sky."""
CLEAN = {
    "cosmic_rays": 0,
    "bad_columns": 0,
    "satellites": 0,
    "ghosts": 0,
    "astrometric_jitter": 0,
    "psf_changes": 0,
    "edge_glows": 0,
    "no_data_borders": 0,
    "vignetted_corners": 0,
}
"""Options of a survey without artefacts."""


def job_parameters(models: Mapping[str, str], fakes: float = 0.5) -> dict[str, float | str]:
    return {"fakeFraction": fakes, "model": models["dia"], "nodiaModel": models["nodia"]}


def make_executor(
    repo: Path,
    output: str,
    models: Mapping[str, str],
    fakes: float = 0.5,
    populations: Mapping[str, float] | None = None,
    where: str = WHERE,
    **parameters: float,
) -> SimplePipelineExecutor:
    pipeline = Pipeline.from_uri(PIPELINE)
    for name, value in (job_parameters(models, fakes) | parameters).items():
        pipeline.addConfigOverride("parameters", name, value)
    for name, value in (populations or {}).items():
        pipeline.addConfigOverride("createFakeSupernovae", name, value)
    butler = SimplePipelineExecutor.prep_butler(str(repo), inputs=["RealBogusCam/input"], output=output)
    return SimplePipelineExecutor.from_pipeline(pipeline, where=where, butler=butler)


def simulate_and_run(repo: Path, models: Mapping[str, str]) -> None:
    """Make a repository with the small survey and one run of the main job, in a process of two threads."""
    simulate_survey(repo, PRESETS["small"])
    with threadpool_limits(2):
        make_executor(repo, COLLECTION, models).run(register_dataset_types=True)
