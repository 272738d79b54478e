"""Parts of a sample in which scores are judged: bins, bands, flags, cuts."""

from __future__ import annotations

__all__ = ("DETECTED", "END_TO_END", "EvaluationOptions", "Slice", "requirement_slices", "slice_sample")

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..options import Options, option
from ..truth import Label
from ._criteria import Criteria
from ._sample import ScoredSample

type Bools = npt.NDArray[np.bool_]
type Floats = npt.NDArray[np.float64]

DETECTED, END_TO_END = "detected", "end_to_end"
"""What figures are of: the sources that were detected, or all real changes and the bogus sources."""

_FAMILIES = {"SNR cut": "SNR", "magnitude limit": "magnitude", "kind": "all"}


@dataclasses.dataclass(frozen=True)
class EvaluationOptions(Options):
    """What is measured of a set of scores, and in which parts of the sources."""

    criteria: Criteria = option(Criteria, "What scores are judged by.")
    snr_edges: tuple[float, ...] = option(
        (5.0, 5.5, 6.5, 8.0, 10.0, 15.0, 20.0, 50.0), "Edges of bins of SNR.", min=0.0, ascending=True
    )
    magnitude_edges: tuple[float, ...] = option(
        (19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0), "Edges of bins of magnitude.", ascending=True
    )
    host_distance_edges: tuple[float, ...] = option(
        (0.2, 0.5, 1.0, 2.0, 4.0), "Edges of bins of distance to the host (arcsec).", min=0.0, ascending=True
    )
    host_brightness_edges: tuple[float, ...] = option(
        (20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0),
        "Edges of bins of the host's surface brightness (mag / arcsec2).",
        ascending=True,
    )
    edge_distance_edges: tuple[float, ...] = option(
        (16.0, 32.0, 64.0, 128.0),
        "Edges of bins of distance to the border of the image (pixels).",
        ascending=True,
    )
    magnitude_limits: tuple[float, ...] = option(
        (21.0, 22.0, 23.0, 24.0),
        "Limits of magnitude: what is brighter is judged apart (DMTN-274, figure 3).",
    )
    snr_cuts: tuple[float, ...] = option(
        (8.0,), "Cuts of SNR: what is above is judged apart (ML4transients).", min=0.0
    )
    min_snr: float = option(
        5.0,
        "Real changes with an expected SNR below this are not meant to be found: end to end they count in "
        "bins of SNR and magnitude only.",
        min=0.0,
    )
    requirement_snr: tuple[float, float] = option(
        (5.5, 6.5), "SNR of the sources of which completeness and purity are required (OSS-REQ-0353: 6).",
        min=0.0, ascending=True,
    )  # fmt: skip
    requirement_real_fraction: float = option(
        0.5,
        "The requirement is also judged for sources of which this fraction is real.",
        above=0.0,
        below=1.0,
    )
    n_resamples: int = option(1000, "Bootstrap draws for intervals; 0 for none.", min=0)
    confidence: float = option(0.95, "Confidence level of intervals.", above=0.0, below=1.0)
    n_points: int = option(1000, "Points of each curve that are kept, at most.", min=2)


@dataclasses.dataclass(frozen=True)
class Slice:
    """Some rows of a sample.

    Parameters
    ----------
    variable, name
        By what they were chosen, and what they are called.
    scope
        `DETECTED` or `END_TO_END`.
    rows
        Numbers of the rows; labelled ones only.
    low, high
        Ends of the bin, NaN where it is none.
    """

    variable: str
    name: str
    scope: str
    rows: npt.NDArray[np.int32]
    low: float = float("nan")
    high: float = float("nan")

    @property
    def family(self) -> str:
        """Slices of one family are bins of one quantity, or parts of each other."""
        return self.name if self.variable == "flag" else _FAMILIES.get(self.variable, self.variable)


def slice_sample(sample: ScoredSample, options: EvaluationOptions) -> list[Slice]:
    """Cut a sample into the parts that are judged.

    Parameters
    ----------
    sample
        The sample.
    options
        Bins and cuts.

    Returns
    -------
    list of Slice
        Those with rows. First all, then cuts and limits, then bins; the bins of a variable hold every row
        once, those without a value in a bin called "unknown".

    Notes
    -----
    Detected sources are put into bins of SNR and magnitude by what was measured, end to end real changes by
    what is true: what was not detected has no measurement, and what was is brighter than it is.
    """
    return [part for part in _slices(sample, options) if part.rows.size]


