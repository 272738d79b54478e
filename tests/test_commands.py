"""Every command that README and manual show runs as it stands there, or is at least understood."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from lsst.pipe.base import Pipeline

from lsst.meas.realbogus.cli import main
from shown_commands import PAGES, PROGRAMS, ROOT, all_shown, split, understand
from shown_files import lay_files, lay_repository
from stand_ins.pipelines import stand_in_stack  # noqa: F401

pytestmark = pytest.mark.slow

ONLY_PARSED = {
    r"(?!realbogus).* doc/rubin\.md": "Rubin's pipelines: tests/test_pipelines_rubin.py runs them",
    r"realbogus truth dc2 ": "needs the truth of DC2: tests/test_truth_dc2.py",
    r".*truth budget .*--match ": "needs a run of Rubin's AP: tests/test_truth_ap_matches.py",
    r"bps ": "starts jobs: tests/test_beyond_jobs.py",
    r"(pipetask|butler) .*run\.qg|butler .*provenance": "tests/test_beyond_jobs.py runs them",
    r".*(postgresql|s3://)": "needs a server: tests/test_beyond_stores.py",
    r".* doc/interrupted\.md": "goes on with a run that was stopped: tests/test_faults.py",
    r"realbogus survey simulate": "a minute of drawing: tests/test_survey_repository.py",
    r"pipetask .*templateFakes": "the main job once more: tests/test_end_to_end.py",
    r"pipetask .*/(Evaluate|ValidateInjection)\.yaml|realbogus evaluate REPO": "the table is judged here; "
    "tests/test_tasks_evaluation.py judges a collection both ways",
    r"realbogus explain |.*--map explanation": "15 s with TensorFlow: tests/test_explanation_page.py",
    r"realbogus train (model few|search)|pipetask .*/Train": "training once more: tests/test_cli_train.py",
}
"""Commands (with their page behind) that are not run, by regular expressions, and the reason."""

QUICK = {
    r"realbogus evaluate": "-c n_resamples=20",
    r"realbogus train model": "-c filters=4,4,4 -c stamp_size=15 "
    "-c training.epochs=1 -c training.calibration=none",
}
"""What makes a command quick, by regular expressions: given behind what the page shows."""

TOOLS = ("make", "python", "pip", "setup", "jupyter", "pip-audit", "zizmor")
"""What is not ours, or does much: asked what it would do, or left alone."""

ONCE = all_shown()
RUN: dict[str, list[str]] = {}
PARSED = []
for _text, _shown in ONCE.items():
    if _text.split()[0] in TOOLS:
        continue
    if any(re.match(pattern, f"{_shown.text} {_shown.page}") for pattern in ONLY_PARSED):
        PARSED.append(_text)
    else:
        RUN.setdefault(_shown.page, []).append(_text)


@pytest.fixture(scope="module")
def shelf(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    lay_files(folder, small_run)
    return folder


@pytest.fixture(scope="module")
def repositories(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repositories")
    lay_repository(folder, small_run)
    return folder


@pytest.fixture
def folder(
    request: pytest.FixtureRequest, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Go where everything lies that the pages read."""
    for entry in shelf.iterdir():
        if entry.is_dir():
            shutil.copytree(entry, tmp_path / entry.name)
        else:
            (tmp_path / entry.name).symlink_to(entry)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "me")
    return tmp_path


@pytest.mark.parametrize("page", RUN)
def test_commands_of_a_page_run_one_after_the_other(
    page: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    if not any(" survey ingest REPO " in text for text in RUN[page]):
        for entry in request.getfixturevalue("repositories").iterdir():
            (folder / entry.name).symlink_to(entry)
    for text in RUN[page]:
        if " train model " in text:
            pytest.importorskip("tensorflow")
        for output in re.findall(r" -o (\S+\.\w+)", text):
            (folder / output).unlink(missing_ok=True)  # what another page reads
        extra = [more for pattern, more in QUICK.items() if re.match(pattern, text)]
        words = split(" ".join([text, *extra]), folder)
        result = CliRunner().invoke(PROGRAMS[words[0]], words[1:])
        assert result.exit_code == 0, f"{page}: {text}\n{result.output}"


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("text", PARSED)
def test_other_commands_are_understood(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)
    given = understand(split(text, tmp_path)).params
    for name in re.findall(r"config/\S+", text):
        assert (ROOT / name).exists(), name
    if pipeline := given.get("pipeline"):
        loaded = Pipeline.from_uri(str(pipeline))
        for setting in re.findall(r" -c (\S+)", text):
            label, _, rest = setting.partition(":")
            name, _, value = rest.partition("=")
            known = loaded._pipelineIR.parameters.mapping if label == "parameters" else [name]
            assert name in known, setting
            loaded.addConfigOverride(label, name, value)
        assert loaded.to_graph().tasks


@pytest.mark.parametrize("text", [text for text in ONCE if text.split()[0] == "make"])
def test_make_has_the_target(text: str) -> None:
    words = split(text, ROOT)
    subprocess.run([*words, "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("text", [text for text in ONCE if text.split()[0] == "python"])
def test_a_script_has_the_options(text: str) -> None:
    script, *words = split(text, ROOT)[1:]
    assert (ROOT / script).exists()
    options = [word for word in words if word.startswith("--")]
    assert all(f'"{option}"' in (ROOT / script).read_text() for option in options), options


def test_every_reason_is_of_a_command_and_names_a_test_that_exists() -> None:
    names = [f"{shown.text} {shown.page}" for shown in ONCE.values()]
    for pattern, reason in (ONLY_PARSED | QUICK).items():
        assert any(re.match(pattern, name) for name in names), pattern
        assert all((ROOT / test).exists() for test in re.findall(r"tests/\w+\.py", reason)), reason
    assert {text.split()[0] for text in ONCE} == {*PROGRAMS, *TOOLS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_in_the_text_have_the_options(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.M | re.S)
    for command in re.findall(r"`(realbogus [^`]+)`", text):
        words = command.replace("\n", " ").split()[1:]
        found, context = main, click.Context(main)
        while isinstance(found, click.Group) and words and not re.match(r"[-[…A-Z]", words[0]):
            inner = found.get_command(context, words.pop(0))
            assert inner is not None, command
            found = inner
        names = found.list_commands(context) if isinstance(found, click.Group) else []
        each = [found, *(found.get_command(context, name) for name in names)]
        known = {option for one in each if one for parameter in one.params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(words))) <= known | {"--help"}, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_named_exist(page: Path) -> None:
    if page.parent.name == "decisions":
        pytest.skip("decisions tell of their day")
    folders = "benchmarks|config|doc|notebooks|pipelines|tests|tools"
    for name in re.findall(rf"`((?:{folders})/[^`{{}}<>\s#]+)", page.read_text()):
        if not re.search(r"[A-Z]{4,}|NNNN", name):
            assert list(ROOT.glob(name)), name
