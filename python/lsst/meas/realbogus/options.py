"""Options: frozen classes whose fields carry their meaning and their limits, checked whenever one is made.

A class of options is the only place where a default, its meaning and its limits are written. Task
configurations, settings on the command line (``NAME=VALUE``), YAML files and the table in ``doc/options.md``
are made from it, so that all of them refuse the same values with the same words.
"""

from __future__ import annotations

__all__ = ("Entry", "Options", "entries", "from_settings", "option")

import dataclasses
import difflib
import functools
import inspect
import math
import numbers
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from .errors import InvalidInputError

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
        return issubclass(self.kind, Options)

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


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of all classes of options.

    Subclasses are frozen dataclasses whose fields are all made by `option`. The class argument ``ordered``
    holds pairs of names of fields, of which the first must not be larger than the second; rules of another
    kind go into `check`.

    Raises
    ------
    InvalidInputError
        If a value is not allowed, with class, field, value and what is.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Rain(Options, ordered=[("least", "most")]):
    ...     least: float = option(0.0, "Least rain [mm].", min=0.0)
    ...     most: float = option(9.0, "Most rain [mm].", min=0.0)
    >>> Rain(least=1).most
    9.0
    >>> Rain(least=10)
    Traceback (most recent call last):
    lsst.meas.realbogus.errors.InvalidInputError: Rain.least must not be above most, 9.0; got 10.0
    >>> from_settings(Rain(), ["most=-1"])
    Traceback (most recent call last):
    lsst.meas.realbogus.errors.InvalidInputError: Rain.most must be a number of at least 0; got -1.0
    """

    ordered: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of fields of which the first is not above the second."""

    def __init_subclass__(cls, *, ordered: Iterable[tuple[str, str]] = ()) -> None:
        super().__init_subclass__()
        cls.ordered = (*cls.ordered, *ordered)
        cls.__doc__ = _described(cls)

    def __post_init__(self) -> None:
        for entry in entries(type(self)):
            object.__setattr__(self, entry.name, entry.read(getattr(self, entry.name)))
        for low, high in self.ordered:
            first, second = getattr(self, low), getattr(self, high)
            if first > second:
                raise InvalidInputError(
                    f"{type(self).__name__}.{low} must not be above {high}, {second!r}; got {first!r}"
                )
        self.check()

    def check(self) -> None:
        """Check what the limits of the fields and their order cannot say; see `refuse`."""

    def refuse(self, name: str, allowed: str) -> typing.NoReturn:
        """Refuse the value of a field.

        Parameters
        ----------
        name
            The field.
        allowed
            What it must be.

        Raises
        ------
        InvalidInputError
            Always.
        """
        raise InvalidInputError(
            f"{type(self).__name__}.{name} must be {allowed}; got {getattr(self, name)!r}"
        )

    def replace(self, **values: Any) -> Self:
        """Return a copy with other values.

        Parameters
        ----------
        **values
            Values by name; those of nested options may be mappings in turn.

        Returns
        -------
        Options
            The copy.

        Raises
        ------
        InvalidInputError
            If a name is unknown or a value is not allowed.
        """
        new = {}
        for name, value in values.items():
            entry = _find(type(self), name, name)
            if entry.is_nested and isinstance(value, Mapping):
                value = getattr(self, name).replace(**value)
            new[name] = value
        return dataclasses.replace(self, **new)


def entries(options: type[Options]) -> tuple[Entry, ...]:
    """Return the fields of a class of options.

    Parameters
    ----------
    options
        The class.

    Returns
    -------
    tuple of Entry
        In order of declaration.
    """
    return _entries(typing.cast(Any, options))


def _described(options: type[Options]) -> str:
    """Return the docstring of a class with its fields, which need not be written twice."""
    fields = {
        name: value
        for parent in reversed(options.__mro__)
        for name, value in vars(parent).get("__dataclass_fields__", vars(parent)).items()
        if isinstance(value, dataclasses.Field) and "limits" in value.metadata
    }
    lines = [inspect.cleandoc(options.__doc__ or ""), "", "Parameters", "----------"]
    for name, value in fields.items():
        lines += [name, f"    {value.metadata['limits'].doc}"]
    return "\n".join(lines)


@functools.cache
def _entries(options: Any) -> tuple[Entry, ...]:
    hints = typing.get_type_hints(options)
    return tuple(_entry(options.__name__, field, hints[field.name]) for field in dataclasses.fields(options))


def _entry(owner: str, field: dataclasses.Field[Any], hint: Any) -> Entry:
    default = field.default if field.default is not dataclasses.MISSING else field.default_factory
    is_optional, length = False, None
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in hint.__args__ if part is not types.NoneType)
        is_optional = True
    if typing.get_origin(hint) is tuple:
        hint, *others = typing.get_args(hint)
        length = 0 if others == [...] else 1 + len(others)
    return Entry(owner, field.name, default, hint, is_optional, length, field.metadata["limits"])


def _find(options: type[Options], name: str, path: str) -> Entry:
    known = {entry.name: entry for entry in entries(options)}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise InvalidInputError(f"there is no option {path}; {hint}{options.__name__} has {', '.join(known)}")


def from_settings[T: Options](options: T, settings: Iterable[str]) -> T:
    """Change options by settings as the command line has them.

    Parameters
    ----------
    options
        What holds where no setting says otherwise.
    settings
        Texts such as ``hosted.fraction=0.1``.

    Returns
    -------
    Options
        Changed copy. All settings are applied before rules between fields are checked.

    Raises
    ------
    InvalidInputError
        If a setting names no option or its value is not allowed.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise InvalidInputError(f"settings are NAME=VALUE; got {setting!r}")
        *groups, name = path.strip().split(".")
        kind: type[Options] = type(options)
        level = values
        for group in groups:
            entry = _find(kind, group, path)
            if not entry.is_nested:
                raise InvalidInputError(f"there is no option {path}: {entry.owner}.{group} is a single one")
            kind, level = entry.kind, level.setdefault(group, {})
        level[name] = _find(kind, name, path).parse(text)
    return options.replace(**values)
