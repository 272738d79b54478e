"""What goes into a Butler repository and comes out of it: pipelines run, results of runs, fakes, stamps."""

from __future__ import annotations

from ._campaign import Campaign, validate_campaign, validate_collection
from ._cutouts import StoredCutouts, read_cutouts, read_stamps_with_labels
from ._dc2 import Dc2Comparison, compare_with_dc2
from ._fakes import put_shards, read_fake_stamps, read_injected_catalogs
from ._light_curves import read_light_curves, sky_image
from ._matches import LabelSource, read_match
from ._night import (
    corners_of_detectors,
    count_score_tables,
    find_collections,
    read_focal_plane,
    read_score_counts,
)
from ._open import find_datasets, handles_by_image, open_repository
from ._pipetask import Outcome, how_to_go_on, pipetask_command, run_pipetask, shell_text
from ._results import read_associations, read_collection, read_stamps
from ._samples import read_sample_of_run
from ._training_stamps import export_labelled_stamps, run_to_stamps

__all__ = (
    "Campaign",
    "Dc2Comparison",
    "LabelSource",
    "Outcome",
    "StoredCutouts",
    "compare_with_dc2",
    "corners_of_detectors",
    "count_score_tables",
    "export_labelled_stamps",
    "find_collections",
    "find_datasets",
    "handles_by_image",
    "how_to_go_on",
    "open_repository",
    "pipetask_command",
    "put_shards",
    "read_associations",
    "read_collection",
    "read_cutouts",
    "read_fake_stamps",
    "read_focal_plane",
    "read_injected_catalogs",
    "read_light_curves",
    "read_match",
    "read_sample_of_run",
    "read_score_counts",
    "read_stamps",
    "read_stamps_with_labels",
    "run_pipetask",
    "run_to_stamps",
    "shell_text",
    "sky_image",
    "validate_campaign",
    "validate_collection",
)
