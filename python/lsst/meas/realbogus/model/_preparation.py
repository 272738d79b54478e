"""From stamps as they were cut to what a network is fed, and what was wrong with them."""

from __future__ import annotations

__all__ = ("Prepared", "edge_and_nan_flags", "fit_stamps", "has_value", "prepare")

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ._contract import Contract, ImageName, MissingRule, PsfInput
from ._normalization import IGNORING_MISSING, find_normalization, valid_median

Pixels = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
_FILL = 1e37
"""From here on a number stands for no value, as the largest of float32 does in images of ZTF."""
_SWAPPED: Mapping[str, str] = {"science": "template", "template": "science"}


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """Inputs of a network and what is to be said of each.

    Parameters
    ----------
    inputs
        Float32 ``(n, rows, columns, channels)``.
    fraction_missing
        Largest fraction of missing pixels in any of the source's stamps, float32 ``(n,)``.
    flag_edge
        Some pixel that the model looks at is known to lie off the image.
    flag_nan
        Some other pixel that it looks at is not finite.
    flag_degenerate
        A stamp has no contrast, or the normalisation is undefined for it.
    flag_no_template
        The model wants a template, and the stamp of it has no valid pixel.
    flag_unscorable
        The score of the row is meaningless: degenerate, or too many missing pixels.
    """

    inputs: Pixels
    fraction_missing: Pixels
    flag_edge: Flags
    flag_nan: Flags
    flag_degenerate: Flags
    flag_no_template: Flags
    flag_unscorable: Flags


def prepare(
    contract: Contract,
    stamps: Mapping[str, npt.NDArray[np.float32]],
    missing: Mapping[str, Flags] | None = None,
    is_negative: Flags | None = None,
    out: Pixels | None = None,
    outside: Mapping[str, Flags] | None = None,
    psf_fwhm: npt.NDArray[np.floating[Any]] | None = None,
) -> Prepared:
    """Crop, fill, flip, normalise and lay out stamps as the contract says.

    Parameters
    ----------
    contract
        The model's.
    stamps
        By image name, float32 ``(n, h, w)`` each; images that the model does not use are ignored.
    missing
        Which pixels are not to be used, by image name; pixels that are not finite, or 1e37 and
        more, which stands for no value, never are.
    is_negative
        Which sources are negative in the difference, shape ``(n,)``; default none.
    out
        Where the inputs go, for callers that use the memory again: float32, at least ``n`` of them.
    outside
        Which of the missing pixels lie off the image, by image name.
    psf_fwhm
        FWHM of the science image's PSF at each source [pixel of the stamps], shape ``(n,)``, NaN where it is
        not known; by default it is not. Models that are not told the PSF do without.

    Returns
    -------
    Prepared
        One entry for each source, in order.
    """
    n = len(stamps[contract.inputs[0]])
    flipped = np.zeros(n, bool) if contract.negative == "none" or is_negative is None else is_negative
    troubled = flipped | _any_missing(contract, stamps, missing)
    if outside is not None:
        troubled |= _any_missing(contract, stamps, outside)
    for name in contract.inputs:
        with np.errstate(invalid="ignore", over="ignore"):
            # A sum that is no fill value proves that no pixel is.
            troubled |= ~has_value(np.add.reduce(stamps[name], axis=(1, 2)))
    inputs = np.empty((n, *contract.input_shape), np.float32) if out is None else out[:n]
    if contract.psf is not None:
        _show_psf(contract.psf, psf_fwhm, inputs[..., len(contract.inputs)])
    if contract.missing.show:
        inputs[..., -1] = 0.0
    ordinary = np.flatnonzero(~troubled)
    if ordinary.size:
        every = ordinary.size == n
        for target, name in _targets(contract, inputs):
            pixels = fit_stamps(stamps[name] if every else stamps[name][ordinary], contract.stamp_size)[0]
            normalized = target if every else np.empty(pixels.shape, np.float32)
            troubled[ordinary] |= _normalize(contract, pixels, name, normalized)
            if not every:
                target[ordinary] = normalized
    prepared = Prepared(inputs, np.zeros(n, np.float32), *(np.zeros(n, bool) for _ in range(5)))
    rows = np.flatnonzero(troubled)
    if rows.size:
        _prepare_carefully(contract, stamps, missing, outside, flipped, rows, prepared)
    return prepared


