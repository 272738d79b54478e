"""A night at a glance: which visits and detectors have other rates and scores than a reference."""

from __future__ import annotations

__all__ = ("DRIFT", "Night", "compare_night")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.sparse
from astropy.table import Table, vstack
from scipy.stats import false_discovery_control, kstwobign, norm, t

from ..errors import InvalidInputError
from ..tables import Column, Schema, empty_table, make_table
from ._intervals import CONFIDENCE
from ._score_counts import NightOptions

type Floats = npt.NDArray[np.float64]
type Indices = npt.NDArray[np.int64]

DRIFT: Schema = {
    "group": Column("str", "collection, visit or detector"),
    "collection": Column("U120", "collection of the group"),
    "visit": Column("int64", "visit, -1 for all", none=-1),
    "detector": Column("int64", "detector, -1 for all", none=-1),
    "quantity": Column("str", "sources, above, fraction_above, fraction_unscored or scores"),
    "n_images": Column("int64", "images of the group"),
    "n": Column("int64", "what was counted in the group; scores for the quantity scores"),
    "value": Column("float64", "rate in the group; for scores the distance of both distributions"),
    "reference": Column("float64", "rate of the reference for the same detectors; NaN for scores"),
    "ratio": Column("float64", "value over reference; for scores, chance to exceed one of the reference"),
    "low": Column("float64", "95 % interval of the ratio; NaN for scores"),
    "high": Column("float64", "95 % interval of the ratio; NaN for scores"),
    "p_value": Column("float64", "chance of so large a difference without drift"),
    "q_value": Column("float64", "the same, corrected for all comparisons together"),
    "drifted": Column("bool", "significant, and large enough to matter"),
}
"""What `compare_night` finds."""

_RATES = {
    "sources": ("n", None),
    "above": ("n_above", None),
    "fraction_above": ("n_above", "n_scored"),
    "fraction_unscored": ("n_unscored", "n"),
}
"""Each rate: what is counted, and in what; None for images."""
_SCORES = "scores"
_QUANTITIES = (*_RATES, _SCORES)
_FEWEST = 5
"""Least number of visits or images that tell how much rates scatter."""


@dataclasses.dataclass(frozen=True)
class Night:
    """What came of a comparison.

    Parameters
    ----------
    counts, reference
        Tables of schema `SCORE_COUNTS`; the reference is the night itself where none was given.
    drift
        Table of schema `DRIFT`: every group and quantity, the drifted ones first, the least likely first.
    is_own_reference
        Whether each group was compared with the rest of the night.
    options
        What counted as drift.
    """

    counts: Table
    reference: Table
    drift: Table
    is_own_reference: bool
    options: NightOptions

    @property
    def drifted(self) -> Table:
        """Rows of what drifted."""
        return self.drift[np.asarray(self.drift["drifted"], bool)]

    @property
    def metrics(self) -> dict[str, int]:
        """Numbers of a dashboard: what was counted, and how many groups have drifted in anything."""
        scored, every = (int(np.asarray(self.counts[name]).sum()) for name in ("n_scored", "n"))
        names = ("group", "collection", "visit", "detector")
        groups = {tuple(str(row[name]) for name in names) for row in self.drifted}
        return {
            "numImages": len(self.counts),
            "numAllDiaSources": every,
            "numUnscoredDiaSources": every - scored,
            "numDiaSourcesAboveThreshold": int(np.asarray(self.counts["n_above"]).sum()),
            **{
                f"numDrifted{name.capitalize()}s": sum(group[0] == name for group in groups)
                for name in names[1:]
            },
        }


@dataclasses.dataclass(frozen=True)
class _Groups:
    """Groups of images; ``members`` has a row for each group and a column for each image."""

    name: str
    first: Indices  # one image of each group, which has its names
    members: scipy.sparse.csr_array

    @property
    def n(self) -> int:
        return len(self.first)

    def sum(self, values: npt.NDArray[np.generic]) -> Floats:
        return np.asarray(self.members @ np.asarray(values, np.float64))

    def spread(self, values: Floats) -> Floats:
        """Give each image the value of its group."""
        return np.asarray(self.members.T @ values)


