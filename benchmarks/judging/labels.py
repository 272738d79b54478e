"""What wrong labels do: co-teaching against reals that hide among the bogus, and labels that are turned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.evaluation import judge_scores
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import LabelledStamps, StrategyConfig

from .designs import AUGMENTATIONS
from .ledger import Figures, Ledger, Record
from .sets import as_judged, object_numbers
from .study import Study
from .training import Budget, TrainedModel, compact_contract, identity, split_anew, train_network

# The weights of the last epoch are kept: by the loss on labels as wrong as those learnt from, the best epoch
# of what forgets wrong labels is the first, in which nothing is forgotten yet.
TURNS = AUGMENTATIONS["none but turns"]
"""What the studies that are followed here augmented by; nets learn in fewer steps what labels do."""

type Labels = npt.NDArray[np.int8]

FRACTIONS = (0.6, 0.15, 0.25)
HIDDEN = (0.0, 0.03, 0.15, 0.3)
TURNED = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)
HIDDEN_TEXT = (
    "All surveys on all sides, split by sky cell, host and object; stamps are turned, and not augmented "
    "otherwise. As many reals as bogus to begin with. Reals are hidden among the bogus stamps that are "
    "learnt from and chosen by, as where only injected sources are known to be real; “hidden” is their "
    "fraction of what is labelled bogus. The labels that judge are right. Co-teaching leaves out 1.3 "
    "times the hidden fraction of the bogus labels (asymmetric), or as many of all (symmetric). “Hidden "
    "found”: fraction of the hidden reals that score above 0.5. What moves at 0.5 and not at a fixed rate"
    " of false positives is calibration, not knowledge. The last epoch is kept."
)
TURNED_TEXT = (
    "All surveys on all sides, split by sky cell, host and object. Labels of a fraction of the stamps "
    "that are learnt from and chosen by are turned at random, real to bogus and bogus to real, as in "
    "DeepShadows. The labels that judge are right. “Hidden found”: fraction of the reals called bogus "
    "that score above 0.5. The last epoch is kept."
)


def hide_reals(label: Labels, fraction: float, seed: int) -> Labels:
    """Call reals bogus until they are a fraction of all that is called bogus."""
    n_bogus = int((label == 0).sum())
    n_hidden = round(n_bogus * fraction / (1 - fraction))
    real = np.flatnonzero(label == 1)
    if n_hidden > real.size / 2:
        raise ValueError(f"{n_hidden} of {real.size} reals would be hidden: fewer bogus stamps are needed")
    hidden = generator(seed, "hidden-reals").permutation(real)[:n_hidden]
    noisy = label.copy()
    noisy[hidden] = 0
    return noisy


def as_many_bogus(stamps: LabelledStamps) -> LabelledStamps:
    """Keep as many bogus stamps as there are reals, so that many of these can be hidden."""
    real, bogus = (np.flatnonzero(stamps.label == label) for label in (1, 0))
    bogus = generator(1, "as-many-bogus").permutation(bogus)[: real.size]
    return stamps[np.sort(np.concatenate([real, bogus]))]


def turn_labels(label: Labels, fraction: float, seed: int) -> Labels:
    """Turn the labels of a fraction of the stamps."""
    rows = generator(seed, "turned-labels").permutation(len(label))[: round(fraction * len(label))]
    noisy = label.copy()
    noisy[rows] = 1 - noisy[rows]
    return noisy


def strategies(hidden: float, bogus_share: float, epochs: int) -> dict[str, StrategyConfig]:
    """Strategies that know how many reals are hidden; their ramps fit into as many epochs."""
    forget = 1.3 * hidden
    ramp = {"forget_epochs": max(1, epochs // 3)}
    return {
        "standard": StrategyConfig(),
        "ensemble of 2": StrategyConfig(name="ensemble", members=2),
        "co-teaching": StrategyConfig(name="co-teaching", forget=forget * bogus_share, **ramp),
        "asymmetric": StrategyConfig(
            name="asymmetric", forget_bogus=forget, forget_real=0.01 if hidden else 0.0, **ramp
        ),
        "stochastic": StrategyConfig(name="stochastic", delay=epochs // 3, ramp=max(1, epochs // 3)),
    }


def _measure(
    model: TrainedModel, judge: LabelledStamps, learn: LabelledStamps, learn_label: Labels
) -> Figures:
    judged = judge_scores(model.score(as_judged(judge, "")), judge.label, object_numbers(judge))
    figures = {
        "area": judged.area,
        "TPR at 1 % FPR": judged.rate,
        "completeness at 0.5": judged.completeness,
        "FPR at 0.5": judged.false_positive_rate,
    }
    hidden = (learn.label == 1) & (learn_label == 0)
    if hidden.any():
        scores = model.score(as_judged(learn[hidden], ""))
        figures["hidden found"] = float((scores >= 0.5).mean())
    return figures


def _study(
    ledger: Ledger,
    cases: Sequence[tuple[tuple[str, ...], float, StrategyConfig | None]],
    spoil: Callable[[Labels, float, int], Labels],
    parts: dict[str, LabelledStamps],
    budget: Budget,
    seeds: Sequence[int],
) -> list[Record]:
    learn, choose, judge = (parts[role] for role in ("learn", "choose", "judge"))
    records = []
    for seed in seeds:  # an interrupted study has all cases of the first seeds
        for case, fraction, strategy in cases:
            inputs = (
                "last epoch",
                case,
                budget,
                strategy,
                *(identity(part) for part in (learn, choose, judge)),
            )

            def compute() -> Figures:
                noisy = spoil(learn.label, fraction, seed)  # noqa: B023
                # No calibration: which stamps are above 0.5 is a part of what is asked.
                model = train_network(
                    "study", compact_contract(), learn, choose, budget,
                    seed=seed, augmentation=TURNS, strategy=strategy,  # noqa: B023
                    learn_label=noisy, choose_label=spoil(choose.label, fraction, seed),  # noqa: B023
                    calibrate=False, last_epoch=True,
                )  # fmt: skip
                return _measure(model, judge, learn, noisy)

            records.append(ledger.figures(case, seed, inputs, compute))
    return records


def study_co_teaching(
    ledger: Ledger,
    parts: dict[str, LabelledStamps],
    budget: Budget,
    seeds: Sequence[int],
    hidden: Sequence[float] = HIDDEN,
) -> Study:
    """Train by every strategy with ever more hidden reals."""
    parts = split_anew(parts, fractions=FRACTIONS)
    parts = {**parts, **{role: as_many_bogus(parts[role]) for role in ("learn", "choose")}}
    learn = parts["learn"]
    epochs = budget.config(len(learn), 1).epochs
    cases = []
    for fraction in hidden:
        share = float((hide_reals(learn.label, fraction, 1) == 0).mean())
        for name, strategy in strategies(fraction, share, epochs).items():
            cases.append(((f"{fraction:.0%}", name), fraction, strategy))
    records = _study(ledger, cases, hide_reals, parts, budget, seeds)
    return Study("co_teaching", "Co-teaching and hidden reals", HIDDEN_TEXT, ("hidden", "strategy"), records)


def study_label_noise(
    ledger: Ledger,
    parts: dict[str, LabelledStamps],
    budget: Budget,
    seeds: Sequence[int],
    turned: Sequence[float] = TURNED,
) -> Study:
    """Train with ever more labels turned at random."""
    parts = split_anew(parts, fractions=FRACTIONS)
    cases = [((f"{fraction:.0%}",), fraction, None) for fraction in turned]
    records = _study(ledger, cases, turn_labels, parts, budget, seeds)
    return Study("label_noise", "Labels turned at random", TURNED_TEXT, ("turned",), records)
