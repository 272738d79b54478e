"""Fields of classes of options: how they are declared, and how values are read and checked."""

from __future__ import annotations

__all__ = ("Entry", "option")

import dataclasses
import math
import numbers
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidInputError

_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}
_SCALARS = {float: numbers.Real, int: numbers.Integral}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclasses.dataclass(frozen=True)
class _Limits:
    doc: str
    min: float | None
    max: float | None
    above: float | None
    below: float | None
    choices: tuple[str, ...]
    fewest: int
    ascending: bool


def option(
    default: Any,
    doc: str,
    *,
    min: float | None = None,
    max: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Iterable[str] = (),
    fewest: int = 0,
    ascending: bool = False,
) -> Any:
    """Declare a field of a class of options.

    Parameters
    ----------
    default
        Its default; a class of options stands for that class with all its defaults.
    doc
        What it means, with its unit.
    min, max
        Least and largest value, of each item where the field is a list.
    above, below
        Bounds that are not values themselves.
    choices
        The only texts allowed.
    fewest
        How many items a list has at least.
    ascending
        Whether the items of a list must not fall, as those of a range.

    Returns
    -------
    dataclasses.Field
        What the class body of a dataclass needs.
    """
    limits = _Limits(doc, min, max, above, below, tuple(choices), fewest, ascending)
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata={"limits": limits})
    return dataclasses.field(default=default, metadata={"limits": limits})


@dataclasses.dataclass(frozen=True)
class Entry:
    """A field of a class of options: what it is called, means and may be.

    Parameters
    ----------
    owner
        Name of the class.
    name
        Name of the field.
    default
        Its default.
    kind
        ``bool``, ``int``, ``float``, ``str`` or a class of options; of a list, that of its items.
    is_optional
        Whether `None` is allowed.
    length
        `None` for a single value, 0 for a list of any length, else the length of the list.
    limits
        As declared by `option`.
    """

    owner: str
    name: str
    default: Any
    kind: type[Any]
    is_optional: bool
    length: int | None
    limits: _Limits

    @property
    def doc(self) -> str:
        """What the field means."""
        return self.limits.doc

    @property
    def is_nested(self) -> bool:
        """Whether the value is an instance of another class of options."""
        return dataclasses.is_dataclass(self.kind)

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        if self.is_nested:
            return f"{self.kind.__name__}"
        if self.limits.choices:
            one = "one of " + ", ".join(repr(choice) for choice in self.limits.choices)
        else:
            one = _NOUNS[self.kind]
        if self.length is not None:
            count = "a list of" if self.length == 0 else f"{self.length}"
            if self.limits.fewest:
                count = f"a list of at least {self.limits.fewest}"
            one = f"{count} {_PLURALS[self.kind]}"
        if bounds := self._bounds():
            one += f" {bounds}"
        if self.limits.ascending:
            one += ", lowest first"
        return one + (" or none" if self.is_optional else "")

    def _bounds(self) -> str:
        low, high = self.limits.min, self.limits.max
        if low is not None and high is not None:
            return f"from {low:g} to {high:g}"
        words = {
            "of at least": low,
            "above": self.limits.above,
            "of at most": high,
            "below": self.limits.below,
        }
        return " and ".join(f"{word} {bound:g}" for word, bound in words.items() if bound is not None)

    def read(self, value: Any) -> Any:
        """Return a value as it is kept.

        Parameters
        ----------
        value
            Anything; a single item stands for a list of one, or for a range without width.

        Returns
        -------
        object
            The value as a plain Python one, lists as tuples.

        Raises
        ------
        InvalidInputError
            If it is not allowed.
        """
        if value is None and self.is_optional:
            return None
        if self.is_nested:
            if not isinstance(value, self.kind):
                self._refuse(value)
            return value
        if self.length is None:
            return self._one(value, value)
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            value = (value,) * max(self.length, 1)
        items = tuple(self._one(item, value) for item in value)
        if (self.length and len(items) != self.length) or len(items) < self.limits.fewest:
            self._refuse(value)
        if self.limits.ascending and list(items) != sorted(items):
            self._refuse(value)
        return items

    def parse(self, text: str) -> Any:
        """Read a value from text, as the command line gives it; items of lists are separated by commas.

        Parameters
        ----------
        text
            The text.

        Returns
        -------
        object
            The value.

        Raises
        ------
        InvalidInputError
            If it is not allowed.
        """
        if self.is_nested:
            raise InvalidInputError(f"{self.name} is a group of options: name one of them, as {self.name}.X")
        if self.is_optional and text.strip().lower() in ("", "none"):
            return None
        if self.length is None:
            return self.read(self._parse_one(text, text))
        items = [self._parse_one(part, text) for part in text.split(",")] if text.strip() else []
        return self.read(items[0] if len(items) == 1 else items)

    def _parse_one(self, text: str, whole: str) -> Any:
        if self.kind is str:
            return text
        if self.kind is bool:
            return _TRUTHS.get(text.strip().lower(), text)
        try:
            return self.kind(text)
        except ValueError:
            self._refuse(whole)

    def _one(self, item: Any, whole: Any) -> Any:
        if not isinstance(item, str | bool | int | float) and hasattr(item, "item"):
            item = item.item()  # a scalar of numpy
        if self.kind in (bool, str):
            good = isinstance(item, self.kind)
        else:
            good = isinstance(item, _SCALARS[self.kind]) and not isinstance(item, bool)
        if not good or (self.limits.choices and item not in self.limits.choices):
            self._refuse(whole)
        if self.kind in (bool, str):
            return item
        number = self.kind(item)
        limits = self.limits
        if (
            not math.isfinite(number)
            or (limits.min is not None and number < limits.min)
            or (limits.max is not None and number > limits.max)
            or (limits.above is not None and number <= limits.above)
            or (limits.below is not None and number >= limits.below)
        ):
            self._refuse(whole)
        return number

    def _refuse(self, value: Any) -> typing.NoReturn:
        raise InvalidInputError(f"{self.owner}.{self.name} must be {self.allowed}; got {value!r}")