def compare_night(
    counts: Table, reference: Table | None = None, options: NightOptions | None = None
) -> Night:
    """Compare collections, visits and detectors with a reference.

    Rates are compared with those of the same detectors in the reference, those of a detector on top of what
    its visits do; without a reference each visit, detector or collection is compared with the usual one. A
    ratio of rates has the interval of two Poisson counts on the logarithmic scale, widened by the scatter
    beyond Poisson's that visits, or images of a detector, have in the reference. Distributions of scores are
    compared by the Kolmogorov-Smirnov distance of their
    histograms, with the numbers of scores divided by what the same scatter makes of the fraction above.
    Then p-values are corrected for their number and mutual dependence (Benjamini & Yekutieli 2001).

    Parameters
    ----------
    counts
        What `count_scores` makes of a night, or of several collections below each other.
    reference
        The same of the reference.
    options
        What counts as drift.

    Returns
    -------
    Night
        All comparisons.

    Raises
    ------
    InvalidInputError
        Raised if there are no images, or the histograms have different bins.
    """
    options = options or NightOptions()
    if not len(counts) or (reference is not None and not len(reference)):
        raise InvalidInputError("there are no images to compare")
    other = counts if reference is None else reference
    if np.shape(counts["histogram"])[1:] != np.shape(other["histogram"])[1:]:
        raise InvalidInputError("night and reference were counted in different bins")
    is_own = reference is None
    with np.errstate(invalid="ignore", divide="ignore"):
        comparison = _Comparison(counts, other, is_own)
        visits = comparison.compare("visit")
        drifted = np.asarray(_mark(visits, options)["drifted"]).reshape(len(_QUANTITIES), -1)
        # A visit that has drifted is no fault of its detectors.
        calm = comparison.spread("visit", drifted.any(axis=0)) == 0
        rest = _Comparison(counts[calm], counts[calm] if is_own else other, is_own)
        marked = _mark(vstack([comparison.compare("collection"), visits, rest.compare("detector")]), options)
    order = np.lexsort((np.nan_to_num(np.asarray(marked["p_value"]), nan=2.0), ~marked["drifted"]))
    drift = make_table(DRIFT, {name: np.asarray(marked[name])[order] for name in DRIFT}, len(marked))
    return Night(counts, other, drift, is_own, options)


def _mark(drift: Table, options: NightOptions) -> Table:
    """Correct p-values for their number, and say what drifted."""
    p = np.asarray(drift["p_value"])
    known = np.isfinite(p)
    q = np.full(len(p), np.nan)
    if known.any():
        q[known] = false_discovery_control(np.clip(p[known], 0, 1), method="by")
    is_large = np.where(
        np.asarray(drift["quantity"]) == _SCORES,
        np.asarray(drift["value"]) >= options.min_distance,
        np.abs(np.log(np.asarray(drift["ratio"]))) >= np.log(options.min_ratio),
    )
    enough = np.asarray(drift["n_sources"]) >= options.min_sources
    drift["q_value"], drift["drifted"] = q, known & (q < options.false_discoveries) & is_large & enough
    return drift


