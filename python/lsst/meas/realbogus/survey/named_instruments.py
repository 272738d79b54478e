"""Instruments of ingested images: every attribute of this module is an instrument of that name.

A repository's ``instrument`` record names a class that must be importable. Images may be ingested for any
instrument, so ``lsst.meas.realbogus.survey.named_instruments.DECam``, or any other name, makes the class when
it is asked for.

Examples
--------
>>> from lsst.meas.realbogus.survey import named_instruments
>>> named_instruments.DECam.getName()
'DECam'
"""

from __future__ import annotations

__all__ = ("instrument_class",)

import re
from functools import cache

from lsst.meas.realbogus.errors import InvalidInputError

from .instrument import FlexibleInstrument, RealBogusCam

_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")


@cache
def instrument_class(name: str) -> type[FlexibleInstrument]:
    """Return the class of the instrument of a name.

    Parameters
    ----------
    name
        Letters, digits and underscores, beginning with a capital letter.

    Raises
    ------
    InvalidInputError
        If it is not such a name.
    """
    if name == RealBogusCam.getName():
        return RealBogusCam
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"an instrument's name must be letters, digits and underscores, a capital first; got {name!r}"
        )

    def get_name(cls: type[FlexibleInstrument]) -> str:
        return name

    return type(
        name,
        (FlexibleInstrument,),
        {
            "__doc__": f"The instrument {name}, of which calibrated images were ingested.",
            "__module__": __name__,
            "__qualname__": name,
            "getName": classmethod(get_name),
        },
    )


def __getattr__(name: str) -> type[FlexibleInstrument]:
    if not _NAME.fullmatch(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return instrument_class(name)
