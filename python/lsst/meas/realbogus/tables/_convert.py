"""Columns as they come, brought to the types and units that are declared."""

from __future__ import annotations

__all__ = ("convert_column", "read_floats", "read_integers")

from typing import Any

import numpy as np
import numpy.typing as npt

from ._schema import Column
from ._values import (
    BoolArray,
    Problem,
    Severity,
    is_nothing,
    parse_flags,
    plain,
    rows_where,
    some_of,
    text_of,
)

type Values = npt.NDArray[Any]
type Problems = list[Problem]

_EXACT = 2.0**53
"""Integers from here on are not all floats."""


def convert_column(name: str, values: Any, column: Column) -> tuple[Values, Problems]:
    """Bring the values of one column to its declared type and unit.

    Parameters
    ----------
    name
        What the column is called in messages.
    values
        An array, masked array or `astropy.table.Column`, of any type and byte order, shape ``(n,)``.
    column
        The declaration.

    Returns
    -------
    values
        Array of the declared type, what is masked or empty replaced by what stands for "none".
    problems
        What cannot be used, with rows; their values mean nothing.
    """
    out: Values
    if (shape := np.shape(values)[1:]) != () and not column.shape:
        reason = f"{name} has values of shape {shape}; it must have one a row"
        return np.full(len(values), column.fill, column.numpy_dtype), [_error(reason)]
    match column.numpy_dtype.kind:
        case "f":
            out, problems = read_floats(name, values, column.unit)
            out = out.astype(column.numpy_dtype, copy=False)
            if column.none is not None:
                out = np.where(np.isnan(out), column.none, out).astype(column.numpy_dtype)
        case "b":
            out, problems = _read_flags(name, values, bool(column.none))
        case "U":
            out, problems = _read_words(name, values, column)
        case _:
            out, problems = read_integers(name, values, column)
    if column.minimum is not None and not problems:
        with np.errstate(invalid="ignore"):
            low = np.asarray(np.less(out, column.minimum))
        if column.none is not None:
            low &= out != column.none
        if low.any():
            problems = [_error(f"{name} is below {column.minimum}: {some_of(out[low])}", low)]
    return out, problems


def read_floats(name: str, values: Any, unit: str | None) -> tuple[npt.NDArray[np.float64], Problems]:
    """Read numbers in a unit.

    Parameters
    ----------
    name
        What the column is called in messages.
    values
        Numbers or text, perhaps masked, perhaps with a unit of their own.
    unit
        Unit of the result; values without a unit are taken to be in it.

    Returns
    -------
    values
        Float64, NaN where masked or empty.
    problems
        Of the unit, and of text that is no number.
    """
    data, masked = plain(values)
    factor, problems = _factor(name, getattr(values, "unit", None), unit)
    if data.dtype.kind in "iuf":
        out = data.astype(np.float64)
    elif data.dtype.kind in "SUO":
        out, wrong = _parse(data, masked)
        if wrong.any():
            problems.append(_error(f"{name} is not a number: {some_of(data[wrong])}", wrong))
    else:
        return np.full(len(data), np.nan), [*problems, _error(f"{name} is {data.dtype}, not numbers")]
    if factor != 1.0:
        out *= factor
    if masked.any():
        out[masked] = np.nan
    return out, problems


def _factor(name: str, unit: Any, wanted: str | None) -> tuple[float, Problems]:
    """Return by what to multiply to come from a unit to the wanted one."""
    if unit is None or str(unit) == "" or str(unit) == wanted:
        return 1.0, []
    import astropy.units as u

    found = u.Unit(unit, parse_strict="silent")
    target = u.dimensionless_unscaled if wanted is None else u.Unit(wanted)
    if isinstance(found, u.MagUnit) and found.physical_unit.is_equivalent(u.AB):
        # mag(AB) is a magnitude whose zero point is ours; of another zero point it is not equivalent.
        found = found.function_unit if (1.0 * found.physical_unit).to_value(u.AB) == 1.0 else found
    if not isinstance(found, u.UnitBase) or not found.is_equivalent(target):
        kind = "a number without unit" if wanted is None else f"one of {target.physical_type}"
        return 1.0, [_error(f"unit of {name} is {unit}, not {kind}")]
    return float(found.to(target)), []


