"""Task configurations made from classes of options, so that defaults and limits are written once."""

from __future__ import annotations

__all__ = ("config_class", "to_options", "with_options")

from collections.abc import Callable
from typing import Any

from lsst.pex.config import Config, ConfigField, Field, FieldValidationError, ListField

from ..errors import InvalidInputError
from ..options import Entry, Options, entries


class _OptionField(Field[Any]):
    """A single value, refused in the words of the option."""

    def __init__(self, entry: Entry) -> None:
        doc = f"{entry.doc} ({entry.allowed})"
        super().__init__(doc=doc, dtype=entry.kind, default=entry.default, optional=entry.is_optional)
        self.entry = entry

    def __set__(self, instance: Config, value: Any, at: Any = None, label: str = "assignment") -> None:
        super().__set__(instance, _read(self, instance, value), at, label)


class _OptionListField(ListField[Any]):
    """A list, refused in the words of the option."""

    def __init__(self, entry: Entry) -> None:
        doc = f"{entry.doc} ({entry.allowed})"
        default = None if entry.default is None else list(entry.default)
        super().__init__(doc=doc, dtype=entry.kind, default=default, optional=entry.is_optional)
        self.entry = entry

    def __set__(self, instance: Config, value: Any, at: Any = None, label: str = "assignment") -> None:
        super().__set__(instance, _read(self, instance, value), at, label)


def _read(field: _OptionField | _OptionListField, instance: Config, value: Any) -> Any:
    if value is None:  # a missing value is refused when the configuration is validated
        return None
    try:
        return field.entry.read(value)
    except InvalidInputError as error:
        raise FieldValidationError(field, instance, str(error)) from error


def config_class(options: type[Options]) -> type[Config]:
    """Make a configuration class with a field for each option.

    Parameters
    ----------
    options
        Class of options; those nested in it become nested configurations.

    Returns
    -------
    type
        Subclass of `lsst.pex.config.Config`.
    """
    return with_options(options)(type(f"{options.__name__}Config", (Config,), {"__doc__": options.__doc__}))


def with_options[C: Config](*options: type[Options]) -> Callable[[type[C]], type[C]]:
    """Give a configuration class a field for each option.

    Parameters
    ----------
    *options
        Classes of options, without names in common.

    Returns
    -------
    callable
        Decorator of configuration classes. Validation makes the options once, so that rules between fields
        are checked too.
    """

    def decorate(config: type[C]) -> type[C]:
        for entry in (entry for each in options for entry in entries(each)):
            if hasattr(config, entry.name):
                raise TypeError(f"{config.__name__} has a field {entry.name} already")
            setattr(config, entry.name, _config_field(entry))
        validate = config.validate

        def validate_options(self: C) -> None:
            """Check the fields, and the rules between options."""
            validate(self)
            for each in options:
                to_options(self, each)

        config.validate = validate_options  # type: ignore[assignment, method-assign]
        return config

    return decorate


def to_options[T: Options](config: Config, options: type[T]) -> T:
    """Turn a configuration, or some of its fields, into the options they were made from.

    Parameters
    ----------
    config
        Configuration with a field for each option.
    options
        Class of the options.

    Returns
    -------
    Options
        The options.
    """
    values = {}
    for entry in entries(options):
        value = getattr(config, entry.name)
        values[entry.name] = to_options(value, entry.kind) if entry.is_nested else value
    return options(**values)


def _config_field(entry: Entry) -> Field[Any]:
    if entry.is_nested:
        return ConfigField(doc=entry.doc, dtype=config_class(entry.kind))
    return _OptionField(entry) if entry.length is None else _OptionListField(entry)
