"""Images that are not like those a model was trained on."""

from __future__ import annotations

__all__ = ("unfamiliar",)

import numpy as np
import numpy.typing as npt

from ._contract import Contract, Range, TrainedOn

_SCALE_FACTOR = 1.3
"""Factor between the pixel scales of a model and of images within which its training may be trusted where the
contract has no range: the first packaged models saw 0.17 to 0.27 arcsec."""

_SLACK = 1.02
"""What lies less than this factor outside a range is taken to be inside."""


def unfamiliar(
    contract: Contract,
    *,
    pixel_scale: float | None = None,
    psf_fwhm: npt.ArrayLike | None = None,
    stamp_shape: tuple[int, ...] | None = None,
) -> dict[str, str]:
    """Say what of some images a model was not trained on.

    Parameters
    ----------
    contract
        The model's.
    pixel_scale
        Pixel scale [arcsec], as the model is shown the images; `None` if it is not known.
    psf_fwhm
        FWHM of the science image's PSF [pixel], one or many, NaN where it is not known. Their median counts.
    stamp_shape
        Height and width of the stamps that are given [pixel]. Those that are larger than what the model looks
        at are cropped, and so familiar.

    Returns
    -------
    dict of str to str
        The warning by what it is of: ``pixel_scale``, ``psf_fwhm``, ``stamp_shape``. What is not known of
        the images, or of the training, is passed over.

    Examples
    --------
    >>> from lsst.meas.realbogus.model import preset_contract
    >>> unfamiliar(preset_contract("dia", "dia", "1"), pixel_scale=0.25)
    {}
    """
    trained = contract.trained or TrainedOn()
    who = f"model {contract.name} {contract.version} was trained on"
    found = {}
    scales, ours = trained.pixel_scale, contract.pixel_scale
    if scales is None and ours is not None:
        scales = (ours / _SCALE_FACTOR, ours * _SCALE_FACTOR)
    if _is_outside(pixel_scale, scales):
        seen = _range(trained.pixel_scale) if trained.pixel_scale is not None else f"{ours:.3g}"
        remedy = (
            "take a model for this one" if ours is None else "resample to its scale, or take another model"
        )
        found["pixel_scale"] = (
            f"the images have pixels of {pixel_scale:.3g} arcsec, {who} {seen}: its scores may mean little; "
            f"{remedy}"
        )
    width = _median(psf_fwhm)
    if _is_outside(width, trained.psf_fwhm):
        found["psf_fwhm"] = (
            f"the PSF of the images has a FWHM of {width:.3g} pixels, {who} {_range(trained.psf_fwhm)}: its "
            "scores may mean little"
        )
    side = None if stamp_shape is None else float(min(*stamp_shape, contract.stamp_size))
    if _is_outside(side, trained.stamp_size) and stamp_shape is not None:
        found["stamp_shape"] = (
            f"the stamps have {stamp_shape[0]} x {stamp_shape[1]} pixels, {who} "
            f"{_range(trained.stamp_size)}: its scores may mean little; cut larger ones"
        )
    return found


def _is_outside(value: float | None, limits: Range | None) -> bool:
    if value is None or limits is None or not np.isfinite(value) or value <= 0:
        return False
    return value * _SLACK < limits[0] or value > limits[1] * _SLACK


def _median(values: npt.ArrayLike | None) -> float | None:
    known = np.asarray([] if values is None else values, np.float64).ravel()
    known = known[np.isfinite(known)]
    return float(np.median(known)) if known.size else None


def _range(limits: Range | None) -> str:
    return "" if limits is None else f"{limits[0]:.3g} to {limits[1]:.3g}"