def read_integers(name: str, values: Any, column: Column) -> tuple[npt.NDArray[np.int64], Problems]:
    """Read identifiers and other integers, exactly.

    Parameters
    ----------
    name
        What the column is called in messages.
    values
        Integers, floats that hold integers below 2**53, or text that spells them; perhaps masked.
    column
        Declares the type, and what stands for "none".

    Returns
    -------
    values
        Array of the declared type.
    problems
        Of rows that are no integer, do not fit the type, or lack a value that must be there.
    """
    factor, problems = _factor(name, getattr(values, "unit", None), column.unit)
    if factor != 1.0:
        problems = [_error(f"unit of {name} is {values.unit}, not {column.unit}")]
    data, nothing = plain(values)
    limits, kind = np.iinfo(column.numpy_dtype), data.dtype.kind
    if kind in "SUO":
        out, nothing, wrong, outside = _integers_of_text(data, nothing, limits)
    elif kind == "f":
        nothing = nothing | np.isnan(data)
        usable = np.where(nothing, 0.0, data)
        wrong = (np.floor(usable) != usable) | (np.abs(usable) >= _EXACT)
        out = np.where(wrong, 0.0, usable).astype(np.int64)
        outside = (out < limits.min) | (out > limits.max)
    elif kind in "iu":
        outside = (data > limits.max) | ((data < limits.min) if kind == "i" else False)
        outside = outside & ~nothing
        out, wrong = np.where(outside | nothing, 0, data).astype(np.int64), np.zeros(len(data), bool)
    else:
        reason = f"{name} must be of integers, not {data.dtype}"
        return np.zeros(len(data), column.numpy_dtype), [_error(reason)]
    if wrong.any():
        reason = f"{name} must be of integers (as floats below 2**53), not {some_of(data[wrong])}"
        problems.append(_error(reason, wrong))
    if outside.any():
        problems.append(_error(f"{name} does not fit {column.dtype}: {some_of(data[outside])}", outside))
    if nothing.any():
        if column.none is None:
            problems.append(_error(f"{name} is missing", nothing))
        else:
            out = np.where(nothing, column.none, out)
    return out.astype(column.numpy_dtype, copy=False), problems


def _integers_of_text(
    data: Values, masked: BoolArray, limits: np.iinfo[Any]
) -> tuple[npt.NDArray[np.int64], BoolArray, BoolArray, BoolArray]:
    """Return values, and which are none, no integers, or too large."""
    out = np.zeros(len(data), np.int64)
    nothing, wrong, outside = masked.copy(), np.zeros(len(data), bool), np.zeros(len(data), bool)
    for row in np.flatnonzero(~masked):
        value = data[row]
        if is_nothing(value):
            nothing[row] = True
            continue
        number = _integer(value)
        if number is None:
            wrong[row] = True
        elif not limits.min <= number <= limits.max:
            outside[row] = True
        else:
            out[row] = number
    return out, nothing, wrong, outside


def _integer(value: Any) -> int | None:
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | np.integer):
        return int(value)
    text = text_of(value).strip()
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) < _EXACT else None


def _parse(data: Values, masked: BoolArray) -> tuple[npt.NDArray[np.float64], BoolArray]:
    out, wrong = np.full(len(data), np.nan), np.zeros(len(data), bool)
    for row in np.flatnonzero(~masked):
        value = data[row]
        if not is_nothing(value):
            try:
                out[row] = float(text_of(value))
            except ValueError:
                wrong[row] = True
    return out, wrong


def _read_flags(name: str, values: Any, none: bool) -> tuple[BoolArray, Problems]:
    true, known, wrong = parse_flags(values)
    out = np.where(known, true, none)
    if not wrong.any():
        return out, []
    return out, [_error(f"{name} is neither yes nor no: {some_of(np.ma.getdata(values)[wrong])}", wrong)]


def _read_words(name: str, values: Any, column: Column) -> tuple[npt.NDArray[np.str_], Problems]:
    (data, masked), dtype = plain(values), column.numpy_dtype
    if data.dtype.kind == "S":
        data = np.char.decode(data, "utf-8", "replace")
    elif data.dtype.kind != "U":
        data = np.array(["" if value is None else text_of(value) for value in data.tolist()], str)
    data = np.char.rstrip(data) if len(data) else data.astype(dtype)  # FITS pads with spaces
    data = np.where(masked, str(column.fill), data)
    width = dtype.itemsize // 4
    long = np.char.str_len(data) > width
    problems = []
    if long.any():
        problems.append(_error(f"{name} is longer than {width} characters: {some_of(data[long])}", long))
    return data.astype(dtype), problems


def _error(reason: str, rows: BoolArray | None = None) -> Problem:
    return Problem(Severity.ERROR, reason, () if rows is None else rows_where(rows))
