"""What is wrong with the template visits, as the visits see it that are subtracted with them."""

from __future__ import annotations

__all__ = ("TemplateFlaws",)

from collections import defaultdict

import astropy.table
import numpy as np
import numpy.typing as npt
from lsst.images import Box, DetectorFrame, SkyProjection, VisitImage

from ..tables import pixel_to_sky, sky_to_pixel
from ..truth import TEMPLATE_PREFIX
from ._truth_rows import is_artefact

type Floats = npt.NDArray[np.float64]
_MOVING = "asteroid"


class TemplateFlaws:
    """Artefacts of template visits, by band, and what moved there.

    A template has them from every visit that it was made of, as far as the coadd has not rejected them: what
    they leave in a difference has no cause in the visit itself.
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[tuple[SkyProjection[DetectorFrame], astropy.table.Table]]] = defaultdict(
            list
        )

    def add(self, image: VisitImage, truth: astropy.table.Table) -> None:
        """Keep the flaws of an image of a template visit.

        Parameters
        ----------
        image
            The image.
        truth
            Its truth table.
        """
        flaws = truth[is_artefact(truth) | (np.asarray(truth["kind"]) == _MOVING)]
        if len(flaws):
            self._parts[image.band].append((image.sky_projection, flaws))

    def complete(self, image: VisitImage, truth: astropy.table.Table) -> astropy.table.Table:
        """Add the flaws that lie on an image to its truth table.

        Parameters
        ----------
        image
            An image that is subtracted with a template of these visits.
        truth
            Its truth table.

        Returns
        -------
        astropy.table.Table
            Its rows and then those of the flaws: the kind with `TEMPLATE_PREFIX`, the light as that of the
            template, the outline on the pixels of the image.
        """
        parts = [
            _seen(flaws, projection, image.sky_projection, image.bbox)
            for projection, flaws in self._parts[image.band]
        ]
        return astropy.table.vstack([truth, *parts], metadata_conflicts="silent")


def _seen(
    flaws: astropy.table.Table,
    there: SkyProjection[DetectorFrame],
    here: SkyProjection[DetectorFrame],
    bbox: Box,
) -> astropy.table.Table:
    """Turn rows of one image into rows of another; those that do not touch it are left out."""
    out = flaws.copy()
    length, angle = np.asarray(flaws["length"], float), np.radians(np.asarray(flaws["angle"], float))
    along = 0.5 * length * np.cos(angle), 0.5 * length * np.sin(angle)
    ends = []
    for sign in (-1, 1):
        place = [np.asarray(flaws[name], float) + sign * step for name, step in zip("xy", along, strict=True)]
        ends.append(np.stack(sky_to_pixel(here, *pixel_to_sky(there, *place))))
    (x, y), (dx, dy) = 0.5 * (ends[0] + ends[1]), ends[1] - ends[0]
    out["x"][:], out["y"][:] = x, y
    out["length"][:] = np.hypot(dx, dy)
    out["angle"][:] = np.where(length > 0, np.degrees(np.arctan2(dy, dx)) % 180.0, 0.0)
    out["template_flux"][:], out["flux"][:] = flaws["flux"], 0.0
    out["kind"] = np.char.add(TEMPLATE_PREFIX, np.asarray(flaws["kind"]).astype(str))
    reach = 0.5 * (np.asarray(out["length"], float) + np.asarray(out["width"], float))
    near = (x > bbox.x.start - reach) & (x < bbox.x.stop + reach)
    return out[near & (y > bbox.y.start - reach) & (y < bbox.y.stop + reach)]
