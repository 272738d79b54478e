"""What DC2's truth says of one visit: who changed, and by how much."""

from __future__ import annotations

__all__ = ("DC2_CHANGE", "Dc2Truth", "read_dc2_selection", "read_dc2_tables")

import dataclasses
import hashlib
import importlib.resources
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack

from ..errors import InvalidCatalogError
from ..tables import Column, Schema, empty_table, magnitude_to_njy, make_table, njy_to_magnitude
from ._dc2_tables import read_dc2_summary, read_dc2_truth, read_dc2_variability

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DC2_CHANGE: Schema = {
    "truth_id": Column("int64", "identifier: dc2_id where that is a number, else 62 bits of its hash"),
    "dc2_id": Column("U40", "identifier in DC2's tables"),
    "kind": Column("str", "transient or variable"),
    "ra": Column("float64", "right ascension", "deg"),
    "dec": Column("float64", "declination", "deg"),
    "flux": Column("float64", "flux at the visit's time", "nJy"),
    "template_flux": Column("float64", "mean flux, which a template is taken to have", "nJy"),
    "delta_flux": Column("float64", "flux less mean flux: what the difference shows", "nJy"),
    "mag_r": Column(
        "float64", "magnitude of the mean flux in r; of what has none, of its light in r at that time", "mag"
    ),
    "host_id": Column("int64", "id of the host in its own catalogue; 0 for none", none=0),
}
"""Changes of the sky in one visit; a truth table for `match`."""

type Magnitudes = Callable[[Table, str, float], Floats]


@dataclasses.dataclass(frozen=True)
class Dc2Truth:
    """DC2's truth tables, as far as they are given.

    Parameters
    ----------
    summary
        Objects, from `read_dc2_summary`, of all light curves.
    variability
        Light curves, from `read_dc2_variability`.
    supernovae
        SALT2 parameters, from `read_dc2_truth`.
    """

    summary: Table | None = None
    variability: Table | None = None
    supernovae: Table | None = None

    def changes(
        self,
        visit: int,
        band: str,
        mjd: float,
        *,
        contains: Callable[[Floats, Floats], Bools] | None = None,
        magnitudes: Magnitudes | None = None,
    ) -> Table:
        """Say what changed in one visit.

        Parameters
        ----------
        visit
            Identifier of the visit, ``obsHistID`` of the light curves.
        band, mjd
            Its band, and the middle of its exposure.
        contains
            Which positions, ra and dec in degrees, count; without it all do.
        magnitudes
            Gives AB magnitudes of supernovae by their parameters, band and time, NaN where they are dark, as
            `~lsst.meas.realbogus.injection.dc2_magnitudes`; without it only light curves count.

        Returns
        -------
        astropy.table.Table
            Table of schema `DC2_CHANGE`: objects that have a row in the light curves of this visit, and
            supernovae that are alight and have none.

        Raises
        ------
        InvalidCatalogError
            If a light curve is of an object that the summary lacks, or one of another band.
        """
        parts = [empty_table(DC2_CHANGE)]
        if self.variability is not None:
            parts.append(self._of_light_curves(visit, band, contains))
        if self.supernovae is not None and magnitudes is not None:
            known = np.isin(np.asarray(self.supernovae["snid"]), np.asarray(parts[-1]["dc2_id"]))
            wanted = ~known & _where(self.supernovae, contains)
            parts.append(_of_parameters(self.supernovae[wanted], band, mjd, magnitudes))
        return vstack(parts, metadata_conflicts="silent")

    def _of_light_curves(
        self, visit: int, band: str, contains: Callable[[Floats, Floats], Bools] | None
    ) -> Table:
        assert self.variability is not None
        epochs = self.variability[np.asarray(self.variability["obsHistID"]) == visit]
        if not len(epochs):
            return empty_table(DC2_CHANGE)
        name = f"light curves of visit {visit}"
        if others := sorted(set(np.asarray(epochs["bandpass"]).tolist()) - {band}):
            raise InvalidCatalogError(name, [f"bandpass is {', '.join(others)}, the visit's band is {band}"])
        summary = self.summary if self.summary is not None else epochs[:0]
        ids, wanted = np.asarray(summary["id"]), np.asarray(epochs["id"])
        order = np.argsort(ids, kind="stable")
        at = np.clip(np.searchsorted(ids, wanted, sorter=order), 0, max(len(ids) - 1, 0))
        known = ids[order][at] == wanted if len(ids) else np.zeros(len(wanted), bool)
        if not known.all():
            lost = f"{int((~known).sum())} objects are not in the summary, the first {wanted[~known][0]}"
            raise InvalidCatalogError(name, [lost])
        objects = summary[order[at]]
        here = _where(objects, contains)
        objects, change = objects[here], np.asarray(epochs["delta_flux"], float)[here]
        mean = np.nan_to_num(np.asarray(objects[f"flux_{band}"], float))
        mean_r = np.nan_to_num(np.asarray(objects["flux_r"], float))
        light_r = np.where(mean_r > 0, mean_r, change if band == "r" else np.nan)
        host = np.asarray(objects["host_galaxy"], np.int64)
        return make_table(
            DC2_CHANGE,
            {
                "truth_id": _identifiers(objects["id"]),
                "dc2_id": objects["id"],
                "kind": np.where(mean > 0, "variable", "transient"),
                "ra": objects["ra"],
                "dec": objects["dec"],
                "flux": mean + change,
                "template_flux": mean,
                "delta_flux": change,
                "mag_r": njy_to_magnitude(light_r),
                "host_id": np.maximum(host, 0),
            },
            len(objects),
        )


