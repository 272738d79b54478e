"""It can be told afterwards what a result was made from; and what the package needs is declared."""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from astropy.table import Table
from lsst.pipe.base import Struct

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.injection import ImageId
from lsst.meas.realbogus.tasks import create_fake_supernovae

ROOT = Path(__file__).parents[1]


def test_defect_18_tables_named_by_a_path_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.csv"
    Table({"ra": [1.0, 2.0], "dec": [0.0, 0.0], "mag": [20.0, 21.0]}).write(path)
    seen: dict[str, object] = {}

    def make_catalog(*args: object, **given: object) -> Table:
        seen.update(given)
        return Table({"ra": [1.0]})

    monkeypatch.setattr(create_fake_supernovae, "make_catalog", make_catalog)
    config = create_fake_supernovae.CreateFakeSupernovaeTask.ConfigClass()
    config.user_table = str(path)
    task = create_fake_supernovae.CreateFakeSupernovaeTask(config=config)
    result: Struct = task.run(sources=Table(), footprint=SimpleNamespace(), image_id=ImageId(1, 8))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert task.metadata["user_table_sha256"] == sha256
    assert result.catalog.meta == {"user_table": str(path), "user_table_sha256": sha256}
    assert len(seen["user_table"]) == 2 and seen["truth"] is None  # type: ignore[arg-type]
    config.user_table = str(tmp_path / "none.csv")
    task = create_fake_supernovae.CreateFakeSupernovaeTask(config=config)
    with pytest.raises(InvalidInputError, match=r"none\.csv"):
        task.run(sources=Table(), footprint=SimpleNamespace(), image_id=ImageId(1, 8))


def test_defect_18_ups_names_every_product_that_is_imported() -> None:
    table = (ROOT / "ups" / "meas_realbogus.table").read_text()
    declared = {name: kind for kind, name in re.findall(r"setup(Required|Optional)\((\w+)\)", table)}
    needed = {"sconsUtils", "ctrl_mpexec"}  # the build, and the program pipetask
    for path in [*(ROOT / "python").rglob("*.py"), *(ROOT / "bin.src").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith("lsst.") and not name.startswith("lsst.meas.realbogus"):
                    parts = name.split(".")
                    nested = parts[1] in ("daf", "pipe", "pex", "ctrl", "meas", "ip")
                    needed.add("_".join(parts[1:3]) if nested else parts[1])
                elif name.split(".")[0] == "astro_metadata_translator":
                    needed.add(name.split(".")[0])
    assert needed <= set(declared), needed - set(declared)
    assert {name for name in declared if declared[name] == "Required"} <= needed
