"""Fakes: hosts, populations, catalogues and ids, and their light put into pixels."""

from __future__ import annotations

from ._catalog import make_catalog
from ._dc2 import dc2_magnitudes, dc2_supernovae
from ._exports import SELECTION, shard, to_source_injection, to_visit_detector_fakes, trixels
from ._host_light import light_beneath
from ._hosts import Hosts, select_hosts
from ._ids import ImageId
from ._inject import Injection, inject
from ._lightcurves import WAVELENGTHS, LightCurveModel, ParametricModel
from ._losses import Losses, explain_losses
from ._merging import merge_hosts
from ._options import (
    CatalogOptions,
    FaintGridOptions,
    HostedOptions,
    HostlessOptions,
    HostOptions,
    InjectionOptions,
    MergeOptions,
    RandomOptions,
    ShardOptions,
    SupernovaOptions,
    TemplateSourceOptions,
    VariableOptions,
)
from ._schema import (
    FLAG_BITS,
    INJECTED_CATALOG,
    INJECTION_CATALOG,
    stack_catalogs,
)
from ._sky import Footprint
from ._sncosmo_model import SncosmoModel
from ._supernova_kinds import KINDS
from ._supernovae import light_curve_models
from ._validation import ValidationRules, check_fakes, require_valid

__all__ = (
    "FLAG_BITS",
    "INJECTED_CATALOG",
    "INJECTION_CATALOG",
    "KINDS",
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
    "InjectionOptions",
    "LightCurveModel",
    "Losses",
    "MergeOptions",
    "ParametricModel",
    "RandomOptions",
    "ShardOptions",
    "SncosmoModel",
    "SupernovaOptions",
    "TemplateSourceOptions",
    "ValidationRules",
    "VariableOptions",
    "check_fakes",
    "dc2_magnitudes",
    "dc2_supernovae",
    "explain_losses",
    "inject",
    "light_beneath",
    "light_curve_models",
    "make_catalog",
    "merge_hosts",
    "require_valid",
    "select_hosts",
    "shard",
    "stack_catalogs",
    "to_source_injection",
    "to_visit_detector_fakes",
    "trixels",
)
