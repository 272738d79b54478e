"""Results of studies, kept in files so that a study can be continued."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lsst.meas.realbogus.evaluation import Estimate, stack_estimates
from lsst.meas.realbogus.tables import atomic_output

type Figures = Mapping[str, Estimate | float]


@dataclasses.dataclass(frozen=True)
class Record:
    """Figures of one case, from one seed."""

    case: tuple[str, ...]
    seed: int
    figures: dict[str, Estimate]


class Ledger:
    """Records of a study, one JSON file.

    Parameters
    ----------
    path
        The file; what it holds already is not computed again.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._content: dict[str, dict[str, list[float]]] = {}
        if path is not None and path.is_file():
            self._content = json.loads(path.read_text())

    def figures(
        self, case: tuple[str, ...], seed: int, inputs: object, compute: Callable[[], Figures]
    ) -> Record:
        """Return the figures of a case, computed if they are not known for the same inputs.

        Parameters
        ----------
        case
            What the row of the table is called, one text a column.
        seed
            Seed of the training, or the number of the model.
        inputs
            All that decides the result, as text.
        compute
            Gives the figures.
        """
        digest = hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]
        key = json.dumps([*case, seed, digest])
        if key not in self._content:
            estimates = {name: _estimate(value) for name, value in compute().items()}
            self._content[key] = {name: [e.value, e.low, e.high] for name, e in estimates.items()}
            self._write()
        return Record(case, seed, {name: Estimate(*values) for name, values in self._content[key].items()})

    def _write(self) -> None:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_output(self.path, overwrite=True) as place:
                place.write_text(json.dumps(self._content, indent=1) + "\n")


def _estimate(value: Estimate | float) -> Estimate:
    nan = float("nan")
    return value if isinstance(value, Estimate) else Estimate(float(value), nan, nan)


@dataclasses.dataclass(frozen=True)
class Row:
    """Figures of one case over all seeds: mean with interval, and scatter between the seeds."""

    case: tuple[str, ...]
    n_seeds: int
    figures: dict[str, tuple[Estimate, float]]


def rows(records: list[Record]) -> Iterator[Row]:
    """Put the seeds of each case together, in the order of their first record."""
    cases: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        cases.setdefault(record.case, []).append(record)
    for case, group in cases.items():
        names = list(dict.fromkeys(name for record in group for name in record.figures))
        yield Row(
            case,
            len({record.seed for record in group}),
            {name: stack_estimates([r.figures[name] for r in group if name in r.figures]) for name in names},
        )
