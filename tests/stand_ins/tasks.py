"""Tasks and tables of the Science Pipelines, imitated as far as `benchmarks/stack.py` uses them."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Iterator
from typing import Any

import galsim
import numpy as np
import pytest
from astropy.table import Table

from . import exposures
from .exposures import Exposure
from .geometry import Box2I, Point2D
from .modules import add_modules

_KINDS = {"D": float, "F": float, "I": int, "L": int, "Flag": bool}


class Schema:
    def __init__(self) -> None:
        self.fields = {"id": "L", "coord_ra": "D", "coord_dec": "D", "parent": "L"}
        self.aliases: dict[str, str] = {}

    def addField(self, name: str, *, type: str, doc: str) -> None:
        assert name not in self.fields and type in _KINDS and doc
        self.fields[name] = type

    def getAliasMap(self) -> Any:
        return types.SimpleNamespace(set=self.aliases.__setitem__)

    def slot(self, name: str) -> str:
        """Return the field behind ``slot_NAME…``."""
        slot = next(slot for slot in self.aliases if name.startswith(slot))
        field = self.aliases[slot] + name.removeprefix(slot)
        assert field in self.fields, f"{name} is no field"
        return field


class Record:
    def __init__(self, schema: Schema) -> None:
        self.schema, self.values = schema, {"parent": 0}
        self.footprint: Any = None

    def __setitem__(self, name: str, value: Any) -> None:
        assert type(value) is _KINDS[self.schema.fields[name]], (name, value)
        self.values[name] = value

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name, False if self.schema.fields[name] == "Flag" else np.nan)

    def setId(self, value: int) -> None:
        self["id"] = value

    def setCoord(self, place: SpherePoint) -> None:
        self["coord_ra"], self["coord_dec"] = place.ra, place.dec

    def setFootprint(self, footprint: Footprint) -> None:
        self.footprint = footprint


class SourceCatalog:
    def __init__(self, table: Schema) -> None:
        self.schema, self.records = table, list[Record]()

    def reserve(self, n: int) -> None: ...

    def addNew(self) -> Record:
        self.records.append(Record(self.schema))
        return self.records[-1]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array([record[name] for record in self.records])


@dataclasses.dataclass(frozen=True)
class SpherePoint:
    ra: float
    dec: float

    def __init__(self, ra: float, dec: float, unit: float) -> None:
        object.__setattr__(self, "ra", ra * unit)
        object.__setattr__(self, "dec", dec * unit)


@dataclasses.dataclass
class SpanSet:
    box: Box2I

    def __post_init__(self) -> None:
        assert not self.box.isEmpty()


class Footprint:
    def __init__(self, spans: SpanSet) -> None:
        self.box, self.peaks = spans.box, list[tuple[float, float, float]]()

    def addPeak(self, x: float, y: float, value: float) -> None:
        self.peaks.append((x, y, value))


class Task:
    ConfigClass: type

    def __init__(self, config: Any) -> None:
        assert isinstance(config, self.ConfigClass)
        self.config = config


class VisitInjectTask(Task):
    """Draws stars by GalSim as lsst.source_injection does; `factor` makes it wrong on purpose."""

    factor = 1.0

    @dataclasses.dataclass
    class ConfigClass:
        add_noise: bool = True
        calib_flux_radius: float = 12.0

    def run(self, catalogs: list[Table], exposure: Exposure, psf: Any, photo_calib: Any, wcs: Any) -> Any:
        assert not self.config.add_noise and photo_calib.mean == 1.0
        (catalog,) = catalogs
        assert set(catalog["source_type"]) == {"Star"}
        radians = np.radians([np.asarray(catalog["ra"]), np.asarray(catalog["dec"])])
        x, y = wcs.frames.applyInverse(radians)
        box, array = exposure.getBBox(), exposure.image.array
        whole = galsim.Image(array, xmin=box.x.min, ymin=box.y.min)
        middle = psf.computeKernelImage(psf.getAveragePosition())
        reach = np.hypot(*(np.mgrid[: len(middle), : len(middle)] - len(middle) // 2))
        norm = middle[reach <= self.config.calib_flux_radius].sum()
        for xi, yi, mag in zip(x, y, catalog["mag"], strict=True):
            kernel = psf.computeKernelImage(Point2D(xi, yi)) / norm
            star = galsim.InterpolatedImage(galsim.Image(np.ascontiguousarray(kernel)), scale=1.0)
            star *= self.factor * 10 ** (0.4 * (31.4 - mag))
            near = galsim.PositionI(int(xi // 1), int(yi // 1))
            bounds = galsim.BoundsI(near).withBorder(len(kernel) // 2) & whole.bounds
            drawn = galsim.Image(bounds)
            offset = galsim.PositionD(xi, yi) - bounds.true_center
            star.drawImage(drawn, scale=1.0, method="no_pixel", offset=offset)
            whole[bounds] += drawn
        out = catalog.copy()
        out["injection_flag"], out["injection_draw_size"] = 0, 41
        return types.SimpleNamespace(output_exposure=exposure, output_catalog=out)


class AlardLuptonSubtractTask(Task):
    """Asserts what the real one does before it begins, and chooses kernel sources as it does."""

    @dataclasses.dataclass
    class ConfigClass: ...

    def run(self, template: Exposure, science: Exposure, sources: SourceCatalog) -> Any:
        assert template.getWcs() == science.getWcs()
        assert template.getFilter().band == science.getFilter().band
        assert template.getBBox().contains(science.getBBox())
        for exposure in (template, science):
            assert np.isfinite(exposure.getPsf().getAveragePosition()).all()
        science.variance.array *= 1.01  # as ScaleVarianceTask does
        chosen = self.select(sources)
        if chosen.sum() < 3:
            raise RuntimeError(f"Only {chosen.sum()} sources were selected for PSF matching")
        for record in np.array(sources.records)[chosen]:
            assert len(record.footprint.peaks) == 1 and science.getBBox().contains(record.footprint.box)
        return types.SimpleNamespace(
            difference=science, matchedTemplate=template, kernelSources=sources, chosen=chosen
        )

    @staticmethod
    def select(sources: SourceCatalog) -> np.ndarray:
        for slot in ("slot_Centroid_x", "slot_Centroid_y", "slot_Shape_xx", "slot_PsfFlux_instFlux"):
            assert np.isfinite(sources[sources.schema.slot(slot)]).all()
        snr = sources["base_PsfFlux_instFlux"] / sources["base_PsfFlux_instFluxErr"]
        return (
            (snr > 10)
            & (snr < 500)
            & (sources["base_ClassificationSizeExtendedness_value"] < 0.1)
            & (sources["parent"] == 0)
            & (sources["deblend_nChild"] == 0)
            & sources["detect_isPrimary"].astype(bool)
        )


class Found:
    """DIA sources as a contiguous catalogue gives its columns."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def copy(self, *, deep: bool) -> Found:
        assert deep
        return self

    def __getattr__(self, name: str) -> Any:
        columns = {"getX": "x", "getY": "y", "getPsfInstFlux": "psfFlux", "getPsfInstFluxErr": "psfFluxErr"}
        if name not in columns:
            raise AttributeError(name)
        return lambda: np.asarray(self.table[columns[name]], dtype=float)


