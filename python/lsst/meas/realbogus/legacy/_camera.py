"""Cameras of afw."""

from __future__ import annotations

__all__ = ("focal_plane_corners",)

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


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
