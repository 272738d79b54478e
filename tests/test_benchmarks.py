"""Every benchmark starts: what they import moves with the rooms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import run_benchmarks

SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


# One process for all, as most of what a script costs here is to import the package.
_ASK_ALL = """
import contextlib, io, json, runpy, sys
shown = {}
scripts = sys.argv[1:]
sys.path.insert(0, scripts[0].rpartition("/")[0])
for sys.argv in ([script, "--help"] for script in scripts):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        runpy.run_path(sys.argv[0], run_name="__main__")
    shown[sys.argv[0]] = out.getvalue()
print(json.dumps(shown))
"""


@pytest.mark.slow
def test_every_benchmark_says_how_it_is_run() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _ASK_ALL, *map(str, SCRIPTS)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert [script for script in map(str, SCRIPTS) if "--quick" not in shown[script]] == []
    assert [script for script in map(str, SCRIPTS) if "--json" not in shown[script]] == []


def test_the_page_of_results_sets_figures_beside_their_goals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.py").write_text(
        "import json, sys\n"
        "quick = '--quick' in sys.argv\n"
        "json.dump({'a': 1.0 + quick, 'b': 0.5}, open(sys.argv[sys.argv.index('--json') + 1], 'w'))\n"
    )
    (tmp_path / "bad.py").write_text("raise SystemExit('no data | here')\n")
    (tmp_path / "README.md").write_text(
        "| `good.py` | `a`, `b` (`c`) | 1, 2 | 3, 4 | it |\n| | `d` | 1 | | it |\n"
    )
    monkeypatch.setattr(run_benchmarks, "BENCHMARKS", tmp_path)
    output = tmp_path / "RESULTS.md"
    assert run_benchmarks.main(["--quick", "--output", str(output)]) == 1
    lines = output.read_text().splitlines()
    assert "| `a` | 2 | 3 |" in lines and "| `b` | 0.5 | 4 |" in lines
    assert lines.index("## bad.py") < lines.index("Failed: no data | here") < lines.index("## good.py")
    before = run_benchmarks.read_sections(output)
    assert run_benchmarks.main(["--only", "good", "--output", str(output)]) == 0
    after = run_benchmarks.read_sections(output)
    assert "| `a` | 1 | 3 |" in after["good.py"] and "full run" in after["good.py"]
    assert after["bad.py"] == before["bad.py"]
    with pytest.raises(SystemExit):
        run_benchmarks.main(["--only", "ugly"])