def read_dc2_tables(
    visits: Collection[int] | None = None,
    *,
    supernovae: str | Path | None = None,
    summaries: Iterable[str | Path] = (),
    variability: Iterable[str | Path] = (),
) -> Dc2Truth:
    """Read DC2's truth from its files.

    Parameters
    ----------
    visits
        Visits whose light curves are wanted; `None` for all.
    supernovae
        File for `read_dc2_truth`.
    summaries, variability
        Files for `read_dc2_summary` and `read_dc2_variability`, of stars, of supernovae or of both.

    Returns
    -------
    Dc2Truth
        The tables of a kind put together.
    """
    objects = [read_dc2_summary(path) for path in summaries]
    epochs = [read_dc2_variability(path, visits) for path in variability]
    return Dc2Truth(
        summary=vstack(objects, metadata_conflicts="silent") if objects else None,
        variability=vstack(epochs, metadata_conflicts="silent") if epochs else None,
        supernovae=None if supernovae is None else read_dc2_truth(supernovae),
    )


def _of_parameters(supernovae: Table, band: str, mjd: float, magnitudes: Magnitudes) -> Table:
    mag = magnitudes(supernovae, band, mjd)
    supernovae, mag = supernovae[np.isfinite(mag)], mag[np.isfinite(mag)]
    flux = magnitude_to_njy(mag)
    return make_table(
        DC2_CHANGE,
        {
            "truth_id": _identifiers(supernovae["snid"]),
            "dc2_id": supernovae["snid"],
            "kind": "transient",
            "ra": supernovae["ra"],
            "dec": supernovae["dec"],
            "flux": flux,
            "template_flux": 0.0,
            "delta_flux": flux,
            "mag_r": mag if band == "r" else magnitudes(supernovae, "r", mjd),
            "host_id": supernovae["host_id"],
        },
        len(supernovae),
    )


def _where(objects: Table, contains: Callable[[Floats, Floats], Bools] | None) -> Bools:
    if contains is None or not len(objects):
        return np.ones(len(objects), bool)
    return np.asarray(contains(np.asarray(objects["ra"], float), np.asarray(objects["dec"], float)), bool)


def _identifiers(names: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return a number for every name: itself if it is one, else one of 2**62 and more."""
    return np.array([_identifier(str(name)) for name in np.asarray(names).tolist()], np.int64)


def _identifier(name: str) -> int:
    if name.isdigit() and int(name) < 1 << 62:
        return int(name)
    return 1 << 62 | int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 2


def read_dc2_selection() -> Table:
    """Return the images of DMTN-274, a benchmark of difference imaging on DC2.

    Returns
    -------
    astropy.table.Table
        ``visit``, ``detector`` and ``band`` of 100 images of tract 3080, in the order of its appendix.
    """
    resource = importlib.resources.files("lsst.meas.realbogus") / "resources/selections/dmtn-274.csv"
    return Table.read(resource.read_text(), format="ascii.csv")
