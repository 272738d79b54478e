"""How models do on real stamps of cameras they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.evaluation import Estimate, fraction, judge_scores

from .ledger import Figures, Ledger
from .models import JudgedModel
from .sets import JudgedSet
from .sheets import write_sheets
from .study import Study

TEXT = (
    "Real stamps of cameras that no model was trained on. ZTF: all labels (the real ones mostly by ZTF's "
    "own classifier), and the real ones with independent evidence (known asteroids, TNS) against all bogus "
    "ones. HSC: fraction of the residuals called bogus by Rubin's classifier that score above 0.5. LSSTCam: "
    "fraction of the quasars, Seyfert galaxies and AGN that score above 0.5. Sources without a score rank "
    "last and pass no threshold. Where a network is told the PSF, it is judged with the PSF known and "
    "unknown. The networks of others score stamps with any number of missing pixels here."
)
GOALS = {
    "ztf area, all": "≥ 0.96",
    "ztf area, independent": "≥ 0.97",
    "hsc bogus above 0.5": "≤ 0.05",
    "lsstcam AGN above 0.5": "≥ 0.90",
}


def measure_real_set(judged: JudgedSet, scores: npt.NDArray[np.float64]) -> Figures:
    """Give the figures of one real set."""
    name, label = judged.name, judged.label
    figures: dict[str, Estimate | float] = {}
    if (label == 1).any() and (label == 0).any():
        result = judge_scores(scores, label, judged.object_id)
        figures[f"{name} area, all"] = result.area
        if judged.certain.any():
            sure = np.where((label == 1) & ~judged.certain, -1, label)
            independent = judge_scores(scores, sure, judged.object_id)
            figures[f"{name} area, independent"] = independent.area
            figures[f"{name} TPR at 1 % FPR, independent"] = independent.rate
            figures[f"{name} independent above 0.5"] = independent.completeness
        figures[f"{name} bogus above 0.5"] = result.false_positive_rate
        negative = (label == 1) & judged.is_negative
        if negative.any():
            figures[f"{name} negative reals above 0.5"] = _above(scores[negative])
    elif (label == 0).any():
        figures[f"{name} bogus above 0.5"] = _above(scores[label == 0])
    else:
        figures[f"{name} AGN above 0.5"] = _above(scores[label == 1])
        figures[f"{name} others above 0.5"] = _above(scores[label == -1])
    figures[f"{name} without score"] = float(np.isnan(scores).mean())
    return figures


def describe_sets(sets: Mapping[str, JudgedSet]) -> str:
    """Say how many sources each set has, as they are counted here."""
    parts = []
    for name, judged in sets.items():
        n_real, n_bogus = (int((judged.label == label).sum()) for label in (1, 0))
        n_sure = int((judged.certain & (judged.label == 1)).sum())
        parts.append(f"{name}: {len(judged)} sources, {n_real} real ({n_sure} for certain), {n_bogus} bogus")
    return "Counted: " + "; ".join(parts) + "."


def _above(scores: npt.NDArray[np.float64]) -> Estimate:
    """Fraction above 0.5 with its binomial interval: no object occurs twice in these sets."""
    part = fraction(int((scores >= 0.5).sum()), scores.size)
    return Estimate(part.value, part.low, part.high)


def study_out_of_distribution(
    ledger: Ledger,
    models: Sequence[JudgedModel],
    sets: dict[str, JudgedSet],
    *,
    sheets: Path | None = None,
    simulated: JudgedSet | None = None,
) -> Study:
    """Judge models by real sets, and draw what they get wrong."""
    records = []
    seeds: dict[str, int] = {}
    for model in models:
        seeds[model.name] = seeds.get(model.name, -1) + 1
        for psf in ("known", "unknown") if model.uses_psf else ("known",):
            name = model.name if psf == "known" else f"{model.name}, PSF not told"
            for judged in sets.values():
                inputs = (model.content, psf, judged.name, len(judged), float(judged.psf_fwhm.sum()))
                records.append(
                    ledger.figures(
                        (name,), seeds[model.name], inputs,
                        lambda: measure_real_set(judged, model.score(judged, psf)),  # noqa: B023
                    )
                )  # fmt: skip
        if sheets is not None:
            twins = None if simulated is None else (simulated, model.score(simulated))
            for judged in sets.values():
                write_sheets(sheets, judged, model.score(judged), f"{model.name}-{seeds[model.name]}", twins)
    return Study(
        "out_of_distribution",
        "Real stamps of other cameras",
        f"{TEXT} {describe_sets(sets)}",
        ("model",),
        records,
        dict(GOALS),
    )