def edge_and_nan_flags(
    names: Sequence[str],
    stamps: Mapping[str, npt.NDArray[np.float32]],
    outside: Mapping[str, Flags] | None,
    size: int,
) -> tuple[Flags, Flags]:
    """Tell what of the pixels that a model looks at lies off the image, and what is not finite on it.

    Parameters
    ----------
    names
        The images that the model uses.
    stamps
        By image name, float32 ``(n, h, w)``.
    outside
        Which pixels are known to lie off the image, by image name.
    size
        Rows and columns that the model looks at, about the central pixel.

    Returns
    -------
    edge, nan
        Bool, shape ``(n,)``: a pixel lies off the image; a pixel on it (or of which that is not known) is not
        finite. Pixels that a small stamp does not reach are neither.
    """
    n = len(stamps[names[0]])
    edge, nan = np.zeros(n, bool), np.zeros(n, bool)
    for name in names:
        bad = ~has_value(fit_stamps(stamps[name], size)[0])
        if outside is not None and name in outside:
            off = fit_stamps(outside[name], size)[0]
            edge |= off.any(axis=(1, 2))
            bad &= ~off
        nan |= bad.any(axis=(1, 2))
    return edge, nan


def _any_missing(
    contract: Contract, stamps: Mapping[str, npt.NDArray[np.float32]], missing: Mapping[str, Flags] | None
) -> Flags:
    """Return which sources are known to miss pixels."""
    found = np.zeros(len(stamps[contract.inputs[0]]), bool)
    for name in contract.inputs:
        found |= min(stamps[name].shape[1:]) < contract.stamp_size
        if missing is not None and name in missing:
            found |= missing[name].reshape(len(found), -1).any(axis=1)
    return found


def _targets(contract: Contract, inputs: Pixels) -> Iterator[tuple[Pixels, ImageName]]:
    """Yield the part of the network's input that each image fills."""
    size = contract.stamp_size
    for position, name in enumerate(contract.inputs):
        if contract.layout == "side_by_side":
            yield inputs[:, :, position * size : (position + 1) * size, 0], name
        else:
            yield inputs[:, :, :, position], name


def _normalize(contract: Contract, pixels: Pixels, name: str, target: Pixels) -> Flags:
    normalize = find_normalization(contract.normalization.name)
    return normalize(pixels, name == "difference", contract.normalization.parameters, target)


def _normalize_valid(contract: Contract, pixels: Pixels, bad: Flags, name: str, target: Pixels) -> Flags:
    """Normalise stamps of which pixels are missing, by the rule of the contract."""
    if contract.missing.rule != "ignore":
        return _normalize(contract, apply_missing_rule(pixels, bad, contract.missing), name, target)
    normalize, parameters = IGNORING_MISSING[contract.normalization.name], contract.normalization.parameters
    return normalize(pixels, name == "difference", parameters, target, bad)


