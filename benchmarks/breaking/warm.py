"""What the server of child processes imports before it forks them: most of what starting a run costs."""

from __future__ import annotations

import contextlib
import importlib

from lsst.pipe.base import Pipeline

__all__ = ()

for name in (
    "lsst.ctrl.mpexec.cli.cmd.commands",
    "lsst.ctrl.mpexec.cli.script.run",
    "lsst.daf.butler.cli.butler",
    "lsst.daf.butler.datastores.fileDatastore",
    "lsst.daf.butler.direct_butler",
    "lsst.daf.butler.formatters.logs",
    "lsst.daf.butler.formatters.parquet",
    "lsst.daf.butler.registry.datasets.byDimensions",
    "lsst.images.formatters",
    "lsst.pipe.base.all_dimensions_quantum_graph_builder",
    "lsst.pipe.base.cli.cmd.commands",
    "lsst.meas.realbogus.cli",
    "lsst.meas.realbogus.repository.formatters",
    "onnxruntime",
    "piff",
    "psycopg",
):
    with contextlib.suppress(ImportError):  # not all of them are needed by all
        importlib.import_module(name)
Pipeline.from_uri("$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml").to_graph()
