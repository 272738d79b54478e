"""The only door to afw, the C++ stack's image and table library.

Every function works in both worlds: on repositories of `lsst.images` and astropy tables with PyPI packages
only, and on repositories of afw exposures and catalogues inside the full stack. Connections declare
``VisitImage`` (``DifferenceImage`` for differences), tables ``ArrowAstropy`` or ``AstropyTable``, all with
``deferLoad=True``.
"""

from __future__ import annotations

__all__ = (
    "DeferredImage",
    "afw_catalog",
    "focal_plane_corners",
    "get_table",
    "read_grid",
    "read_mask",
    "read_projection",
    "read_psf",
    "stored_class",
)

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from astropy.table import Table
    from lsst.daf.butler import DeferredDatasetHandle
    from lsst.images import Box, Mask, SkyProjection
    from lsst.images.psfs import PointSpreadFunction

# afw's names of planes that lsst.images calls otherwise.
_RENAMED_PLANES = {
    "CR": "COSMIC_RAY",
    "EDGE": "DETECTION_EDGE",
    "INTRP": "INTERPOLATED",
    "SAT": "SATURATED",
    "UNMASKEDNAN": "UNMASKED_NAN",
}
_VERSION_WIDTH = 7


def read_mask(handle: DeferredDatasetHandle, **parameters: Any) -> Mask:
    """Read the mask of an image dataset.

    Parameters
    ----------
    handle
        Deferred handle of a ``VisitImage`` or ``DifferenceImage`` connection.
    **parameters
        Passed on to ``get``. A box is honoured by `lsst.images` datasets and ignored by afw's.

    Returns
    -------
    lsst.images.Mask
        The mask, planes by the names of lsst.images.
    """
    try:
        mask: Mask = handle.get(component="mask", **parameters)
    except (ValueError, RuntimeError):
        # An afw exposure with a plane that lsst.images did not guess, such as CLIPPED on a template.
        mask = _read_afw_mask(handle)
    return mask


def _read_afw_mask(handle: DeferredDatasetHandle) -> Mask:
    from lsst.images import Mask, MaskPlane

    legacy = handle.get(component="mask", storageClass="MaskX")
    planes = {
        name: MaskPlane(_RENAMED_PLANES.get(name, name), f"afw plane {name}")
        for name in legacy.getMaskPlaneDict()
    }
    return Mask.from_legacy(legacy, plane_map=planes)


def read_projection(handle: DeferredDatasetHandle) -> SkyProjection[Any]:
    """Read the sky projection of an image dataset, without its pixels and without a Detector.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.

    Returns
    -------
    lsst.images.SkyProjection
        The projection.
    """
    wcs = None
    # Asked for a component that the stored kind lacks, the stack reads and converts all of the image.
    if (stored_class(handle) or "Exposure").startswith("Exposure"):
        with contextlib.suppress(ValueError, ImportError):
            wcs = dataclasses.replace(handle, storageClass="ExposureF").get(component="wcs")
    if wcs is None:
        projection: SkyProjection[Any] = handle.get(component="sky_projection")
        return projection
    import astropy.units as u
    from lsst.images import GeneralFrame, SkyProjection

    return SkyProjection.from_legacy(wcs, GeneralFrame(unit=u.pix))


def read_psf(handle: DeferredDatasetHandle) -> PointSpreadFunction:
    """Read the PSF of an image dataset, without its pixels and without a Detector.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.

    Returns
    -------
    lsst.images.psfs.PointSpreadFunction
        The PSF; that of an afw exposure is evaluated by afw.
    """
    found = None
    # As for projections: the component that the stack would convert needs a Detector.
    if (stored_class(handle) or "Exposure").startswith("Exposure"):
        with contextlib.suppress(ValueError, ImportError):
            found = dataclasses.replace(handle, storageClass="ExposureF").get(component="psf")
    if found is None:
        psf: PointSpreadFunction = handle.get(component="psf")
        return psf
    from lsst.images.psfs import LegacyPointSpreadFunction

    return LegacyPointSpreadFunction(found, handle.get(component="bbox"))