class DetectAndMeasureTask(Task):
    """Gives an answer that the test prepares."""

    answer = Table()

    @dataclasses.dataclass
    class ConfigClass: ...

    def run(
        self, science: Exposure, matchedTemplate: Exposure, difference: Exposure, kernelSources: SourceCatalog
    ) -> Any:
        assert science is not difference and science.image.array is not difference.image.array
        assert len(kernelSources)
        return types.SimpleNamespace(diaSources=Found(self.answer))


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these, and `exposures`, importable as the stack's."""
    exposures.install(monkeypatch)
    source_table = types.SimpleNamespace(makeMinimalSchema=Schema, make=lambda schema: schema)
    add_modules(
        monkeypatch,
        {
            "lsst.afw.table": {"SourceCatalog": SourceCatalog, "SourceTable": source_table},
            "lsst.source": {},
            "lsst.source.injection": {},
            "lsst.source.injection.inject_visit": {"VisitInjectTask": VisitInjectTask},
            "lsst.ip": {},
            "lsst.ip.diffim": {},
            "lsst.ip.diffim.subtractImages": {"AlardLuptonSubtractTask": AlardLuptonSubtractTask},
            "lsst.ip.diffim.detectAndMeasure": {"DetectAndMeasureTask": DetectAndMeasureTask},
        },
    )
    for module, contents in (
        ("lsst.afw.detection", {"Footprint": Footprint}),
        ("lsst.afw.geom", {"SpanSet": SpanSet}),
        ("lsst.geom", {"SpherePoint": SpherePoint, "degrees": np.pi / 180}),
    ):
        for name, value in contents.items():
            monkeypatch.setattr(sys.modules[module], name, value, raising=False)
