"""Rubin's own pipelines, where they are here, with this package's tasks put in: their contracts hold.

``AP_PIPE_DIR``, ``DRP_PIPE_DIR`` and what these import from (``ANALYSIS_TOOLS_DIR``,
``MEAS_EXTENSIONS_MULTIPROFIT_DIR``) point at the checkouts, as they do in the stack. Tasks that are not
installed are stand-ins.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import pytest
from lsst.pipe.base import LabelSpecifier, Pipeline
from lsst.utils.doImport import doImportType

from stand_ins.pipelines import PRODUCTS, fit, pipelines_of, stand_in_modules
from test_pipelines_rubin import CHANGED, ROOT, RUBIN, load, reads, theirs, writes


@pytest.fixture
def stand_in_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let classes that are not installed be stand-ins; pipelines are those that the variables point at."""
    for name, module in stand_in_modules().items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("stand_in_tasks")
@pytest.mark.parametrize("name", RUBIN)
def test_rubins_own_files_are_merged_and_their_contracts_hold(name: str) -> None:
    text = (ROOT / name).read_text()
    for variable in PRODUCTS.values():
        if f"${variable}" in text and variable not in os.environ:
            pytest.skip(f"{variable} is not set: Rubin's own pipelines are not here")
    try:
        pipeline = load(name)
    except FileNotFoundError as error:
        pytest.skip(f"a file that is made when the stack is built is not here: {error}")
    except ValueError:
        with pytest.raises(ValueError) as failure:  # versions that do not fit, no fault of ours
            theirs(name)
        pytest.skip(f"Rubin's own file does not load: {failure.value}")
    known = {label for label, task in pipeline._pipelineIR.tasks.items() if _is_known(task.klass)}
    kept = pipeline.subsetFromLabels(LabelSpecifier(labels=known), Pipeline.PipelineSubsetCtrl.EDIT)
    fit(kept, _record(name))
    graph = kept.to_graph()
    for label in CHANGED.get(name, ()):
        written = {dataset for other in graph.tasks for dataset in writes(graph, other).values()}
        assert set(reads(graph, label).values()) <= written, "every input is another task's output"
        (after,) = writes(graph, label).values()
        assert after in reads(graph, "filterDiaSourcePostReliability").values()


def _is_known(task_class: str) -> bool:
    try:
        doImportType(task_class)
    except ImportError:
        return False
    return True


def _record(name: str) -> dict[str, Any]:
    """Return what is known of the real tasks of the pipeline that ours imports."""
    found = re.search(r"location: \$(AP|DRP)_PIPE_DIR/pipelines/(\S+)\.yaml", (ROOT / name).read_text())
    if found is None:
        return {"tasks": {}}
    return pipelines_of(f"{found[1].lower()}_pipe")[found[2]]