def read_grid(handle: DeferredDatasetHandle) -> tuple[Box, SkyProjection[Any]]:
    """Read the box and the sky projection of an image dataset, opening its file once where that can be.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.

    Returns
    -------
    tuple
        Box and projection.
    """
    if stored_class(handle) in ("VisitImage", "DifferenceImage"):
        names = ["bbox", "sky_projection"]
        parts = handle.get(component="components", parameters={"components": names})
        return parts["bbox"], parts["sky_projection"]
    return handle.get(component="bbox"), read_projection(handle)


def stored_class(handle: DeferredDatasetHandle) -> str | None:
    """Name the storage class that a dataset is stored as, whatever it is declared as.

    Parameters
    ----------
    handle
        Deferred handle of any connection.

    Returns
    -------
    str or None
        Such as ``VisitImage``, ``DifferenceImage`` or ``ExposureF``; None if the Butler does not know, as one
        that is made from a quantum graph.
    """
    look_up = getattr(getattr(handle, "butler", None), "get_dataset_type", None)
    if look_up is None:
        return None
    return str(look_up(handle.ref.datasetType.nameAndComponent()[0]).storageClass_name)


def get_table(handle: DeferredDatasetHandle) -> Table:
    """Read a table dataset: an afw catalogue as the stack converts it, a parquet file as it is.

    Parameters
    ----------
    handle
        Deferred handle of a table connection.

    Returns
    -------
    astropy.table.Table
        The table.
    """
    try:
        return handle.get()
    except TypeError:
        # Declared AstropyTable, stored as parquet: no conversion is registered for that pair.
        return handle.get(storageClass="ArrowAstropy")


@dataclasses.dataclass(frozen=True)
class DeferredImage:
    """A deferred image whose components read alike in both worlds.

    Parameters
    ----------
    handle
        Deferred handle of a ``VisitImage`` or ``DifferenceImage`` connection.
    """

    handle: DeferredDatasetHandle

    def get(self, **kwargs: Any) -> Any:
        """Read the image or, with ``component=``, a part of it; see `read_mask` for why masks are special.

        Parameters
        ----------
        **kwargs
            Passed on to ``get``: ``component``, ``parameters``.

        Returns
        -------
        object
            The image or its part.
        """
        if kwargs.get("component") == "mask":
            return read_mask(self.handle, **{k: v for k, v in kwargs.items() if k != "component"})
        return self.handle.get(**kwargs)


def afw_catalog(table: Table) -> Any:
    """Write scores as the afw catalogue that `FilterDiaSourceReliabilityTask` of ap_association reads.

    Parameters
    ----------
    table
        Columns ``id`` (int64), ``score`` (float32) and ``version`` (at most 7 characters).

    Returns
    -------
    lsst.afw.table.BaseCatalog
        Fields ``id`` (L), ``score`` (F) and ``version`` (String, 7), row by row; the other columns have no
        place there.

    Raises
    ------
    ImportError
        Raised outside the full stack.
    """
    from lsst.afw.table import BaseCatalog, Schema

    schema = Schema()
    schema.addField("id", type="L", doc="Identifier of the DIA source.")
    schema.addField("score", type="F", doc="Probability that the source is real.")
    schema.addField("version", type="String", size=_VERSION_WIDTH, doc="Version of the model.")
    catalog = BaseCatalog(schema)
    for row in table["id", "score", "version"]:
        record = catalog.addNew()
        record["id"], record["score"], record["version"] = (
            int(row["id"]),
            float(row["score"]),
            str(row["version"]),
        )
    return catalog


def focal_plane_corners(camera: Any) -> dict[int, npt.NDArray[np.float64]]:
    """Say where the detectors of an afw camera lie.

    Parameters
    ----------
    camera
        ``lsst.afw.cameraGeom.Camera``, as the dataset ``camera`` is.

    Returns
    -------
    dict
        Corners of each detector in the focal plane, shape ``(4, 2)``, in mm.

    Raises
    ------
    ImportError
        Raised outside the full stack.
    """
    import numpy as np
    from lsst.afw.cameraGeom import FOCAL_PLANE

    return {
        int(detector.getId()): np.array([(point.x, point.y) for point in detector.getCorners(FOCAL_PLANE)])
        for detector in camera
    }
