"""A simulated science image and its template in a repository, where nothing changes but what is injected."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from astropy.table import Table
from lsst.daf.butler import Butler
from lsst.images import VisitImage
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lsst.meas.realbogus.survey import PRESETS, SurveyConfig, simulate_survey
from lsst.meas.realbogus.tables import magnitude_to_njy

PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
_SPACING = 64
_WANDER = 16
_ALWAYS_THE_SAME = dict.fromkeys(
    (
        "transient_density", "variable_fraction", "agn_fraction", "quasar_fraction", "asteroid_density",
        "high_proper_motion_fraction", "proper_motion", "cosmic_rays", "bad_columns", "satellites", "ghosts",
        "edge_glows", "no_data_borders", "vignetted_corners", "astrometric_jitter", "psf_changes",
    ),
    0.0,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Pair:
    """A science image, its template, and stars that are to be injected.

    Parameters
    ----------
    repo
        Where the images are, in collection ``u/pair``.
    data_id
        Of the science image and the template.
    science, template
        The images as they are read from there.
    sources
        Sources of the science image.
    fakes
        Injection catalogue, with x, y and flux.
    """

    repo: Path
    data_id: dict[str, int | str]
    science: VisitImage
    template: VisitImage
    sources: Table
    fakes: Table


def survey_of(size: int) -> SurveyConfig:
    """Return a survey of one detector, one search visit and a sky that does not change."""
    return PRESETS["small"].replace(
        detector_size=(size, size), n_template_visits=3, n_search_visits=1, **_ALWAYS_THE_SAME
    )


def make_pair(repo: Path, size: int) -> Pair:
    """Simulate a survey, build the template of its science image, and choose where fakes go."""
    survey = survey_of(size)
    simulate_survey(repo, survey)
    where = f"instrument='{survey.instrument}' AND skymap='{survey.skymap}'"
    inputs = [f"{survey.instrument}/input"]
    for label in ("assembleTemplate", "buildTemplate"):
        butler = SimplePipelineExecutor.prep_butler(str(repo), inputs=inputs, output=f"u/{label}")
        pipeline = Pipeline.from_uri(f"{PIPELINE}#{label}")
        pipeline.addConfigOverride("parameters", "science", "preliminary_visit_image")
        executor = SimplePipelineExecutor.from_pipeline(pipeline, where=where, butler=butler)
        executor.run(register_dataset_types=True)
        inputs.insert(0, f"u/{label}")
    with Butler.from_config(repo, collections=inputs) as butler:
        (ref,) = butler.query_datasets("preliminary_visit_image")
        science = butler.get(ref)
        return Pair(
            repo,
            {str(key): value for key, value in ref.dataId.required.items()},
            science,
            butler.get("template_detector", ref.dataId),
            butler.get("source_detector", ref.dataId),
            make_fakes(science),
        )


def make_fakes(image: VisitImage) -> Table:
    """Place stars of magnitudes from 19.5 to 24 on a grid, each somewhere in its cell."""
    rng = np.random.default_rng(5)
    y, x = (
        grid.ravel() + rng.uniform(-_WANDER, _WANDER, grid.size)
        for grid in np.meshgrid(
            np.arange(image.bbox.y.start + _SPACING // 2, image.bbox.y.stop - _SPACING // 4, _SPACING),
            np.arange(image.bbox.x.start + _SPACING // 2, image.bbox.x.stop - _SPACING // 4, _SPACING),
            indexing="ij",
        )
    )
    sky = image.sky_projection.pixel_to_sky(x=x, y=y)
    mag = rng.uniform(19.5, 24.0, x.size)
    return Table(
        {
            "injection_id": np.arange(1, x.size + 1),
            "ra": sky.ra.deg,
            "dec": sky.dec.deg,
            "mag": mag,
            "x": x,
            "y": y,
            "flux": magnitude_to_njy(mag),
        }
    )
