"""Alert packets of LSST and ZTF with stamps of our own."""

from __future__ import annotations

import gzip
import io

import numpy as np
from astropy.io import fits


def stamp_bytes(stamp: np.ndarray, compress: bool) -> bytes:
    """A FITS image with a header as broken as those of alerts: coordinates without CTYPE."""
    hdu = fits.PrimaryHDU(stamp, fits.Header({"CRVAL1": 10.0, "CD1_1": 1e-4, "CUNIT1": "deg"}))
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    return gzip.compress(buffer.getvalue()) if compress else buffer.getvalue()


def lsst_alerts(stamps, ids) -> tuple[dict, list[dict]]:
    cutout = ["null", "bytes"]
    source = {
        "type": "record",
        "name": "diaSource",
        "fields": [{"name": "diaSourceId", "type": "long"}, {"name": "psfFlux", "type": ["null", "float"]}],
    }
    fields = [{"name": "diaSource", "type": source}]
    fields += [{"name": f"cutout{role.capitalize()}", "type": cutout} for role in stamps]
    records = [
        {
            "diaSource": {"diaSourceId": int(identifier), "psfFlux": -1.0 if row % 2 else 1.0},
            **{f"cutout{role.capitalize()}": stamp_bytes(cube[row], False) for role, cube in stamps.items()},
        }
        for row, identifier in enumerate(ids)
    ]
    return {"type": "record", "name": "alert", "namespace": "lsst.v9_0", "fields": fields}, records


def ztf_alerts(stamps, ids) -> tuple[dict, list[dict]]:
    cutout = {"type": "record", "name": "cutout", "fields": [{"name": "stampData", "type": "bytes"}]}
    candidate = {
        "type": "record",
        "name": "candidate",
        "fields": [{"name": "isdiffpos", "type": "string"}],
    }
    fields = [{"name": "candid", "type": "long"}, {"name": "candidate", "type": candidate}]
    fields += [
        {"name": f"cutout{role.capitalize()}", "type": cutout if i == 0 else "ztf.alert.cutout"}
        for i, role in enumerate(stamps)
    ]
    records = [
        {
            "candid": int(identifier),
            "candidate": {"isdiffpos": "f" if row % 2 else "t"},
            **{
                f"cutout{role.capitalize()}": {"stampData": stamp_bytes(cube[row], True)}
                for role, cube in stamps.items()
            },
        }
        for row, identifier in enumerate(ids)
    ]
    return {"type": "record", "name": "alert", "namespace": "ztf.alert", "fields": fields}, records
