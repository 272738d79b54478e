"""The truth table of a simulated image: what was drawn where."""

from __future__ import annotations

__all__ = ("TRUTH", "TruthRows", "is_artefact")

from typing import Any

import astropy.table
import numpy as np
import numpy.typing as npt
from lsst.images import DetectorFrame, SkyProjection

from ..tables import Column, Schema, empty_table, make_table, pixel_to_sky

_ARTEFACT = 1 << 62
TRUTH: Schema = {
    "truth_id": Column("int64", "Identifier of the object or artefact"),
    "kind": Column("str", "What it is"),
    "ra": Column("float64", "Right ascension, ICRS", "deg"),
    "dec": Column("float64", "Declination, ICRS", "deg"),
    "x": Column("float64", "Column, parent coordinates", "pix"),
    "y": Column("float64", "Row, parent coordinates", "pix"),
    "flux": Column("float64", "Flux in the image", "nJy"),
    "template_flux": Column("float64", "Flux in the template", "nJy"),
    "length": Column("float64", "Full extent of a line with round ends; 0 for disks and points", "pix"),
    "width": Column("float64", "Full width; 0 for points", "pix"),
    "angle": Column("float64", "Direction of the length, counter-clockwise from +x", "deg"),
    "host_id": Column("int64", "truth_id of the galaxy that the object lies in; 0 for none", none=0),
}
"""The truth table of an image."""


def is_artefact(truth: astropy.table.Table) -> npt.NDArray[np.bool_]:
    """Tell the rows of artefacts, which are of one image, from those of objects, which are on the sky.

    Parameters
    ----------
    truth
        Truth table of an image.

    Returns
    -------
    numpy.ndarray
        Bool, one for each row.
    """
    return np.asarray(truth["truth_id"], np.int64) >= _ARTEFACT


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
        self._parts: list[dict[str, npt.NDArray[Any]]] = []

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
        host_id: npt.ArrayLike = 0,
    ) -> None:
        """Add objects of the sky."""
        self._append(truth_id, kind, x, y, flux, template_flux, length, 0.0, angle, host_id)

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
        host_id: npt.ArrayLike = 0,
    ) -> None:
        values = {
            "truth_id": truth_id, "kind": kind, "x": x, "y": y, "flux": flux, "template_flux": template_flux,
            "length": length, "width": width, "angle": angle, "host_id": host_id,
        }  # fmt: skip
        self._parts.append({name: np.broadcast_to(value, np.shape(x)) for name, value in values.items()})

    def table(self, projection: SkyProjection[DetectorFrame]) -> astropy.table.Table:
        """Return the table, sky positions added.

        Parameters
        ----------
        projection
            The true mapping from pixels to the sky.
        """
        if not self._parts:
            return empty_table(TRUTH)
        values = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        values["ra"], values["dec"] = pixel_to_sky(projection, values["x"], values["y"])
        return make_table(TRUTH, values)
