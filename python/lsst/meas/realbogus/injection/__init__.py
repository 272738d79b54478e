"""Fakes: hosts, populations, catalogues and ids, and their light put into pixels."""

from __future__ import annotations

__all__ = (
    "COLUMNS",
    "FLAG_BITS",
    "KINDS",
    "POPULATIONS",
    "SELECTION",
    "WAVELENGTHS",
    "CatalogOptions",
    "FaintGridOptions",
    "Footprint",
    "HostOptions",
    "HostedOptions",
    "HostlessOptions",
    "Hosts",
    "ImageId",
    "Injection",
    "InjectionFlag",
    "InjectionOptions",
    "LightCurveModel",
    "ParametricModel",
    "Problem",
    "RandomOptions",
    "Severity",
    "SncosmoModel",
    "SupernovaOptions",
    "TemplateOptions",
    "ValidationRules",
    "VariableOptions",
    "check_catalog",
    "dc2_supernovae",
    "empty_catalog",
    "inject",
    "light_curve_models",
    "make_catalog",
    "merge_hosts",
    "read_dc2_truth",
    "read_table",
    "require_valid",
    "select_hosts",
    "shard",
    "stack_catalogs",
    "to_source_injection",
    "to_visit_detector_fakes",
    "trixels",
    "write_table",
)

from .catalog import make_catalog
from .dc2 import dc2_supernovae, read_dc2_truth
from .exports import SELECTION, shard, to_source_injection, to_visit_detector_fakes, trixels
from .hosts import Hosts, select_hosts
from .ids import ImageId
from .inject import Injection, inject
from .lightcurves import WAVELENGTHS, LightCurveModel, ParametricModel
from .merging import merge_hosts
from .options import (
    CatalogOptions,
    FaintGridOptions,
    HostedOptions,
    HostlessOptions,
    HostOptions,
    InjectionOptions,
    RandomOptions,
    SupernovaOptions,
    TemplateOptions,
    VariableOptions,
)
from .schema import COLUMNS, FLAG_BITS, POPULATIONS, InjectionFlag, empty_catalog, stack_catalogs
from .sky import Footprint
from .sncosmo_model import SncosmoModel
from .supernova_kinds import KINDS
from .supernovae import light_curve_models
from .tables import read_table, write_table
from .validation import Problem, Severity, ValidationRules, check_catalog, require_valid
