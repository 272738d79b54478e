"""Labels of a run: those of matchDiaSources, or the match tables of AP's own task."""

from __future__ import annotations

__all__ = ("LabelSource", "read_match")

import dataclasses

from astropy.table import Table
from lsst.daf.butler import Butler, DataCoordinate, DeferredDatasetHandle

from ..errors import InvalidInputError
from ..legacy import get_table
from ..truth import DIA_SOURCE_MATCH, read_ap_matches
from ._open import find_handle


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


@dataclasses.dataclass(frozen=True)
class LabelSource:
    """Which datasets of a run say what its sources are.

    Parameters
    ----------
    match
        Dataset type of the labels: ``dia_source_match``, or a match table of AP's such as
        ``fakes_goodSeeingDiff_matchDiaSrc``.
    unmatched_is_bogus
        Where it is a table of AP's: are all sources bogus that match no injected one?
    sources
        Dataset type of the DIA sources, which are read for a table of AP's.
    """

    match: str = "dia_source_match"
    unmatched_is_bogus: bool = False
    sources: str = "dia_source_unstandardized"

    def read(self, butler: Butler, data_id: DataCoordinate) -> tuple[Table | None, Table | None]:
        """Read the labels of the sources of an image.

        Parameters
        ----------
        butler
            Butler with the collections of the run.
        data_id
            The image.

        Returns
        -------
        match, fates
            As from `read_match`; `None` where there are none.
        """
        handle = find_handle(butler, self.match, data_id)
        if handle is None:
            return None, None
        sources = find_handle(butler, self.sources, data_id)
        return read_match(handle, sources, unmatched_is_bogus=self.unmatched_is_bogus)
