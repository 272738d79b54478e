"""Why sources have no score, and what to do about it."""

from __future__ import annotations

__all__ = ("Unscored", "count_unscored", "explain_unscored")

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ._contract import Contract

if TYPE_CHECKING:
    from astropy.table import Table

_REASONS: Mapping[str, str] = {
    "off_image": "lie off the image: check that ra and dec are degrees and in this order, that x and y are "
    "pixels of this image, and that the catalogue is this image's",
    "no_template": "have no valid pixel in the template stamp: it is NaN or masked NO_DATA there",
    "no_data": "have NaN or masked pixels in more of a stamp than the model allows",
    "edge": "are so near the edge that more of a stamp lies off the image than the model allows",
    "small_stamp": "have stamps smaller than the model looks at: cut larger ones",
    "degenerate": "have a stamp without contrast, all its pixels the same, or one whose values overflow",
    "no_answer": "get no finite number from the network",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Unscored:
    """One reason for which sources have no score.

    Parameters
    ----------
    reason
        ``off_image``, ``no_template``, ``no_data``, ``edge``, ``small_stamp``, ``degenerate`` or
        ``no_answer``.
    count
        How many sources.
    text
        What is the matter and what to do.
    """

    reason: str
    count: int
    text: str


def count_unscored(table: Table) -> dict[str, int]:
    """Count the sources without a score by the reason.

    Parameters
    ----------
    table
        A table of scores, as from `score_table`.

    Returns
    -------
    dict of str to int
        How many sources by reason (see `Unscored`); each source has one, and reasons without sources are left
        out.
    """
    from ..tables import parse_flags  # who scores stamps need not wait for the table library

    # In csv files flags are words.
    unscored, edge, nan, degenerate, no_template = (
        parse_flags(table[f"flag_{name}"])[0]
        for name in ("unscorable", "edge", "nan", "degenerate", "no_template")
    )
    fraction = np.asarray(table["fraction_missing"], np.float32)
    whole = fraction >= 1
    reasons = {
        "off_image": whole & edge & ~nan,
        "no_template": no_template,
        "no_data": whole | (nan & ~degenerate),
        "edge": edge & ~degenerate,
        "small_stamp": (fraction > 0) & ~degenerate,
        "degenerate": degenerate,
        "no_answer": np.ones(len(table), bool),
    }
    counts = {}
    for reason, rows in reasons.items():
        if n := int(np.sum(rows & unscored)):
            counts[reason] = n
        unscored = unscored & ~rows
    return counts


def explain_unscored(
    scores: Table | Mapping[str, int], contracts: Sequence[Contract] = ()
) -> tuple[Unscored, ...]:
    """Say why sources have no score, and what to do.

    Parameters
    ----------
    scores
        A table of scores, as from `score_table`, or what `count_unscored` counted in one or more.
    contracts
        The contracts of the models, for the numbers in the texts; the first is the one that gives ``score``.

    Returns
    -------
    tuple of Unscored
        The reasons, the commonest first; empty if every source has a score.

    Examples
    --------
    >>> explain_unscored({"small_stamp": 3})[0].text
    '3 sources have stamps smaller than the model looks at: cut larger ones'
    """
    counts = dict(scores) if isinstance(scores, Mapping) else count_unscored(scores)
    found = []
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        text = f"{count} source{'' if count == 1 else 's'} {_REASONS[reason]}"
        if contracts and reason in ("small_stamp", "edge", "no_data"):
            contract = contracts[0]
            text += (
                f" (model {contract.name} {contract.version} looks at {contract.stamp_size} x "
                f"{contract.stamp_size} pixels and allows {contract.missing.maximum_fraction:.0%} missing)"
            )
        found.append(Unscored(reason, count, text))
    return tuple(found)
