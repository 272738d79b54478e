"""Fakes: hosts, populations, catalogues and ids, and their light put into pixels."""

from __future__ import annotations

__all__ = (
    "COLUMNS",
    "FLAG_BITS",
    "POPULATIONS",
    "CatalogOptions",
    "Footprint",
    "HostOptions",
    "HostedOptions",
    "HostlessOptions",
    "Hosts",
    "ImageId",
    "Injection",
    "InjectionFlag",
    "InjectionOptions",
    "empty_catalog",
    "inject",
    "make_catalog",
    "select_hosts",
)

from .catalog import make_catalog
from .hosts import Hosts, select_hosts
from .ids import ImageId
from .inject import Injection, inject
from .options import CatalogOptions, HostedOptions, HostlessOptions, HostOptions, InjectionOptions
from .schema import COLUMNS, FLAG_BITS, POPULATIONS, InjectionFlag, empty_catalog
from .sky import Footprint