def _show_psf(psf: PsfInput, fwhm: npt.NDArray[np.floating[Any]] | None, target: Pixels) -> None:
    """Fill the channel ``(n, h, w)`` that tells the network the PSF."""
    if fwhm is None:
        target[...] = 0.0
        return
    known = np.isfinite(fwhm) & (fwhm > 0)
    width = np.where(known, fwhm, 1.0).astype(np.float32)
    if psf.form == "width":
        target[...] = np.where(known, np.log2(width / np.float32(3)), np.float32(0))[:, None, None]
        return
    # A circular Gaussian is the product of its sections along rows and columns.
    rows, columns = (
        np.exp(
            np.float32(-4 * np.log(2))
            * np.square((np.arange(size, dtype=np.float32) - size // 2) / width[:, None])
        )
        for size in target.shape[1:]
    )
    rows[~known] = 0.0
    np.multiply(rows[:, :, None], columns[:, None, :], out=target)


def _prepare_carefully(
    contract: Contract,
    stamps: Mapping[str, npt.NDArray[np.float32]],
    missing: Mapping[str, Flags] | None,
    outside: Mapping[str, Flags] | None,
    flipped: Flags,
    rows: npt.NDArray[np.intp],
    prepared: Prepared,
) -> None:
    """Do the sources that miss pixels, are negative or degenerate: find out what is wrong, fill, flip."""
    stamps = {name: array[rows] for name, array in stamps.items()}
    missing = None if missing is None else {name: array[rows] for name, array in missing.items()}
    outside = None if outside is None else {name: array[rows] for name, array in outside.items()}
    shown = np.zeros((len(rows), contract.stamp_size, contract.stamp_size), bool)
    prepared.flag_edge[rows], prepared.flag_nan[rows] = edge_and_nan_flags(
        contract.inputs, stamps, outside, contract.stamp_size
    )
    for target, name in _targets(contract, prepared.inputs):
        pixels, bad = _read(stamps, missing, name, contract.stamp_size)
        fraction = bad.mean(axis=(1, 2), dtype=np.float32)
        prepared.fraction_missing[rows] = np.maximum(prepared.fraction_missing[rows], fraction)
        if name == "template":
            prepared.flag_no_template[rows] = fraction == 1
        if flipped[rows].any():
            pixels, bad = _flip(contract, stamps, missing, name, flipped[rows], pixels, bad)
        shown |= bad
        normalized = np.empty(pixels.shape, np.float32)
        prepared.flag_degenerate[rows] |= _normalize_valid(contract, pixels, bad, name, normalized)
        target[rows] = normalized
    if contract.missing.show:
        prepared.inputs[rows, ..., -1] = shown
    too_many = prepared.fraction_missing[rows] > contract.missing.maximum_fraction
    prepared.flag_unscorable[rows] = prepared.flag_degenerate[rows] | too_many


def has_value(pixels: npt.NDArray[np.floating[Any]]) -> Flags:
    """Tell which pixels have a value: they are finite and less than 1e37, which stands for none.

    Parameters
    ----------
    pixels
        Any shape.

    Returns
    -------
    numpy.ndarray
        Bool of the same shape.
    """
    return np.abs(pixels) < _FILL  # False for NaN


def _read(
    stamps: Mapping[str, npt.NDArray[np.float32]], missing: Mapping[str, Flags] | None, name: str, size: int
) -> tuple[Pixels, Flags]:
    """Return stamps of the model's size and their missing pixels."""
    pixels, beyond = fit_stamps(stamps[name], size)
    bad = ~has_value(pixels)
    if missing is not None and name in missing:
        bad |= fit_stamps(missing[name], size)[0]
    if beyond is not None:
        bad |= beyond
    return pixels, bad


def fit_stamps[T: np.generic](stamps: npt.NDArray[T], size: int) -> tuple[npt.NDArray[T], Flags | None]:
    """Crop or pad stamps to a square, the pixel at (h // 2, w // 2) staying in the middle.

    Parameters
    ----------
    stamps
        Shape ``(n, h, w)``.
    size
        Rows and columns wanted.

    Returns
    -------
    fitted
        Shape ``(n, size, size)``, contiguous.
    outside
        Which pixels ``(size, size)`` the stamps do not reach, `None` if they reach all.

    Examples
    --------
    >>> stamps = np.arange(25).reshape(1, 5, 5)
    >>> fit_stamps(stamps, 3)[0][0]
    array([[ 6,  7,  8],
           [11, 12, 13],
           [16, 17, 18]])
    """
    if stamps.ndim != 3:
        raise InvalidInputError(f"stamps must have the shape (n, h, w); got {stamps.shape}")
    if stamps.shape[1:] == (size, size):
        return np.ascontiguousarray(stamps), None
    source, target = zip(*(_overlap(length, size) for length in stamps.shape[1:]), strict=True)
    if all(part == slice(0, size) for part in target):
        return np.ascontiguousarray(stamps[(slice(None), *source)]), None
    fitted = np.zeros((len(stamps), size, size), stamps.dtype)
    fitted[(slice(None), *target)] = stamps[(slice(None), *source)]
    outside = np.ones((size, size), bool)
    outside[target] = False
    return fitted, outside


def _overlap(length: int, size: int) -> tuple[slice, slice]:
    start = length // 2 - size // 2
    first, last = max(start, 0), min(start + size, length)
    return slice(first, last), slice(first - start, last - start)


def _flip(
    contract: Contract,
    stamps: Mapping[str, npt.NDArray[np.float32]],
    missing: Mapping[str, Flags] | None,
    name: ImageName,
    flipped: Flags,
    pixels: Pixels,
    bad: Flags,
) -> tuple[Pixels, Flags]:
    """Show negative sources by the rule of the contract."""
    which = flipped[:, None, None]
    if name == "difference":
        return np.where(which, -pixels, pixels), bad
    if contract.negative == "flip_difference":
        return pixels, bad
    other = _SWAPPED[name]
    if other not in stamps:
        raise InvalidInputError(f"negative sources are scored with {other} in place of {name}; there is none")
    other_pixels, other_bad = _read(stamps, missing, other, contract.stamp_size)
    return np.where(which, other_pixels, pixels), np.where(which, other_bad, bad)


def apply_missing_rule(pixels: Pixels, bad: Flags, rule: MissingRule) -> Pixels:
    """Replace missing pixels by the rule; stamps without a valid pixel become zeros (and so degenerate).

    Parameters
    ----------
    pixels
        Shape ``(n, h, w)``; not changed.
    bad
        Which to replace, same shape.
    rule
        The model's.
    """
    rows = np.flatnonzero(bad.any(axis=(1, 2)))
    if not rows.size:
        return pixels
    filled = pixels.copy()
    part, where = filled[rows], bad[rows]
    match rule.rule:
        case "median":
            fill = valid_median(part.reshape(len(rows), -1), where.reshape(len(rows), -1))
        case "zero":
            fill = np.zeros(len(rows), np.float32)
        case _:
            fill = np.full(len(rows), rule.value, np.float32)
    filled[rows] = np.where(where, fill[:, None, None], part)
    return filled
