"""Everything that could make a real DIA source in one image: injected sources and changes of the sky."""

from __future__ import annotations

__all__ = (
    "DIFFUSE_KINDS",
    "REAL_KINDS",
    "STATIC_KINDS",
    "TEMPLATE_PREFIX",
    "Candidates",
    "gather_candidates",
)

import dataclasses

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..tables import NO_ID
from ._inputs import read_truth
from ._objects import InjectedObjects
from ._schema import Reason

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

#: Kinds of the truth table whose changes are astrophysical, so that a source they make is real.
REAL_KINDS = frozenset({"transient", "variable", "agn", "asteroid"})

#: Kinds that do not change, so that a source at their place is a flaw of the subtraction.
STATIC_KINDS = frozenset({"star", "galaxy", "high_proper_motion"})

#: Kinds that cover much of an image, and explain only what nothing smaller explains.
DIFFUSE_KINDS = frozenset({"ghost", "ghost_disk", "edge", "psf_change"})

#: What the kinds of flaws of the template begin with, which explain only what nothing in the image explains.
TEMPLATE_PREFIX = "template_"


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Point sources whose flux differs between the image and its template.

    Parameters
    ----------
    ra, dec
        Positions in degrees.
    change
        Flux in the image minus flux in the template, in nJy; its sign is the sign of the DIA source.
    reason
        ``"injected"`` or the kind of the truth table.
    injection_id, truth_id
        Identifiers, `tables.NO_ID` where the other one applies.
    row
        Number of the object in `InjectedObjects`, or of the row in the truth table.
    """

    ra: Floats
    dec: Floats
    change: Floats
    reason: npt.NDArray[np.str_]
    injection_id: Indices
    truth_id: Indices
    row: Indices

    def __len__(self) -> int:
        return self.ra.size

    def keep(self, wanted: npt.NDArray[np.bool_]) -> Candidates:
        """Return the candidates for which ``wanted`` is true.

        Parameters
        ----------
        wanted
            Bool, one for each candidate.

        Returns
        -------
        Candidates
            Those that are wanted.
        """
        return Candidates(*(getattr(self, field.name)[wanted] for field in dataclasses.fields(self)))


def gather_candidates(injected: Table, objects: InjectedObjects, truth: Table | None = None) -> Candidates:
    """Collect what could make a real DIA source.

    Parameters
    ----------
    injected
        Catalogue of injected sources, as for `injected_objects`.
    objects
        Its objects.
    truth
        Truth table of the image, if there is one: ``truth_id``, ``kind``, ``ra``, ``dec``, ``flux``,
        ``template_flux``.

    Returns
    -------
    Candidates
        Injected objects that were drawn first, one each, then the truth's rows of `REAL_KINDS`.

    Raises
    ------
    InvalidCatalogError
        Raised if columns are missing.
    """
    drawn = np.flatnonzero(np.asarray(injected["injection_flag"])[objects.primary] == 0)
    rows = objects.primary[drawn]
    parts = [
        Candidates(
            ra=np.asarray(injected["ra"], float)[rows],
            dec=np.asarray(injected["dec"], float)[rows],
            change=objects.change[drawn],
            reason=np.full(drawn.size, Reason.INJECTED.value),
            injection_id=np.asarray(injected["injection_id"], np.int64)[rows],
            truth_id=np.full(drawn.size, NO_ID),
            row=drawn.astype(np.int64),
        )
    ]
    if truth is not None:
        truth = read_truth(truth)
        kinds = np.asarray(truth["kind"]).astype(str)
        real = np.flatnonzero(np.isin(kinds, sorted(REAL_KINDS)))
        parts.append(
            Candidates(
                ra=np.asarray(truth["ra"], float)[real],
                dec=np.asarray(truth["dec"], float)[real],
                change=np.asarray(truth["flux"], float)[real]
                - np.asarray(truth["template_flux"], float)[real],
                reason=kinds[real],
                injection_id=np.full(real.size, NO_ID),
                truth_id=np.asarray(truth["truth_id"], np.int64)[real],
                row=real.astype(np.int64),
            )
        )
    return Candidates(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in dataclasses.fields(Candidates)
        )
    )
