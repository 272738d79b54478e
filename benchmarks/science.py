"""How far scores can be trusted: in distribution, on other cameras, and what moves it.

Studies (``--studies``, several with commas, or ``all``):

* ``out_of_distribution``: real stamps of cameras that no model was trained on (``--data``, beside the
  checkout). ``--sheets`` draws what each model gets wrong, beside stamps of ``--simulated`` like it.

Every figure has a 95 % bootstrap interval over objects; where several models share a name (``--model
NAME=FILE``, repeated) they are taken for seeds, and their mean and scatter are given. What a study has
measured is kept below ``--cache`` and not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from judging.ledger import Ledger
from judging.models import JudgedModel, open_models, open_packaged, open_peers
from judging.out_of_distribution import study_out_of_distribution
from judging.sets import read_real_sets, read_simulated
from judging.study import Study, as_text

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ("out_of_distribution",)


def out_of_distribution(arguments: argparse.Namespace, ledger: Ledger) -> Study | None:
    sets = read_real_sets(arguments.data)
    if not sets:
        print(f"out_of_distribution: no real stamps below {arguments.data}, left out")
        return None
    models: list[JudgedModel] = open_models(arguments.model)
    if not arguments.only:
        models += [*open_packaged(), *open_peers(arguments.data)]
    simulated = read_simulated(arguments.simulated) if arguments.simulated else None
    return study_out_of_distribution(ledger, models, sets, sheets=arguments.sheets, simulated=simulated)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", default="all", help="which, with commas")
    parser.add_argument("--model", action="append", default=[], metavar="[NAME=]FILE", help="model to judge")
    parser.add_argument("--only", action="store_true", help="no packaged models, and none of others")
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of real data"
    )
    parser.add_argument("--simulated", type=Path, metavar="FILE", help="simulated stamps to draw beside them")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="draw what models get wrong")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "build" / "science", help="what is known already"
    )
    parser.add_argument("--quick", action="store_true", help="small sets and one seed: see that it works")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    names = STUDIES if arguments.studies == "all" else tuple(arguments.studies.split(","))
    if unknown := sorted(set(names) - set(STUDIES)):
        parser.error(f"no study is called {', '.join(unknown)}; there are {', '.join(STUDIES)}")
    done: list[Study] = []
    for name in names:
        study = globals()[name](arguments, Ledger(arguments.cache / f"{name}.json"))
        if study is not None:
            print(f"\n{study.title}\n{study.text}\n{as_text(*study.table())}")
            done.append(study)
    if arguments.json:
        figures = {key: value for study in done for key, value in study.figures().items()}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