def _slices(sample: ScoredSample, options: EvaluationOptions) -> Iterator[Slice]:
    table, labels = sample.table, sample.labels
    decided, real = labels != Label.UNDECIDED, labels == Label.REAL
    detected = decided & np.asarray(table["is_detected"])
    deep = _deep(sample, options)
    for scope, every, usual in ((DETECTED, detected, detected), (END_TO_END, decided, decided & deep)):
        snr, mag = (_measured(sample, name, scope, real) for name in ("snr", "mag"))

        def cut(variable: str, name: str, here: Bools, *ends: float, scope: str = scope) -> Slice:
            return Slice(variable, name, scope, np.flatnonzero(here).astype(np.int32), *ends)

        yield cut("all", "all", usual)
        if scope == END_TO_END:
            yield cut("all", "every change", every)
        for value in options.snr_cuts:
            yield cut("SNR cut", f"SNR > {value:g}", every & (snr > value), value, np.inf)
        for value in options.magnitude_limits:
            yield cut("magnitude limit", f"mag < {value:g}", every & (mag < value), -np.inf, value)
        binned = {
            "SNR": (every, snr, options.snr_edges),
            "magnitude": (every, mag, options.magnitude_edges),
            "edge distance": (usual, table["edge_distance"], options.edge_distance_edges),
        }
        hosts = {
            "host distance": (table["host_distance"], options.host_distance_edges),
            "host brightness": (table["host_surface_brightness"], options.host_brightness_edges),
        }
        for variable, (here, values, edges) in binned.items():
            for name, inside, low, high in _bins(np.asarray(values, float), edges):
                yield cut(variable, name, here & inside, low, high)
        for variable, (values, edges) in hosts.items():
            # Bogus sources have no host: each bin of fakes is judged against all of them.
            for name, inside, low, high in _bins(np.asarray(values, float), edges):
                if name != "unknown" and np.any(usual & real & inside):
                    yield cut(variable, name, usual & (inside | ~real), low, high)
        for variable in ("band", "detector", "kind"):
            values = np.asarray(table[variable]).astype(str)
            for name in np.unique(values[usual]):
                inside = values == name
                if variable == "kind":  # one kind against all of the other label
                    inside = inside | (real != real[np.flatnonzero(inside & usual)[0]])
                yield cut(variable, str(name) or "unknown", usual & inside)
    for name in sample.flags:
        yield Slice(
            "flag", name, DETECTED, np.flatnonzero(detected & np.asarray(table[name])).astype(np.int32)
        )


def requirement_slices(sample: ScoredSample, options: EvaluationOptions) -> list[Slice]:
    """Choose the sources of the required SNR, of all bands and of each.

    Parameters
    ----------
    sample, options
        As for `slice_sample`.

    Returns
    -------
    list of Slice
        Variable "band", name "all" or the band; also those without rows.
    """
    labels = sample.labels
    decided, real = labels != Label.UNDECIDED, labels == Label.REAL
    detected = decided & np.asarray(sample.table["is_detected"])
    bands = np.asarray(sample.table["band"]).astype(str)
    low, high = options.requirement_snr
    slices = []
    for scope, here in ((DETECTED, detected), (END_TO_END, decided)):
        snr = _measured(sample, "snr", scope, real)
        inside = here & (snr >= low) & (snr < high)
        for band in ("all", *np.unique(bands[decided]).tolist()):
            rows = np.flatnonzero(inside & ((bands == band) | (band == "all"))).astype(np.int32)
            slices.append(Slice("band", band or "unknown", scope, rows, low, high))
    return slices


def _deep(sample: ScoredSample, options: EvaluationOptions) -> Bools:
    """Return which rows are not real changes too faint to be found."""
    snr = np.asarray(sample.table["snr_true"], float)
    return np.asarray(~((sample.labels == Label.REAL) & (snr < options.min_snr)))


def _measured(sample: ScoredSample, name: str, scope: str, real: Bools) -> Floats:
    measured, true = (np.asarray(sample.table[n], float) for n in (name, f"{name}_true"))
    if scope == DETECTED:
        return measured
    return np.where(real & np.isfinite(true), true, measured)


def _bins(values: Floats, edges: tuple[float, ...]) -> Iterator[tuple[str, Bools, float, float]]:
    """Yield bins that hold every value once: below, between and above the edges, and those without value."""
    for low, high in itertools.pairwise((-np.inf, *edges, np.inf)):
        if low == -np.inf:
            name = f"< {high:g}"
        else:
            name = f">= {low:g}" if high == np.inf else f"{low:g} - {high:g}"
        yield name, (values >= low) & (values < high), low, high
    yield "unknown", ~np.isfinite(values), float("nan"), float("nan")
