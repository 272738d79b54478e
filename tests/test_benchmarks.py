"""Every benchmark starts: what they import moves with the rooms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_says_how_it_is_run(script: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "--quick" in result.stdout and "--json" in result.stdout


def test_the_page_of_results_sets_figures_beside_their_goals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS[0].parents[1] / "tools"))
    import run_benchmarks

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
    assert "| `good.py` | `a` | 2 | 3 |" in lines and "| `good.py` | `b` | 0.5 | 4 |" in lines
    assert "| `bad.py` | failed: no data   here | | |" in lines
    assert run_benchmarks.main(["--only", "good", "--output", str(output)]) == 0
    assert "| `good.py` | `a` | 1 | 3 |" in output.read_text()
    with pytest.raises(SystemExit):
        run_benchmarks.main(["--only", "ugly"])
