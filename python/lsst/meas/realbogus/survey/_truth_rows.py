"""The truth table of a simulated image: what was drawn where."""

from __future__ import annotations

__all__ = ("TruthRows",)

import astropy.table
import astropy.units as u
import numpy as np
import numpy.typing as npt
from lsst.images import DetectorFrame, SkyProjection

from ..imaging import pixel_to_sky

_ARTEFACT = 1 << 62
_UNITS = {
    "ra": u.deg, "dec": u.deg, "flux": u.nJy, "template_flux": u.nJy, "x": u.pix, "y": u.pix,
    "length": u.pix, "width": u.pix, "angle": u.deg,
}  # fmt: skip


class TruthRows:
    """Rows of a truth table in the making.

    Parameters
    ----------
    visit, detector
        Identifiers, which make those of artefacts unique.
    """

    def __init__(self, visit: int, detector: int) -> None:
        self._first = _ARTEFACT | (visit << 32) | (detector << 20)
        self._n_artefacts = 0
        self._parts: list[astropy.table.Table] = []

    def add_artefact(
        self,
        kind: str,
        x: float,
        y: float,
        *,
        length: float = 0.0,
        width: float = 0.0,
        angle: float = 0.0,
        flux: float = 0.0,
    ) -> None:
        """Add an artefact.

        Parameters
        ----------
        kind
            What it is.
        x, y
            Centre in pixels.
        length, width
            Full extents in pixels of a line with round ends; a disk has length 0, a point has both 0.
        angle
            Direction of the length in degrees, counter-clockwise from +x.
        flux
            Its light or charge in nJy, where that has a meaning.
        """
        self.add_artefacts(kind, np.array([x]), np.array([y]), length, width, angle, flux)

    def add_artefacts(
        self,
        kind: str,
        x: npt.NDArray[np.float64],
        y: npt.NDArray[np.float64],
        length: npt.ArrayLike = 0.0,
        width: npt.ArrayLike = 0.0,
        angle: npt.ArrayLike = 0.0,
        flux: npt.ArrayLike = 0.0,
    ) -> None:
        """Add artefacts of one kind; as `add_artefact` with arrays."""
        identifiers = self._first + self._n_artefacts + np.arange(len(x), dtype=np.int64)
        self._n_artefacts += len(x)
        self._append(identifiers, np.full(len(x), kind), x, y, flux, 0.0, length, width, angle)

    def add_objects(
        self,
        truth_id: npt.NDArray[np.int64],
        kind: npt.NDArray[np.str_],
        x: npt.NDArray[np.float64],
        y: npt.NDArray[np.float64],
        flux: npt.NDArray[np.float64],
        template_flux: npt.NDArray[np.float64],
        length: npt.ArrayLike = 0.0,
        angle: npt.ArrayLike = 0.0,
    ) -> None:
        """Add objects of the sky."""
        self._append(truth_id, kind, x, y, flux, template_flux, length, 0.0, angle)

    def _append(
        self,
        truth_id: npt.ArrayLike,
        kind: npt.ArrayLike,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        flux: npt.ArrayLike,
        template_flux: npt.ArrayLike,
        length: npt.ArrayLike,
        width: npt.ArrayLike,
        angle: npt.ArrayLike,
    ) -> None:
        numbers = {
            "x": x, "y": y, "flux": flux, "template_flux": template_flux,
            "length": length, "width": width, "angle": angle,
        }  # fmt: skip
        columns: dict[str, npt.NDArray[np.generic]] = {
            "truth_id": np.asarray(truth_id, np.int64),
            "kind": np.asarray(kind, "U24"),
        }
        for name, values in numbers.items():
            columns[name] = np.broadcast_to(np.asarray(values, float), columns["truth_id"].shape)
        self._parts.append(astropy.table.Table(columns))

    def table(self, projection: SkyProjection[DetectorFrame]) -> astropy.table.Table:
        """Return the table, sky positions added.

        Parameters
        ----------
        projection
            The true mapping from pixels to the sky.
        """
        if not self._parts:
            self.add_artefacts("", np.empty(0), np.empty(0))
        rows = astropy.table.vstack(self._parts)
        ra, dec = pixel_to_sky(projection, np.asarray(rows["x"]), np.asarray(rows["y"]))
        rows.add_column(ra, name="ra", index=2)
        rows.add_column(dec, name="dec", index=3)
        for name, unit in _UNITS.items():
            rows[name].unit = unit
        return rows
