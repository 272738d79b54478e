"""What a run has made, all images together, and its numbers."""

from __future__ import annotations

__all__ = ("ModelResult", "Results", "Summary", "summarize")

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..truth import Fate, Label, Reason
from ._curves import area_under_roc, lowest_threshold, threshold_curve
from ._intervals import Fraction, fraction
from ._performance import Performance, measure_performance
from ._sample import assume_bogus

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Results:
    """Tables of all images of a run, put together.

    Parameters
    ----------
    sources
        DIA sources with their labels and scores: columns of the DiaSource schema, of
        `~lsst.meas.realbogus.truth.DIA_SOURCE_MATCH` and of the score table.
    fates
        Injected sources: ``visit``, ``detector`` and the columns of
        `~lsst.meas.realbogus.truth.INJECTED_FATE`.
    models
        Column of scores by name of the model.
    threshold
        Score from which a source is called real.
    provenance
        What made the run, label to value.
    changes
        What changed on the sky, where the truth is known: ``visit``, ``detector``, ``truth_id``, ``kind`` and
        ``snr_expected``; `None` where it is not.
    """

    sources: Table
    fates: Table
    models: Mapping[str, str]
    threshold: float = 0.5
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    changes: Table | None = None

    @property
    def bogus_assumed(self) -> bool:
        """Whether unmatched sources count as bogus because nothing is known of them."""
        labels = np.asarray(self.sources["label"])
        unmatched = np.asarray(self.sources["label_reason"]) == Reason.UNMATCHED
        return bool(unmatched.any()) and not bool(np.any(labels == Label.BOGUS))

    @property
    def labels(self) -> npt.NDArray[np.int8]:
        """Labels to measure scores by: those of the table, unmatched sources bogus where that is assumed."""
        return assume_bogus(self.sources["label"], self.sources["label_reason"])

    @property
    def kinds(self) -> npt.NDArray[np.str_]:
        """What made each source: its kind, or the reason of its label where the table has no kinds."""
        name = "kind" if "kind" in self.sources.colnames else "label_reason"
        return np.asarray(self.sources[name]).astype(np.str_)

    def scores(self, model: str) -> Floats:
        """Scores of one model, NaN for sources that it could not score.

        Parameters
        ----------
        model
            Name of the model.

        Returns
        -------
        numpy.ndarray
            Float64, one for each source.
        """
        return np.asarray(self.sources[self.models[model]], float)

    def passes(self, model: str) -> npt.NDArray[np.bool_]:
        """Whether each injected source was found and scored above the threshold.

        Parameters
        ----------
        model
            Name of the model.

        Returns
        -------
        numpy.ndarray
            Bool, one for each injected source.
        """
        above = np.asarray(self.sources["diaSourceId"])[self.scores(model) >= self.threshold]
        found = np.asarray(self.fates["fate"]) == Fate.FOUND
        return np.asarray(found & np.isin(np.asarray(self.fates["diaSourceId"]), above))


@dataclasses.dataclass(frozen=True)
class ModelResult:
    """What one model makes of a run.

    Parameters
    ----------
    name
        The model.
    n_scored
        Sources with a score.
    performance
        At the run's threshold, of the sources that were detected.
    injected_kept
        Fraction of the found injected sources that pass the threshold.
    end_to_end
        Fraction of all drawn injected sources that were found and pass the threshold.
    area
        Area under the ROC curve with its interval.
    requirement
        Lowest threshold with completeness 0.9 and purity 0.95, NaN if none (OSS-REQ-0353).
    """

    name: str
    n_scored: int
    performance: Performance
    injected_kept: Fraction
    end_to_end: Fraction
    area: tuple[float, float, float]
    requirement: float


@dataclasses.dataclass(frozen=True)
class Summary:
    """The numbers of a run that fit on a screen.

    Parameters
    ----------
    n_images
        Detector images.
    n_sources, n_real, n_bogus, n_undecided
        DIA sources, by label.
    n_injected, n_drawn, n_found
        Injected sources.
    detection
        Fraction of the drawn injected sources that were found.
    models
        One entry for each model.
    bogus_assumed
        Whether unmatched sources count as bogus, for want of a truth table.
    """

    n_images: int
    n_sources: int
    n_real: int
    n_bogus: int
    n_undecided: int
    n_injected: int
    n_drawn: int
    n_found: int
    detection: Fraction
    models: Sequence[ModelResult]
    bogus_assumed: bool


def summarize(results: Results) -> Summary:
    """Work out the numbers of a run.

    Parameters
    ----------
    results
        Tables of the run.

    Returns
    -------
    Summary
        Counts and fractions with their intervals.
    """
    labels, fate = results.labels, np.asarray(results.fates["fate"])
    drawn, found = int(np.sum(fate != Fate.NOT_DRAWN)), int(np.sum(fate == Fate.FOUND))
    images = {
        (int(row["visit"]), int(row["detector"]))
        for table in (results.sources, results.fates)
        for row in table
    }
    return Summary(
        n_images=len(images),
        n_sources=len(labels),
        n_real=int(np.sum(labels == Label.REAL)),
        n_bogus=int(np.sum(labels == Label.BOGUS)),
        n_undecided=int(np.sum(labels == Label.UNDECIDED)),
        n_injected=fate.size,
        n_drawn=drawn,
        n_found=found,
        detection=fraction(found, drawn),
        models=[_model_result(results, name, labels, found, drawn) for name in results.models],
        bogus_assumed=results.bogus_assumed,
    )


def _model_result(
    results: Results, name: str, labels: npt.NDArray[np.int8], found: int, drawn: int
) -> ModelResult:
    scores, kept = results.scores(name), int(results.passes(name).sum())
    return ModelResult(
        name=name,
        n_scored=int(np.isfinite(scores).sum()),
        performance=measure_performance(scores, labels, results.threshold),
        injected_kept=fraction(kept, found),
        end_to_end=fraction(kept, drawn),
        area=area_under_roc(scores, labels),
        requirement=lowest_threshold(threshold_curve(scores, labels)),
    )
