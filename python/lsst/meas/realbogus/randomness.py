"""Random numbers that depend on what they are for, and on nothing else.

Every draw in the package comes from here. A draw is named by a seed, a purpose and a key (a data id, a row, a
cell of the sky), so the same run gives the same bytes on any machine, in any order and with any number of
processes, and no two purposes or data ids ever share a realisation.
"""

from __future__ import annotations

__all__ = ("derive_key", "generator", "stable_id", "uniform")

import hashlib

import numpy as np
import numpy.typing as npt

from .errors import InvalidInputError

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def derive_key(seed: int, purpose: str, *key: int | str) -> int:
    """Hash a seed, a purpose and a key to 128 bits.

    Parameters
    ----------
    seed
        Seed of the survey or run.
    purpose
        What the numbers are for, such as ``"injection-noise"``.
    *key
        What they belong to, such as visit, detector and row.

    Returns
    -------
    int
        Unsigned 128-bit integer (BLAKE2b of the canonical text of the arguments).
    """
    text = "\x1f".join([str(int(seed)), purpose, *(f"{type(k).__name__[0]}{k}" for k in _plain(key))])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def _plain(key: tuple[int | str, ...]) -> list[int | str]:
    return [k if isinstance(k, str) else int(k) for k in key]


def generator(seed: int, purpose: str, *key: int | str) -> np.random.Generator:
    """Make a counter-based generator for one purpose and key.

    Parameters
    ----------
    seed, purpose, *key
        As for `derive_key`.

    Returns
    -------
    numpy.random.Generator
        Philox generator (Salmon et al. 2011) whose key is the hash of the arguments.

    Examples
    --------
    >>> first, again = (generator(1, "example", 42, 3) for _ in range(2))
    >>> bool(first.random() == again.random())
    True
    """
    return np.random.Generator(np.random.Philox(key=derive_key(seed, purpose, *key)))


def uniform(seed: int, purpose: str, row_keys: npt.ArrayLike, n_draws: int = 1) -> npt.NDArray[np.float64]:
    """Draw uniform numbers for many rows, each row by its own key.

    The numbers of a row depend on the seed, the purpose and that row's key only, not on the other rows.

    Parameters
    ----------
    seed, purpose
        As for `derive_key`.
    row_keys
        Integers that name the rows, shape ``(n,)``.
    n_draws
        How many numbers each row gets.

    Returns
    -------
    numpy.ndarray
        Float64 array of shape ``(n, n_draws)``, each in the open interval (0, 1).

    Notes
    -----
    SplitMix64 (Steele, Lea & Flood 2014) used as a counter-based hash: vectorised, one pass a column.
    """
    keys = np.atleast_1d(np.asarray(row_keys)).astype(np.uint64)
    base = derive_key(seed, purpose)
    start = _mix(keys ^ np.uint64(base & 0xFFFFFFFFFFFFFFFF)) ^ np.uint64(base >> 64)
    out = np.empty((keys.size, n_draws))
    with np.errstate(over="ignore"):
        for column in range(n_draws):
            bits = _mix(_mix(start + np.uint64(column + 1) * _GOLDEN_GAMMA))
            out[:, column] = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return out


def stable_id(seed: int, purpose: str, row_keys: npt.ArrayLike, bits: int = 63) -> npt.NDArray[np.int64]:
    """Map row keys one to one to well-spread positive identifiers.

    Parameters
    ----------
    seed, purpose
        As for `derive_key`.
    row_keys
        Non-negative integers below ``2**(bits // 2 * 2)``, shape ``(n,)``.
    bits
        Width of the identifiers, even numbers work on halves; 63 keeps them positive as int64.

    Returns
    -------
    numpy.ndarray
        Int64 identifiers, unique whenever the row keys are (a Feistel permutation of ``2**(bits // 2 * 2)``).

    Raises
    ------
    InvalidInputError
        If a key is no integer, negative or too large: it would share its identifier with another.
    """
    half = np.uint64(bits // 2)
    mask = (np.uint64(1) << half) - np.uint64(1)
    rows = np.atleast_1d(np.asarray(row_keys))
    if rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >> (bits // 2 * 2)):
        shown = ", ".join(map(repr, rows[:3].tolist()))
        raise InvalidInputError(f"row keys must be integers from 0 to 2**{bits // 2 * 2} - 1; got {shown}")
    keys = rows.astype(np.uint64)
    left, right = keys >> half, keys & mask
    base = derive_key(seed, purpose)
    for turn in range(4):
        salt = np.uint64((base >> (32 * turn)) & 0xFFFFFFFF)
        left, right = right, left ^ (_mix(right ^ (salt << np.uint64(32))) & mask)
    return ((left << half) | right).astype(np.int64)


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
