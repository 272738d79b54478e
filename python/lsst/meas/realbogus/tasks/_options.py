"""Task configuration made from the rooms' option classes, so that a default is written once."""

from __future__ import annotations

__all__ = ("config_class", "to_options")

import dataclasses
import typing
from typing import Any

from lsst.pex.config import ChoiceField, Config, ConfigField, Field, ListField, RangeField


def config_class(options: type[Any]) -> type[Config]:
    """Make a configuration class with a field for each field of a dataclass of options.

    Parameters
    ----------
    options
        Dataclass whose fields carry ``doc`` and perhaps ``choices``, ``min`` and ``max`` in their metadata;
        fields that are such dataclasses themselves become nested configurations.

    Returns
    -------
    type
        Subclass of `lsst.pex.config.Config`.
    """
    hints = typing.get_type_hints(options)
    fields = {field.name: _config_field(field, hints[field.name]) for field in dataclasses.fields(options)}
    doc = options.__doc__
    return type(options.__name__.replace("Options", "OptionsConfig"), (Config,), {"__doc__": doc, **fields})


def to_options[T](config: Config, options: type[T]) -> T:
    """Turn a configuration back into the options it was made from."""
    hints = typing.get_type_hints(options)
    values = {}
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        value, hint = getattr(config, field.name), hints[field.name]
        if dataclasses.is_dataclass(hint):
            value = to_options(value, typing.cast(type[Any], hint))
        elif typing.get_origin(hint) is tuple:
            value = tuple(value)
        values[field.name] = value
    return options(**values)


def _config_field(field: dataclasses.Field[Any], hint: Any) -> Any:
    doc = field.metadata["doc"]
    if dataclasses.is_dataclass(hint):
        return ConfigField(doc=doc, dtype=config_class(typing.cast(type[Any], hint)))
    if typing.get_origin(hint) is tuple:
        return ListField(
            doc=doc, dtype=typing.get_args(hint)[0], default=list(typing.cast(tuple[Any, ...], field.default))
        )
    if "choices" in field.metadata:
        choices = {choice: choice for choice in field.metadata["choices"]}
        return ChoiceField(doc=doc, dtype=str, allowed=choices, default=field.default)
    limits = {k: field.metadata[k] for k in ("min", "max") if k in field.metadata}
    if limits:
        return RangeField(doc=doc, dtype=hint, default=field.default, inclusiveMax=True, **limits)
    return Field(doc=doc, dtype=hint, default=field.default)
