"""How tasks read labels: those of matchDiaSources, or the match tables of AP's own task."""

from __future__ import annotations

__all__ = ("read_match", "unmatched_is_bogus")

from typing import Any

from astropy.table import Table
from lsst.daf.butler import DeferredDatasetHandle
from lsst.pex.config import Field

from ..errors import InvalidInputError
from ..legacy import get_table
from ..truth import DIA_SOURCE_MATCH, read_ap_matches


def unmatched_is_bogus() -> Any:
    """Make the configuration field of what sources without a match are in tables of AP's."""
    return Field[bool](
        doc="Where the labels are a match table of AP's MatchInjectedToDiaSourceTask: are all sources bogus "
        "that match no injected one? Otherwise they have no label.",
        default=False,
    )


def read_match(
    handle: DeferredDatasetHandle,
    sources: Table | DeferredDatasetHandle | None,
    *,
    unmatched_is_bogus: bool,
) -> tuple[Table, Table | None]:
    """Read the labels of the sources of an image.

    Parameters
    ----------
    handle
        Labels as ``dia_source_match``, or a match table of AP's.
    sources
        The DIA sources, of which a match table of AP's says which are injected ones; their handle is read
        for such a table only.
    unmatched_is_bogus
        As for `~lsst.meas.realbogus.truth.read_ap_matches`.

    Returns
    -------
    match
        Labels, one row for each source.
    fates
        What became of the injected sources; `None` where the labels do not tell.

    Raises
    ------
    InvalidInputError
        Raised if a match table of AP's comes without sources.
    """
    match = get_table(handle)
    if "label" in match.colnames:
        return match, None
    if sources is None:
        name, where = handle.ref.datasetType.name, handle.dataId
        raise InvalidInputError(f"{name} of {where} is a match table of AP's: its DIA sources are needed too")
    table = sources if isinstance(sources, Table) else get_table(sources)
    read = read_ap_matches(match, table, unmatched_is_bogus=unmatched_is_bogus)
    return read.sources[list(DIA_SOURCE_MATCH)], read.fates
