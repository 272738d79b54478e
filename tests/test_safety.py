"""Data are never code: pages escape every text of a table, and nothing in the package runs what it reads."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from lsst.daf.butler import Butler, CollectionType

import lsst.meas.realbogus as package
from chromium import EXECUTABLE, Browser
from lsst.meas.realbogus.cli import main
from small_survey import COLLECTION

SOURCE = Path(package.__file__).parent
TEXTS = (
    "</script><script>taken()",
    '"onfocus="taken()" autofocus="',
    "<img src=x onerror=taken()>",
    "'><svg onload=taken()>",
    r"$\frac{$ {{ 7*7 }}",
    "]]><!-- &amp; \u2028",
)
"""What would run, or break out of its place: as long as the columns of text allow (32 characters)."""
SHORT_TEXTS = {
    "band": ("<i id=x>", "</script", "\"'a=b><", "$_$x$", "<!--"),
    "version": ("<i id=x", "</b><x"),
}
PAGES = {
    "report": "report repo u/evil -o report.html",
    "cutouts": "cutouts show repo u/evil -o cutouts.html",
    "fakes": "fakes show repo -i u/evil -o fakes.html",
    "lightcurves": "lightcurves repo u/evil -o lightcurves.html",
    "evaluation": "evaluate repo u/evil -o evaluation -c n_resamples=4",
    "night": "night repo u/evil -o night.html",
}
"""Commands that write pages; test_explanation_page and test_study_page look at the others."""


@pytest.fixture(scope="module")
def folder(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository whose run has such texts in every column of text of every table."""
    folder = tmp_path_factory.mktemp("evil")
    shutil.copytree(small_run, folder / "repo")
    poisoned = set()
    with Butler.from_config(str(folder / "repo"), collections=COLLECTION, writeable=True) as butler:
        butler.collections.register("evil")
        for kind in butler.registry.queryDatasetTypes():
            if kind.storageClass_name != "ArrowAstropy":
                continue
            for ref in butler.registry.queryDatasets(kind, collections=COLLECTION, findFirst=True):
                table = butler.get(ref)
                for name in (name for name in table.colnames if table[name].dtype.kind in "UO"):
                    texts = SHORT_TEXTS.get(name, TEXTS)
                    table[name] = [texts[row % len(texts)] for row in range(len(table))]
                    poisoned.add(name)
                butler.put(table, kind, ref.dataId, run="evil")
        butler.collections.register("u/evil", CollectionType.CHAINED)
        butler.collections.redefine_chain("u/evil", ["evil", COLLECTION])
    assert {"band", "kind", "label_reason", "fate", "population", "version"} <= poisoned
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser | None]:
    if EXECUTABLE is None:
        yield None
        return
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


class _Elements(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts, self.handlers, self.images = 0, [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        # Our own pages have one handler: the form of the filters does nothing when it is sent.
        self.handlers += [name for name, text in attrs if name.startswith("on") and text != "return false"]
        self.images += [value for name, value in attrs if name == "src"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAGES)
def test_texts_of_tables_stay_texts(
    kind: str, folder: Path, browser: Browser | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, PAGES[kind].split())
    assert result.exit_code == 0, result.output
    page = folder / ("evaluation/evaluation.html" if kind == "evaluation" else f"{kind}.html")
    found = _Elements(page.read_text())
    template = SOURCE / "report" / "templates"
    assert not found.handlers and all(str(image).startswith("data:") for image in found.images)
    assert found.scripts <= max(path.read_text().count("<script") for path in template.glob("*.html"))
    if browser is None:
        pytest.skip("there is no chromium on this machine")
    browser.open(page)
    assert browser.run("typeof taken") == "undefined"
    assert (
        browser.run("document.querySelectorAll('[id=x], [src=x], [onfocus], [onload], [onerror]').length")
        == 0
    )
    assert browser.faults() == []


def test_what_is_escaped_is_shown_as_it_is(folder: Path, browser: Browser | None) -> None:
    if browser is None:
        pytest.skip("there is no chromium on this machine")
    page = folder / "fakes.html"
    if not page.exists():
        pytest.skip("the pages were not written")
    browser.open(page)
    assert all(
        text.replace("\u2028", "").strip() in browser.run("document.body.textContent") for text in TEXTS[:4]
    )


FORBIDDEN = {
    "eval": "runs text",
    "exec": "runs text",
    "compile": "makes code of text",
    "__import__": "loads code by a name",
    "system": "runs text in a shell",
    "popen": "runs text in a shell",
    "full_load": "YAML that makes objects",
    "unsafe_load": "YAML that makes objects",
}
MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle")


def _faults(tree: ast.AST) -> Iterator[str]:
    """Yield what could run data as code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            yield from (f"line {node.lineno}: {name}" for name in names if name.split(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        function, given = node.func, {word.arg: word.value for word in node.keywords}
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        owner = (
            function.value.id
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
            else ""
        )
        if name in FORBIDDEN and owner in ("", "os", "yaml", "builtins"):
            yield f"line {node.lineno}: {name} {FORBIDDEN[name]}"
        for word, safe in (("allow_pickle", False), ("shell", False), ("safe_mode", True)):
            if word in given and not (isinstance(given[word], ast.Constant) and given[word].value is safe):
                yield f"line {node.lineno}: {word} is not {safe}"
        if owner in ("yaml", "torch") and name in ("load", "load_all"):
            yield f"line {node.lineno}: {owner}.{name} may make any object"
        if owner in ("np", "numpy") and name == "load" and "allow_pickle" not in given:
            yield f"line {node.lineno}: np.load says nothing of pickles"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "os.system('ls')",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "yaml.load(text)",
        "subprocess.run('ls', shell=True)",
        "keras.models.load_model(path, safe_mode=False)",
        "torch.load(path)",
    ],
)
def test_the_search_finds(text: str) -> None:
    assert list(_faults(ast.parse(text)))


def test_nothing_in_the_package_runs_what_it_reads() -> None:
    paths = sorted(SOURCE.rglob("*.py"))
    found = {str(path.relative_to(SOURCE)): list(_faults(ast.parse(path.read_text()))) for path in paths}
    assert len(paths) > 200 and not {name: faults for name, faults in found.items() if faults}


def test_templates_mark_nothing_as_safe_but_what_is_made_here() -> None:
    made_here = (
        "facts|stamps|saliency|card_facts|card_stamps|kinds_drawing|drawing|drawings\\.\\w+|validation_figure"
    )
    for path in (SOURCE / "report" / "templates").glob("*.html"):
        for name in re.findall(r"\{\{ *([^}|]+?) *\| *safe", path.read_text()):
            assert re.fullmatch(made_here, name), f"{path.name}: {name}"
    text = "".join(path.read_text() for path in (SOURCE / "report" / "templates").iterdir())
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )
