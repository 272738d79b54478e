"""Pixels and fluxes of afw exposures in nJy."""

from __future__ import annotations

__all__ = ("calibrate_catalog", "read_photo_calib")

from typing import TYPE_CHECKING

from ._stored import read_exposure_component

if TYPE_CHECKING:
    from astropy.table import Table
    from lsst.daf.butler import DeferredDatasetHandle

_COUNTS, _FLUX = "_instFlux", "_flux"


def read_photo_calib(handle: DeferredDatasetHandle) -> float | None:
    """Read what a count of an afw exposure is.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.

    Returns
    -------
    float or None
        Mean calibration [nJy / count]; None if it has none, or is no exposure.
    """
    mean, _ = read_exposure_component(handle, "photoCalib", lambda found: float(found.getCalibrationMean()))
    return mean


def calibrate_catalog(table: Table, handle: DeferredDatasetHandle) -> Table:
    """Give a catalogue that was measured on an afw exposure in counts its fluxes in nJy.

    Parameters
    ----------
    table
        Sources, with columns as ``slot_ApFlux_instFlux`` where they are afw's.
    handle
        The image that they were measured on.

    Returns
    -------
    astropy.table.Table
        The same, or a new table over the same columns with ``slot_ApFlux_flux`` and so on, as afw's
        ``PhotoCalib.calibrateCatalog`` adds them, but for variations of the calibration over the image.
    """
    counts = {name: name.replace(_COUNTS, _FLUX) for name in table.colnames if _COUNTS in name}
    missing = {old: new for old, new in counts.items() if new not in table.colnames}
    scale = read_photo_calib(handle) if missing else None
    if scale is None:
        return table
    out = table.copy(copy_data=False)
    for old, new in missing.items():
        if table[old].dtype.kind == "f":
            out[new] = scale * table[old].data
            out[new].unit = "nJy"
    return out
