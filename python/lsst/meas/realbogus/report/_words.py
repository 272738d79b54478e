"""A run in sentences."""

from __future__ import annotations

__all__ = ("describe_run",)

from collections.abc import Mapping

from ..evaluation import Fraction, ModelResult, Summary, Validation
from ..truth import LossBudget


def describe_run(
    summary: Summary, budgets: Mapping[str, LossBudget], validation: Validation | None, threshold: float
) -> list[str]:
    """Say in sentences what a run shows, each number with its interval.

    Parameters
    ----------
    summary
        Numbers of the run.
    budgets
        What became of the injected sources, by model.
    validation
        Checks of the injections.
    threshold
        Score from which a source is called real.

    Returns
    -------
    list of str
        The sentences, the most important first.
    """
    words = [_describe_model(model, summary, threshold) for model in summary.models]
    if summary.n_drawn:
        words.append(_describe_detection(summary, budgets))
    if len(summary.models) > 1:
        words.append(_describe_difference(summary))
    words += _describe_requirement(summary)
    if validation is not None:
        words.append(_describe_validation(validation))
    unscored = [(model.name, summary.n_sources - model.n_scored) for model in summary.models]
    if any(n for _, n in unscored):
        counts = ", ".join(f"{n} by {name}" for name, n in unscored)
        words.append(f"Without a score, and so called bogus, of {summary.n_sources} sources: {counts}.")
    return words


def _of(part: Fraction) -> str:
    if not part.trials:
        return "–"
    return f"{100 * part.value:.1f} % ({100 * part.low:.1f}–{100 * part.high:.1f})"


def _describe_model(model: ModelResult, summary: Summary, threshold: float) -> str:
    performance = model.performance
    purity = "at least " if summary.bogus_assumed else ""
    text = (
        f"{model.name} at a score of {threshold:g} keeps {_of(performance.completeness)} of the real sources "
        f"that were detected; {purity}{_of(performance.purity)} of what it keeps is real, and "
        f"{_of(performance.false_positive_rate)} of the bogus sources pass."
    )
    if summary.n_drawn:
        text += f" From image to score, {_of(model.end_to_end)} of the injected supernovae come through."
    return text


def _describe_detection(summary: Summary, budgets: Mapping[str, LossBudget]) -> str:
    text = f"Detection finds {_of(summary.detection)} of the {summary.n_drawn} supernovae that were injected"
    if budgets:
        table = next(iter(budgets.values())).table()
        lost = [row for row in table if row["step"] != "kept" and row["n"]]
        if lost:
            worst = max(lost, key=lambda row: row["n"])
            reason = str(worst["reason"]).replace("_", " ")
            text += f"; the largest loss is at the step “{worst['step']}” ({reason}: {worst['n']})"
    return text + "."


def _describe_difference(summary: Summary) -> str:
    best = max(summary.models, key=lambda model: -1.0 if model.area[0] != model.area[0] else model.area[0])
    areas = ", ".join(f"{m.name} {m.area[0]:.3f} ({m.area[1]:.3f}–{m.area[2]:.3f})" for m in summary.models)
    others = [m for m in summary.models if m is not best]
    if best.area[0] != best.area[0]:
        return "No area under the ROC curve can be given: real or bogus sources are missing."
    apart = all(best.area[1] > other.area[2] for other in others)
    verdict = f"{best.name} ranks best" if apart else "their intervals overlap"
    return f"Area under the ROC curve: {areas}; {verdict}."


def _describe_requirement(summary: Summary) -> list[str]:
    met = [f"{m.name} from {m.requirement:.3f}" for m in summary.models if m.requirement == m.requirement]
    if not summary.models or not summary.n_real:
        return []
    asked = "Completeness 90 % and purity 95 % together (OSS-REQ-0353) are reached by "
    return [asked + (", ".join(met) if met else "no threshold of any model") + "."]


def _describe_validation(validation: Validation) -> str:
    counts = ", ".join(f"{n} {status}" for status, n in validation.count().items() if n)
    failed = [check.name.replace("_", " ") for check in validation.checks if str(check.status) == "fail"]
    text = f"Validation of the injections: {validation.verdict} ({counts})"
    return text + (f"; what fails: {', '.join(failed)}." if failed else ".")
