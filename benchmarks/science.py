"""How far scores can be trusted: in distribution, on other cameras, and what moves it.

Studies (``--studies``, several with commas, or ``all``):

* ``out_of_distribution``: models by real stamps of cameras that none was trained on (``--data``, beside the
  checkout). ``--sheets`` draws what each model gets wrong, beside stamps of ``--simulated`` like it.
* ``in_distribution``: models, baselines and the networks of others, trained on the same stamps with the same
  budget, by simulated surveys that neither learning nor choosing has seen: in all, by SNR, by kind.
* ``ablations``: one thing at a time: artefacts, augmentation, normalisation, stamps, PSF, network.
* ``learning_curve``: more surveys. ``left_out_camera``: a regime that was not learnt. ``splits``: split anew.
* ``transfer``: a few labels of real ZTF alerts. ``co_teaching``: hidden reals. ``label_noise``: wrong labels.

All but the first need a set of stamps of the surveys ``training-N`` (``--stamps``), a file ``NNNN.parquet``
for each, as ``make models`` leaves it in ``build/training/stamps``: what each is for, N says. ``--make N,…``
makes those that are not there.

Every figure has a 95 % bootstrap interval over objects, or a binomial one for counts; where several models
share a name (``--model NAME=FILE``, repeated) they are taken for seeds, and their mean and scatter are given.
What a study has measured is kept below ``--cache`` and not measured again, so that it can be continued.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from judging.designs import (
    NETWORKS,
    Trainer,
    study_ablations,
    study_learning_curve,
    study_left_out_camera,
    study_splits,
    study_transfer,
)
from judging.in_distribution import study_in_distribution
from judging.labels import study_co_teaching, study_label_noise
from judging.ledger import Ledger
from judging.models import JudgedModel, Scoring, open_models, open_packaged, open_peers
from judging.out_of_distribution import study_out_of_distribution
from judging.sets import JudgedSet, read_real_sets, read_simulated
from judging.simulated import QUICK_SURVEYS, make_stamps, read_roles
from judging.study import Study, as_text
from judging.training import Budget, Networks, at_most, compact_contract

from lsst.meas.realbogus.model import preset_contract
from lsst.meas.realbogus.report import write_study_page
from lsst.meas.realbogus.training import Augmentation, LabelledStamps

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Context:
    """What studies share; stamps are read when they are first asked for."""

    arguments: argparse.Namespace

    def ledger(self, name: str) -> Ledger:
        """Return what is known of a study."""
        return Ledger(self.arguments.cache / f"{name}.json")

    @functools.cached_property
    def sets(self) -> dict[str, JudgedSet]:
        """The real sets."""
        return read_real_sets(self.arguments.data)

    @functools.cached_property
    def models(self) -> list[JudgedModel]:
        """The models that are given, and those of the package."""
        given = open_models(self.arguments.model)
        return given if self.arguments.only else [*given, *open_packaged()]

    @functools.cached_property
    def parts(self) -> dict[str, LabelledStamps]:
        """Simulated stamps to learn from, to choose by and to judge by."""
        folder, quick = self.arguments.stamps, self.arguments.quick
        for number in self.arguments.make:
            make_stamps(folder, number, quick=quick)
        parts = read_roles(folder)
        needed = {"judge"} if self.arguments.no_training else {"learn", "choose", "judge"}
        if absent := sorted(needed - set(parts)):
            raise SystemExit(f"{folder}: no stamps to {', '.join(absent)}; --make 0,5,6 makes some of each")
        if "learn" in parts:
            parts["learn"] = at_most(parts["learn"], self.arguments.most)
        return parts

    @property
    def budget(self) -> Budget:
        """What each network may use."""
        return Budget(shown=self.arguments.shown)

    @property
    def networks(self) -> Networks:
        """What trains the networks that studies share."""
        return Networks(self.arguments.cache / "networks")

    def seeds(self, least: int = 3) -> tuple[int, ...]:
        """Seeds of the networks."""
        n = 1 if self.arguments.quick else max(least, self.arguments.seeds)
        return tuple(range(1, n + 1))

    def trainer(self, name: str) -> Trainer:
        """Return what trains and measures the cases of a study."""
        return Trainer(self.ledger(name), self.parts, self.sets, self.budget, self.seeds(), self.networks)


def out_of_distribution(context: Context) -> list[Study]:
    arguments = context.arguments
    if not context.sets:
        print(f"out_of_distribution: no real stamps below {arguments.data}, left out")
        return []
    models = list(context.models)
    if not arguments.only:
        models += open_peers(arguments.data)
    simulated = read_simulated(arguments.simulated) if arguments.simulated else None
    ledger = context.ledger("out_of_distribution")
    return [
        study_out_of_distribution(ledger, models, context.sets, sheets=arguments.sheets, simulated=simulated)
    ]


def in_distribution(context: Context) -> list[Study]:
    parts = context.parts
    models: list[Scoring] = list(context.models)
    if not context.arguments.no_training:
        for name in NETWORKS:
            contract = compact_contract() if context.arguments.quick else preset_contract(name, "study", "0")
            for seed in context.seeds():
                models.append(
                    context.networks.train(
                        f"{name}, trained here", contract, parts["learn"], parts["choose"], context.budget,
                        seed=seed, augmentation=Augmentation(),
                    )
                )  # fmt: skip
            if context.arguments.quick:
                break
    ledger = context.ledger("in_distribution")
    return study_in_distribution(
        ledger, models, parts["judge"], parts.get("learn"), parts.get("choose"), context.seeds()
    )


def co_teaching(context: Context) -> list[Study]:
    hidden = {"hidden": (0.0, 0.15)} if context.arguments.quick else {}
    ledger = context.ledger("co_teaching")
    return [study_co_teaching(ledger, context.parts, context.budget, context.seeds(4), **hidden)]


def label_noise(context: Context) -> list[Study]:
    turned = {"turned": (0.0, 0.2)} if context.arguments.quick else {}
    ledger = context.ledger("label_noise")
    return [study_label_noise(ledger, context.parts, context.budget, context.seeds(), **turned)]


def splits(context: Context) -> list[Study]:
    n = 2 if context.arguments.quick else 6
    return [study_splits(context.trainer("splits"), range(1, n + 1))]


def transfer(context: Context) -> list[Study]:
    if "ztf" not in context.sets:
        print(f"transfer: no real ZTF alerts below {context.arguments.data}, left out")
        return []
    labels = (50,) if context.arguments.quick else (50, 200, 500)
    return [study_transfer(context.trainer("transfer"), labels)]


STUDIES: dict[str, Callable[[Context], Sequence[Study]]] = {
    "in_distribution": in_distribution,
    "out_of_distribution": out_of_distribution,
    "ablations": lambda context: [study_ablations(context.trainer("ablations"))],
    "co_teaching": co_teaching,
    "label_noise": label_noise,
    "splits": splits,
    "transfer": transfer,
    "learning_curve": lambda context: [study_learning_curve(context.trainer("learning_curve"))],
    "left_out_camera": lambda context: [study_left_out_camera(context.trainer("left_out_camera"))],
}

QUICK_STUDIES = ("in_distribution", "out_of_distribution")


def provenance(arguments: argparse.Namespace) -> dict[str, str]:
    """Say what made the page."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "revision": commit or "unknown",
        "options": " ".join(sys.argv[1:]),
        "stamps shown to each network": str(arguments.shown),
    }


