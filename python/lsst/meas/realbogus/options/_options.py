"""Classes of options, and how their values are changed."""

from __future__ import annotations

__all__ = ("Options", "entries", "from_settings")

import dataclasses
import difflib
import functools
import inspect
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from ..errors import InvalidInputError
from ._entry import Entry


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
    >>> from lsst.meas.realbogus.options import option
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