class _Comparison:
    """Two tables of counts, and how much rates scatter in the second."""

    def __init__(self, counts: Table, reference: Table, is_own: bool) -> None:
        self._counts, self._is_own = _with_unscored(counts), is_own
        self._reference = self._counts if is_own else _with_unscored(reference)
        both = np.concatenate([np.asarray(t["detector"]) for t in (self._counts, self._reference)])
        detectors, codes = np.unique(both, return_inverse=True)
        self._detector, self._of_reference = codes[: len(counts)], codes[len(counts) :]
        self._n_detectors = len(detectors)

    def compare(self, name: str) -> Table:
        """Compare all groups of a kind by every quantity; one after the other, groups in order."""
        groups = self._group(name, self._counts)
        # What is all there is has no rest to be compared with.
        if not groups.n or (self._is_own and groups.n < 2):
            return empty_table({**DRIFT, "n_sources": Column("float64", "DIA sources")})
        return vstack([*(self._rates(groups, quantity) for quantity in _RATES), self._scores(groups)])

    def spread(self, name: str, values: npt.NDArray[np.generic]) -> Floats:
        """Give each image the value of its group, 0 where groups were not compared."""
        groups = self._group(name, self._counts)
        return groups.spread(np.asarray(values, np.float64)) if len(values) else np.zeros(len(self._counts))

    def _group(self, name: str, counts: Table) -> _Groups:
        codes = np.asarray(counts["collection_code"])
        if name != "collection":
            _, code = np.unique(np.asarray(counts[name]), return_inverse=True)
            codes = codes * (int(code.max(initial=0)) + 1) + code
        _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
        rows = (np.ones(len(counts)), (codes, np.arange(len(counts))))
        members = scipy.sparse.coo_array(rows, shape=(len(first), len(counts)))
        return _Groups(name, first, members.tocsr())

    def _expected(self, groups: _Groups, quantity: str) -> tuple[Floats, Floats]:
        """Return what the reference expects in each group, and the count that this rests on.

        Where the reference has none at all, half a count is expected in it.
        """
        k, exposure = _counted(self._counts, quantity)
        reach = groups.sum(exposure)
        if self._is_own:
            here = groups.sum(k)
            # The median of the groups: one that is far off must not make the others look so.
            usual = float(np.median((here / reach)[reach > 0])) if (reach > 0).any() else np.nan
            total, of_total = k.sum() - here, exposure.sum() - reach
            expected = reach * (usual if usual > 0 else total / of_total)
        else:
            k_ref, rate = self._rate_by_detector(quantity)
            rows = (np.ones(len(k)), (np.arange(len(k)), self._detector))
            seen = scipy.sparse.coo_array(rows, shape=(len(k), self._n_detectors)).tocsr()
            total = np.asarray(((groups.members @ seen) > 0) @ k_ref)
            of_total = np.full(groups.n, _counted(self._reference, quantity)[1].sum())
            of_image = rate[self._detector] * exposure
            if groups.name == "detector":  # on top of what all detectors of a visit do
                visits = self._group("visit", self._counts)
                of_image = of_image * visits.spread(visits.sum(k) / visits.sum(of_image))
            expected = groups.sum(of_image)
        return np.where(expected > 0, expected, 0.5 * reach / of_total), np.maximum(total, 0.5)

    def _rate_by_detector(self, quantity: str) -> tuple[Floats, Floats]:
        """Return counts and rates of each detector in the reference; of a new one the rate of all."""
        k, exposure = _counted(self._reference, quantity)
        k_ref, x_ref = (np.bincount(self._of_reference, part, self._n_detectors) for part in (k, exposure))
        return k_ref, np.where(x_ref > 0, k_ref / x_ref, k.sum() / exposure.sum())

    def _scatter(self, group: str, quantity: str) -> tuple[float, int]:
        """Return the relative variance that a rate has in the reference beyond Poisson's, and of how many.

        Of visits, their totals against what their detectors have on average; of detectors, images against
        what visit and detector have on average. Robust, so that what drifted does not hide itself.
        """
        k, exposure = _counted(self._reference, quantity)
        visits = self._group("visit", self._reference)
        expected = self._rate_by_detector(quantity)[1][self._of_reference] * exposure
        observed, mean = visits.sum(k), visits.sum(expected)
        if group == "detector":
            observed, mean = k, expected * visits.spread(observed / mean)
        enough = mean >= 1
        change = (observed[enough] - mean[enough]) / mean[enough]
        if change.size < _FEWEST:
            return 0.0, visits.n
        width = float(np.subtract(*np.percentile(change, [84.135, 15.865]))) / 2
        return max(0.0, width**2 - float(np.median(1 / mean[enough]))), change.size

    def _rates(self, groups: _Groups, quantity: str) -> Table:
        k, exposure = _counted(self._counts, quantity)
        here, reach = groups.sum(k), groups.sum(exposure)
        expected, total = self._expected(groups, quantity)
        # Half a count more on both sides, so that none has a ratio too.
        ratio = (here + 0.5) / (expected * (1 + 0.5 / total))
        scatter, n_scatter = self._scatter(groups.name, quantity)
        n_ref = n_scatter / (self._n_detectors if groups.name == "detector" else 1)
        shared = scatter * (1 / self._n_parts(groups) + 1 / n_ref)
        error = np.sqrt(1 / (here + 0.5) + 1 / (total + 0.5) + shared)
        # The scatter is measured by quantiles, worth half the sample: tails are those of Student's t.
        normal = t(max(n_scatter // 2, 1)) if scatter else norm()
        is_known = (reach > 0) & np.isfinite(expected)
        width = np.exp(normal.ppf((1 + CONFIDENCE) / 2) * error)
        nothing = np.where(is_known, 1.0, np.nan)
        return self._table(
            groups,
            quantity,
            n=here,
            value=here / reach,
            reference=expected / reach,
            ratio=ratio * nothing,
            low=ratio / width * nothing,
            high=ratio * width * nothing,
            p_value=2 * normal.sf(np.abs(np.log(ratio) / error)) * nothing,
        )

    def _n_parts(self, groups: _Groups) -> Floats:
        """Return over how many visits, or images of a detector, the scatter of each group averages."""
        if groups.name == "collection":
            visits = self._group("visit", self._counts)
            return np.asarray(((groups.members @ visits.members.T) > 0).sum(axis=1), np.float64)
        if groups.name == "visit":
            return np.ones(groups.n)
        return groups.sum(np.ones(len(self._counts)))

    def _scores(self, groups: _Groups) -> Table:
        """Compare histograms of scores."""
        here = groups.sum(np.asarray(self._counts["histogram"]))
        whole = np.asarray(self._reference["histogram"], np.float64).sum(axis=0)
        n = here.sum(axis=1)
        m = whole.sum() - n * self._is_own
        first = here / n[:, None]
        # As for rates: the median of the groups' distributions, or that of the reference.
        usual, known = np.cumsum(whole) / whole.sum(), n > 0
        if self._is_own and known.any():
            usual = np.median(np.cumsum(first[known], axis=1), axis=0)
        distance = np.abs(np.cumsum(first, axis=1) - usual).max(axis=1)
        exceeds = (first * (usual - np.diff(usual, prepend=0) / 2)).sum(axis=1)
        # Scores of a visit are alike: they count for as many as their fraction above scatters like.
        scatter, _ = self._scatter(groups.name, "fraction_above")
        above = groups.sum(_counted(self._counts, "fraction_above")[0])
        inflation = 1 + scatter * above / self._n_parts(groups)
        p = kstwobign.sf(distance * np.sqrt(n * m / (n + m) / inflation))
        return self._table(
            groups,
            _SCORES,
            n=n,
            value=distance,
            ratio=exceeds,
            p_value=np.where(np.isfinite(distance), p, np.nan),
        )

    def _table(self, groups: _Groups, quantity: str, **columns: Floats) -> Table:
        first = self._counts[groups.first]
        names = {"collection": np.asarray(first["collection"])}
        if groups.name in ("visit", "detector"):
            names[groups.name] = np.asarray(first[groups.name])
        images = groups.sum(np.ones(len(self._counts))).astype(np.int64)
        values = {name: np.asarray(column) for name, column in columns.items()}
        values["n"] = values["n"].astype(np.int64)
        table = make_table(DRIFT, names | values | {"n_images": images}, groups.n)
        table["group"], table["quantity"] = np.full((2, groups.n), [[groups.name], [quantity]], "U24")
        table["n_sources"] = groups.sum(np.asarray(self._counts["n"]))
        return table


def _with_unscored(counts: Table) -> Table:
    table = counts.copy(copy_data=False)
    table["collection_code"] = np.unique(np.asarray(counts["collection"]), return_inverse=True)[1]
    table["n_unscored"] = np.asarray(counts["n"]) - np.asarray(counts["n_scored"])
    return table


def _counted(counts: Table, quantity: str) -> tuple[Floats, Floats]:
    """Return what a rate counts in each image, and in how much."""
    counted, per = _RATES[quantity]
    exposure = np.ones(len(counts)) if per is None else np.asarray(counts[per], np.float64)
    return np.asarray(counts[counted], np.float64), exposure
