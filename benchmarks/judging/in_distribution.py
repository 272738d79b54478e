"""How models do on simulated surveys that neither learning nor choosing has seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.evaluation import (
    Estimate,
    ThresholdCurve,
    bootstrap,
    calibration_error,
    count_labels,
    judge_by_snr,
    judge_scores,
    threshold_curve,
)
from lsst.meas.realbogus.model import shift_prior
from lsst.meas.realbogus.report import draw_curves
from lsst.meas.realbogus.training import LabelledStamps, fit_calibration, score_baselines

from .ledger import Figures, Ledger, Record
from .models import Scoring
from .sets import as_judged, object_numbers
from .study import Study
from .training import identity

type Floats = npt.NDArray[np.float64]

SNR_EDGES = (5.0, 5.5, 6.5, 8.0, 12.0, 20.0, 50.0, np.inf)
SPARSE = 1 / 21
"""Fraction of reals at one to twenty."""
TEXT = (
    "Simulated surveys that no model has learnt from or was chosen by. Purity is for as many reals as "
    "bogus. “SNR 6”: sources of SNR 5.5 to 6.5; the best purity at a completeness of 90 %, and the best "
    "completeness at a purity of 95 % (OSS-REQ-0353 asks for both at one threshold). Calibration errors "
    "are in 15 bins of equal mass, at 1:1 and, with the prior moved, at 1:20. Baselines learn from, and "
    "are calibrated by, the same surveys as the networks; they see numbers measured on the stamps."
)
GOALS = {"ECE": "≤ 0.02", "ECE at 1:20": "≤ 0.02", "SNR 6 best purity": "≥ 0.95",
         "SNR 6 best completeness": "≥ 0.90"}  # fmt: skip


def measure_simulated(scores: Floats, stamps: LabelledStamps) -> Figures:
    """Give the figures of one model on a judging set."""
    objects = object_numbers(stamps)
    judged = judge_scores(scores, stamps.label, objects, real_fraction=0.5)
    sparse = shift_prior(scores, 0.5, SPARSE)
    (error,) = bootstrap(
        lambda rows: np.array([calibration_error(sparse[rows], stamps.label[rows], real_fraction=SPARSE)]),
        stamps.label,
        objects,
    )
    figures: dict[str, Estimate | float] = {
        "area": judged.area,
        "TPR at 1 % FPR": judged.rate,
        "completeness": judged.completeness,
        "purity": judged.purity,
        "FPR": judged.false_positive_rate,
        "Brier": judged.brier,
        "ECE": judged.calibration_error,
        "ECE at 1:20": error,
        "without score": float(np.isnan(scores).mean()),
    }
    near_six = (stamps.snr >= 5.5) & (stamps.snr < 6.5)
    if len(np.unique(stamps.label[near_six])) == 2:
        row = judge_by_snr(scores, stamps.label, stamps.snr, (5.5, 6.5), objects, n_resamples=20)[0]
        figures["SNR 6 best purity"] = float(row["best_purity"])
        figures["SNR 6 best completeness"] = float(row["best_completeness"])
    return figures


def measure_kinds(scores: Floats, stamps: LabelledStamps) -> Iterator[tuple[str, str, int, Estimate]]:
    """Give label, kind, number and fraction above 0.5 of every kind, and of variables that vary much."""
    kind = as_judged(stamps, "").kind
    for row in count_labels(stamps.label, kind, scores):
        name = "real" if row["label"] == 1 else "bogus"
        part = Estimate(float(row["fraction_above"]), float(row["low"]), float(row["high"]))
        yield name, str(row["reason"]), int(row["n"]), part
    varies = (stamps.label == 1) & np.isin(kind, ["variable", "agn"]) & (stamps.flux_ratio > 0.3)
    if varies.any():
        row = count_labels(stamps.label[varies], kind[varies].astype("U1"), scores[varies])[0]
        part = Estimate(float(row["fraction_above"]), float(row["low"]), float(row["high"]))
        yield "real", "variable above 0.3 of the template", int(varies.sum()), part


def study_in_distribution(
    ledger: Ledger,
    models: Sequence[Scoring],
    judge: LabelledStamps,
    learn: LabelledStamps | None = None,
    choose: LabelledStamps | None = None,
    seeds: Sequence[int] = (1,),
) -> list[Study]:
    """Judge models and baselines: one table in all, one by SNR, one by kind.

    The baselines learn from ``learn`` and, as networks are, are calibrated by ``choose``.
    """
    main: list[Record] = []
    by_snr: list[Record] = []
    by_kind: list[Record] = []
    curves: dict[str, ThresholdCurve] = {}
    for name, seed, content, scores in _all_scores(models, judge, learn, choose, seeds):
        if name not in curves:  # the first seed is drawn
            curves[name] = threshold_curve(scores, judge.label, real_fraction=0.5)
        inputs = (content, identity(judge))
        main.append(
            ledger.figures((name,), seed, inputs, lambda: measure_simulated(scores, judge))  # noqa: B023
        )
        table = judge_by_snr(scores, judge.label, judge.snr, SNR_EDGES, object_numbers(judge), n_resamples=50)
        for row in table:
            if row["n_real"] and row["n_bogus"]:
                figures = {
                    figure: Estimate(*(float(row[f"{figure}{end}"]) for end in ("", "_low", "_high")))
                    for figure in ("area", "completeness", "purity", "false_positive_rate")
                }
                figures["FPR"] = figures.pop("false_positive_rate")
                nan = float("nan")
                figures |= {
                    text: Estimate(float(row[figure]), nan, nan)
                    for figure, text in (
                        ("best_purity", "best purity"), ("best_completeness", "best completeness"),
                    )
                }  # fmt: skip
                case = f"{row['snr_low']:g} to {row['snr_high']:g}", f"{row['n_real']} / {row['n_bogus']}"
                by_snr.append(Record((name, *case), seed, figures))
        for label, kind, n, above in measure_kinds(scores, judge):
            by_kind.append(Record((label, kind, str(n)), seed, {name: above}))
    by_kind.sort(key=lambda record: (record.case[0] != "real", record.case[1]))
    first = {record.case[0]: record.figures["area"].value for record in reversed(main)}
    drawing = draw_curves(curves, first, 0.5)
    return [
        Study(
            "in_distribution",
            "Simulated surveys not seen before",
            TEXT,
            ("model",),
            main,
            dict(GOALS),
            [drawing],
        ),
        Study(
            "in_distribution_snr",
            "The same by SNR",
            "At a threshold of 0.5, as many reals as bogus; numbers are those of real and bogus sources.",
            ("model", "SNR", "real / bogus"),
            by_snr,
        ),
        Study(
            "in_distribution_kinds",
            "The same by kind",
            "Fraction of the sources of each kind that score above 0.5; intervals are binomial. Asked for "
            "are at least 0.90 of every kind of real (0.95 of variables above 0.3 of the template) and at "
            "most 0.15 of every kind of bogus.",
            ("label", "kind", "sources"),
            by_kind,
        ),
    ]


def _all_scores(
    models: Sequence[Scoring],
    judge: LabelledStamps,
    learn: LabelledStamps | None,
    choose: LabelledStamps | None,
    seeds: Sequence[int],
) -> Iterator[tuple[str, int, str, Floats]]:
    """Yield name, seed, content and scores of every model and baseline."""
    seen: dict[str, int] = {}
    judged = as_judged(judge, "judge")
    for model in models:
        seen[model.name] = seen.get(model.name, 0) + 1
        yield model.name, seen[model.name], model.content, model.score(judged)
    if learn is None or choose is None:
        return
    both = LabelledStamps.concatenate([choose, judge])
    for seed in seeds:
        scores: Mapping[str, Floats] = score_baselines(learn, both, seed=seed)
        for name, values in scores.items():
            calibrated = _calibrated(values[len(choose) :], values[: len(choose)], choose.label)
            yield name, seed, f"{name} {seed} {identity(learn)} {identity(choose)}", calibrated


def _calibrated(scores: Floats, chosen: Floats, label: npt.NDArray[np.int64]) -> Floats:
    """Calibrate by the choosing surveys; a baseline whose high scores are not real there stays as it is."""
    try:
        known = fit_calibration(chosen, label)
    except InvalidInputError as error:
        print(f"a baseline is not calibrated: {error}", flush=True)
        return scores
    return np.interp(scores, known.scores, known.probabilities)