def numbers(text: str) -> list[int]:
    """Read numbers with commas between."""
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--studies", help="which, with commas (default: all; with --quick those of given models alone)")
    add("--model", action="append", default=[], metavar="[NAME=]FILE", help="model to judge")
    add("--only", action="store_true", help="no packaged models, and none of others")
    add("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of real data")
    add("--stamps", type=Path, help="folder of simulated stamps (default: below the cache)")
    add("--make", type=numbers, default=[], metavar="N,…", help="training surveys to make if not there")
    add("--most", type=int, default=20_000, help="stamps to learn from at most")
    add("--shown", type=int, default=120_000, help="stamps shown to each network in its training")
    add("--seeds", type=int, default=3, help="seeds of each network, at least 3 (co-teaching: 4)")
    add("--no-training", action="store_true", help="in_distribution: no networks but those given")
    add("--simulated", type=Path, metavar="FILE", help="simulated stamps to draw beside real ones")
    add("--sheets", type=Path, metavar="FOLDER", help="draw what models get wrong")
    add("--cache", type=Path, default=ROOT / "build" / "science", help="what is known already")
    add("--quick", action="store_true", help="tiny surveys, little training, one seed: see that it works")
    add("--json", type=Path, help="file to write the figures to")
    add("--page", type=Path, help="HTML page to write")
    arguments = parser.parse_args()
    if arguments.quick and arguments.studies is None:
        arguments.studies, arguments.no_training = ",".join(QUICK_STUDIES), True
    names = tuple(STUDIES) if arguments.studies in (None, "all") else tuple(arguments.studies.split(","))
    if unknown := sorted(set(names) - set(STUDIES)):
        parser.error(f"no study is called {', '.join(unknown)}; there are {', '.join(STUDIES)}")
    if arguments.quick:
        arguments.cache = arguments.cache / "quick"
        arguments.shown = min(arguments.shown, 3_000)
        surveys = QUICK_SURVEYS[-1:] if arguments.no_training else QUICK_SURVEYS
        arguments.make = arguments.make or ([] if arguments.stamps else list(surveys))
    arguments.stamps = arguments.stamps or arguments.cache / "stamps"
    arguments.stamps.mkdir(parents=True, exist_ok=True)
    context = Context(arguments)
    done: list[Study] = []
    for name in names:
        for study in STUDIES[name](context):
            print(f"\n{study.title}\n{study.text}\n{as_text(*study.table())}", flush=True)
            done.append(study)
    if arguments.json:
        figures = {key: value for study in done for key, value in study.figures().items()}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    if arguments.page:
        write_study_page(
            arguments.page,
            [study.section() for study in done],
            title="What scores are worth",
            provenance=provenance(arguments),
            overwrite=True,
        )


if __name__ == "__main__":
    main()
