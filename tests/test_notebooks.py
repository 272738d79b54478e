"""Every notebook runs from top to bottom on a small run, draws something, and is the same in both forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_survey import COLLECTION

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pair_notebooks = pytest.importorskip("pair_notebooks", reason="jupytext is not installed")

ROOT = Path(__file__).parents[1]
TEXTS = sorted((ROOT / "notebooks").glob("*.py"))
QUICK = {"EPOCHS": 2, "SOURCES": 30, "MAP": "pca"}
"""Parameters with which notebooks take seconds, and show nothing of worth."""
DC2 = "sne_cosmoDC2_v1.1.4_MS_DDF_small.db"
WITH_TENSORFLOW = {"label_noise", "explain_scores", "light_curves"}


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_both_forms_are_the_same_and_hold_no_outputs(text: Path) -> None:
    stored = text.with_suffix(".ipynb").read_text()
    assert stored == pair_notebooks.paired(text), "run python tools/pair_notebooks.py"
    notebook = nbformat.reads(stored, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


def test_no_notebook_is_without_its_text() -> None:
    assert {path.stem for path in TEXTS} == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_a_notebook_runs(
    text: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text.stem in WITH_TENSORFLOW:
        pytest.importorskip("tensorflow")
    notebook = pair_notebooks.read_notebook(text)
    marked = [
        number for number, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])
    ]
    for number in marked:
        source = notebook.cells[number].source
        values = {name: value for name, value in QUICK.items() if f"{name} =" in source}
        if "REPO =" in source:
            values |= {"REPO": str(request.getfixturevalue("small_run")), "COLLECTION": COLLECTION}
        if "TRUTH =" in source:
            values["TRUTH"] = str(request.getfixturevalue("shared_data") / "truth_dc2" / DC2)
        code = "\n".join(f"{name} = {value!r}" for name, value in values.items())
        notebook.cells.insert(number + 1, nbformat.v4.new_code_cell(code))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
