"""The page of studies: complete in itself, every cell in its place."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.report import StudySection, write_study_page


def _section(**changes: object) -> StudySection:
    fields = {
        "title": "Models & <seeds>",
        "text": "What is asked.",
        "header": ("model", "seeds", "area"),
        "rows": (("ours <1>", "3", "0.990 (0.980–0.995)"), ("theirs", "1", "0.900")),
        "goals": {"area": "≥ 0.96"},
    }
    return StudySection(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_page_has_every_cell_and_escapes_text(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("L", (4, 4)).save(picture, "PNG")
    section = _section(drawings=("<svg id='curve'></svg>",), pictures={"a sheet": picture.getvalue()})
    path = write_study_page(
        tmp_path / "page.html", [section, _section(rows=())], title="Studies", provenance={"commit": "abc"}
    )
    page = path.read_text()
    assert "Models &amp; &lt;seeds&gt;" in page and "ours &lt;1&gt;" in page
    assert page.count("<tr>") == 3
    assert "<td>0.990<small>(0.980–0.995)</small></td>" in page and "<td>0.900</td>" in page
    assert "≥ 0.96" in page and "<svg id='curve'>" in page and "abc" in page
    assert 'src="data:image/png;base64,' in page and "http" not in page
    assert "Nothing was measured" in page


def test_rows_of_other_lengths_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"rows of \[2\] cells under 3"):
        _section(rows=(("a", "b"),))
