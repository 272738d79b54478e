"""Rubin's pipelines and tasks as far as pipelines are wired, for where the stack is not installed.

What they hold is in ``data/wiring/rubin.json``. Where a module of the stack can be imported, it is used.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import importlib.util
import json
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import astropy.units as u
import pytest
import yaml
from astropy.time import Time
from lsst.daf.butler import (
    Butler,
    DataCoordinate,
    DatasetRef,
    DatasetType,
    Timespan,
)
from lsst.pex.config import Config, Field
from lsst.pipe.base import (
    Instrument,
    Pipeline,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    connectionTypes,
)
from lsst.pipe.base.pipeline_graph import PipelineGraph
from lsst.pipe.base.pipelineIR import ConfigIR
from lsst.pipe.base.single_quantum_executor import SingleQuantumExecutor
from lsst.pipe.base.tests.in_memory_limited_butler import InMemoryLimitedButler
from lsst.pipe.base.tests.mocks import (
    InMemoryRepo,
    MockDataset,
    MockStorageClass,
    get_original_name,
    mock_pipeline_graph,
)
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d
from lsst.utils.doImport import doImportType

from .modules import forget_storage_classes

_CONNECTIONS = {
    "inputs": connectionTypes.Input,
    "prerequisiteInputs": connectionTypes.PrerequisiteInput,
    "outputs": connectionTypes.Output,
    "initInputs": connectionTypes.InitInput,
    "initOutputs": connectionTypes.InitOutput,
}
_INSTRUMENTS = {
    "lsst.obs.subaru.HyperSuprimeCam": "HSC",
    "lsst.obs.decam.DarkEnergyCamera": "DECam",
    "lsst.obs.lsst.LsstCam": "LSSTCam",
    "lsst.obs.lsst.LsstComCam": "LSSTComCam",
    "lsst.obs.lsst.LsstCamImSim": "LSSTCam-imSim",
}
# Files of the same wiring as another.
_COPIES = {
    "drp_pipe/HSC/DRP-RC2_subset": "drp_pipe/HSC/DRP-RC2",
    "drp_pipe/LSSTCam-imSim/DRP": "drp_pipe/LSSTCam-imSim/DRP-test-med-1",
    "drp_pipe/LSSTComCam/DRP": "drp_pipe/_ingredients/DRP-minimal-calibration",
    "drp_pipe/DECam/DRP-Merian": "drp_pipe/_ingredients/DRP-minimal-calibration",
}
# Of first-generation pipelines the file lists this task without connections: names of drp_tasks 026da71.
_LEGACY = {
    "reprocessVisitImage": (
        "lsst.drp.tasks.reprocess_visit_image.ReprocessVisitImageTask",
        0,
        {
            "exposures": "postISRCCD",
            "exposure": "pvi",
            "sources": "sources_detector",
            "sources_footprints": "sources_footprints_detector",
            "background": "pvi_background",
            "background_1": "initial_pvi_background",
            "calib_sources": "finalized_src_table",
            "visit_summary": "finalVisitSummary",
        },
    )
}
_IMAGE_MAKERS = ("calibrateImage", "reprocessVisitImage")
# Types of datasets whose conversions the middleware looks at, by their bases.
_AFW = {
    "lsst.afw.image": {
        "Exposure": (),
        "ExposureF": ("Exposure",),
        "MaskedImage": (),
        "MaskedImageF": ("MaskedImage",),
    },
    "lsst.afw.table": {
        "Catalog": (),
        "BaseCatalog": ("Catalog",),
        "SimpleCatalog": ("Catalog",),
        "SourceCatalog": ("Catalog",),
        "ExposureCatalog": ("Catalog",),
    },
}


PRODUCTS = {"ap_pipe": "AP_PIPE_DIR", "drp_pipe": "DRP_PIPE_DIR"}


@functools.cache
def wiring() -> dict[str, Any]:
    """Read the connections of Rubin's tasks and their pipelines."""
    path = Path(__file__).parents[1] / "data" / "wiring" / "rubin.json"
    # A reference catalogue's pixels are those that it is registered with.
    found: dict[str, Any] = json.loads(path.read_text().replace('"skypix"', '"htm7"'))
    return found


def pipelines_of(product: str) -> dict[str, dict[str, Any]]:
    """Return the pipelines of ap_pipe or drp_pipe by the name of their file."""
    known: dict[str, Any] = wiring()["pipelines"]
    names = {name: name for name in known} | _COPIES
    found = {}
    for name, source in names.items():
        record = known[source]
        base = known[record["like"]] if "like" in record else {}
        tasks = base.get("tasks", {}) | record["tasks"]
        if "rbClassify" in tasks:
            tasks |= _LEGACY
        whole = base | record | {"tasks": tasks}
        if name.startswith(f"{product}/"):
            found[name.removeprefix(f"{product}/")] = whole
    return found


def write_products(folder: Path) -> dict[str, Path]:
    """Write the pipelines of ap_pipe and drp_pipe, and return the variables that point at them."""
    for product in PRODUCTS:
        for name, record in pipelines_of(product).items():
            path = folder / product / "pipelines" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(_pipeline(f"{product}/{name}", record), sort_keys=False))
    return {variable: folder / product for product, variable in PRODUCTS.items()}


def _pipeline(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    tasks = {}
    for label, (task, variant, names) in record["tasks"].items():
        rows = wiring()["classes"][task][variant]["connections"]
        datasets = {connection: dataset for _, connection, dataset, *_ in rows} | names
        config = {f"connections.{connection}": dataset for connection, dataset in datasets.items()}
        tasks[label] = {"class": task, "config": ({"variant": variant} if variant else {}) | config}
    content: dict[str, Any] = {"description": f"Stand-in for {name}.", "tasks": tasks}
    if record.get("instrument"):
        content["instrument"] = record["instrument"]
    content["parameters"] = record.get("parameters", {})
    content["subsets"] = {k: {"subset": v} for k, v in record.get("subsets", {}).items()}
    if record.get("steps"):
        content["steps"] = record["steps"]
    content["contracts"] = list(_contracts(record["tasks"], images=name.startswith("ap_pipe")))
    return content


def _contracts(tasks: Mapping[str, Any], *, images: bool) -> Iterator[dict[str, str]]:
    """Say of every dataset that one task writes and another reads that they mean the same, as theirs do.

    Those of drp_pipe say nothing of science images, so that injection can come in between.
    """
    writers, readers = {}, []
    for label, (task, variant, names) in tasks.items():
        for kind, connection, dataset, *_ in wiring()["classes"][task][variant]["connections"]:
            name = f"{label}.connections.ConnectionsClass(config={label}).{connection}.name"
            if kind == "outputs" and (images or label not in _IMAGE_MAKERS):
                writers[names.get(connection, dataset)] = name
            elif kind == "inputs":
                readers.append((names.get(connection, dataset), name))
    for dataset, reader in readers:
        if dataset in writers:
            yield {"contract": f"{writers[dataset]} == {reader}", "msg": f"{dataset} is called otherwise"}


class _Anything:
    """Part of a configuration of which nothing is known; contracts about it hold."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __ge__(self, other: object) -> bool:
        return True

    def __contains__(self, item: object) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self.__dict__[name] = _Anything()
        return value

    def __getitem__(self, name: Any) -> Any:
        return self.__getattr__(str(name))


class _Connections(PipelineTaskConnections, dimensions=()):
    """Connections of one variant of a task."""

    variants: Any = ()

    def __init__(self, *, config: Any = None) -> None:
        variant = type(self).variants[config.variant]
        rows = {row[1]: row for row in variant["connections"]}
        self.dimensions.clear()
        self.dimensions.update(variant["dimensions"])
        for name, connection in list(self.allConnections.items()):
            if name not in rows:
                delattr(self, name)
            elif connection.storageClass != rows[name][3] or set(
                getattr(connection, "dimensions", ())
            ) != set(rows[name][4]):
                changes: dict[str, Any] = {"storageClass": rows[name][3]}
                if hasattr(connection, "dimensions"):
                    changes["dimensions"] = frozenset(rows[name][4])
                setattr(self, name, dataclasses.replace(connection, **changes))


def _connection(
    kind: str, dataset: str, storage: str, dimensions: list[str], multiple: bool, minimum: int
) -> Any:
    options: dict[str, Any] = {"name": dataset, "storageClass": storage, "doc": "as the real task's"}
    if not kind.startswith("init"):
        options |= {"dimensions": frozenset(dimensions), "multiple": multiple}
    if kind in ("inputs", "prerequisiteInputs"):
        options["minimum"] = minimum
    return _CONNECTIONS[kind](**options)


def _task_class(path: str, variants: list[dict[str, Any]]) -> type[PipelineTask]:
    name = path.rpartition(".")[2]
    attributes: dict[str, Any] = {"variants": variants}
    for variant in reversed(variants):
        for kind, connection, *rest in variant["connections"]:
            attributes[connection] = _connection(kind, *rest)
    connections = types.new_class(
        f"{name}Connections",
        (_Connections,),
        {
            "dimensions": tuple(variants[0]["dimensions"]),
            "defaultTemplates": {
                template: default for template, default in _TEMPLATES.items() if template not in attributes
            },
        },
        lambda namespace: [namespace.__setitem__(*item) for item in attributes.items()],
    )

    def setattr_(self: Any, attribute: str, value: Any, *args: Any, **kwargs: Any) -> None:
        if attribute in self._fields or attribute.startswith("_"):
            Config.__setattr__(self, attribute, value, *args, **kwargs)
        else:
            self.__dict__[attribute] = value

    def getattr_(self: Any, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        value = self.__dict__[attribute] = _Anything()
        return value

    config = types.new_class(
        f"{name}Config",
        (PipelineTaskConfig,),
        {"pipelineConnections": connections},
        lambda namespace: namespace.update(
            {
                "variant": Field[int](doc="Which of the configurations seen.", default=0),
                "__setattr__": setattr_,
                "__getattr__": getattr_,
            }
        ),
    )
    return type(
        name,
        (PipelineTask,),
        {"ConfigClass": config, "_DefaultName": name, "__module__": path.rpartition(".")[0]},
    )


# Templates of names that Rubin's YAML sets; the names are resolved in the file.
_TEMPLATES = {
    "coaddName": "goodSeeing",
    "fakesType": "",
    "catalogType": "goodSeeing",
    "inputName": "",
    "outputName": "",
    "injection_prefix": "injection_",
    "injected_prefix": "injected_",
}


def _is_missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except (ImportError, ValueError):
        return True


def stand_in_modules() -> dict[str, types.ModuleType]:
    """Make the modules of the stack that are not installed, with the classes that pipelines name."""
    modules: dict[str, types.ModuleType] = {}

    def put(path: str, value: Any) -> None:
        module, _, name = path.rpartition(".")
        parents = module.split(".")
        for i in range(2, len(parents) + 1):
            parent = ".".join(parents[:i])
            if parent not in modules and parent not in sys.modules:
                modules[parent] = types.ModuleType(parent)
                modules[parent].__path__ = []  # a package
        if module in modules:
            setattr(modules[module], name, value)

    missing = {path: _is_missing(path.rpartition(".")[0]) for path in wiring()["classes"]}
    for path, variants in wiring()["classes"].items():
        if missing[path]:
            put(path, _task_class(path, variants))
    for path, name in _INSTRUMENTS.items():
        if _is_missing(path.rpartition(".")[0]):
            methods = {
                "getName": classmethod(lambda cls, name=name: name),
                "getRawFormatter": lambda self, data_id: None,
                "register": lambda self, registry, *, update=False: None,
            }
            put(path, type(path.rpartition(".")[2], (Instrument,), methods))
    for module, classes in _AFW.items():
        if _is_missing(module):
            made: dict[str, type] = {}
            for name, bases in classes.items():
                made[name] = type(name, tuple(made[base] for base in bases), {"__module__": module})
                put(f"{module}.{name}", made[name])
            for name in ("asAstropy",):
                if "Catalog" in made:
                    setattr(made["Catalog"], name, lambda self: None)
    return modules


@pytest.fixture(scope="module")
def stand_in_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let pipelines find Rubin's, and tasks of Rubin's that are not installed be stand-ins."""
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_in_modules().items():
            patch.setitem(sys.modules, name, module)
        for name, path in write_products(tmp_path_factory.mktemp("products")).items():
            patch.setenv(name, str(path))
        forget_storage_classes(patch)
        yield


def fit(pipeline: Pipeline, record: Mapping[str, Any]) -> None:
    """Take from the configuration of tasks that are not installed what stand-ins have no place for.

    Names of datasets stay; those that the files leave to the tasks are as the real tasks gave them.
    """
    for label, task in pipeline._pipelineIR.tasks.items():
        config_class = doImportType(task.klass).ConfigClass
        if not issubclass(config_class, PipelineTaskConfig) or not hasattr(config_class, "variant"):
            continue
        known = {f"connections.{name}" for name in config_class.ConnectionsClass.allConnections}
        known |= {f"connections.{name}" for name in _TEMPLATES}
        names = {}
        if label in record["tasks"]:
            task_class, variant, changed = record["tasks"][label]
            rows = wiring()["classes"][task_class][variant]["connections"]
            names = {f"connections.{name}": dataset for _, name, dataset, *_ in rows}
            names |= {f"connections.{name}": dataset for name, dataset in changed.items()}
        for config in task.config or ():
            config.python, config.file = None, [path for path in config.file if "REALBOGUS" in path]
            names |= {key: value for key, value in config.rest.items() if "." not in key or key in known}
        task.config = [
            ConfigIR(rest=names, file=[path for config in task.config or () for path in config.file])
        ]


def _box(ra: float, dec: float, width: float) -> ConvexPolygon:
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    points = [LonLat.fromDegrees(ra + width * i / 2, dec + width * j / 2) for i, j in corners]
    return ConvexPolygon([UnitVector3d(point) for point in points])


def add_sky(butler: Butler) -> None:
    """Put one visit of two detectors, and a tract of one patch around it, into a registry."""
    registry = butler.registry
    noon = Time("2026-01-01T12:00:00", scale="tai")
    night = Timespan(noon + 8 * u.hour, noon + 8.1 * u.hour)
    camera = {"instrument": "Camera"}
    picture = camera | {"id": 1, "physical_filter": "r", "day_obs": 20260101, "exposure_time": 30.0}
    picture |= {"timespan": night, "seq_num": 1, "target_name": "", "science_program": ""}
    detectors = (0,)
    records: dict[str, list[dict[str, Any]]] = {
        "instrument": [
            {
                "name": "Camera",
                "visit_max": 10,
                "exposure_max": 10,
                "detector_max": 2,
                "class_name": "x.Camera",
            }
        ],
        "detector": [camera | {"id": n, "full_name": f"D{n}", "purpose": "SCIENCE"} for n in detectors],
        "physical_filter": [camera | {"name": "r", "band": "r"}],
        "day_obs": [camera | {"id": 20260101, "timespan": Timespan(noon, noon + 1 * u.day)}],
        "group": [camera | {"name": "1"}],
        "exposure": [picture | {"obs_id": "1", "group": "1", "observation_type": "science"}],
        "visit": [picture | {"name": "1", "region": _box(10.1, 0, 0.4)}],
        "visit_definition": [camera | {"exposure": 1, "visit": 1}],
        "visit_detector_region": [
            camera | {"visit": 1, "detector": n, "region": _box(10.0 + 0.2 * n, 0, 0.2)} for n in detectors
        ],
        "skymap": [{"name": "sky", "hash": b"0" * 20, "tract_max": 1, "patch_nx_max": 1, "patch_ny_max": 1}],
        "tract": [{"skymap": "sky", "id": 0, "region": _box(10.1, 0, 1.0)}],
        "patch": [
            {"skymap": "sky", "tract": 0, "id": 0, "cell_x": 0, "cell_y": 0, "region": _box(10.1, 0, 1.0)}
        ],
    }
    for element, rows in records.items():
        registry.insertDimensionData(element, *rows)


def run_mocked(pipeline: PipelineGraph) -> dict[str, int]:
    """Build the graph of a pipeline on one visit and run it in this process on mock datasets.

    Returns
    -------
    dict
        How many quanta of each task were run.
    """
    with InMemoryRepo(data_root=None, use_import_collections_as_input=False) as repo:
        add_sky(repo.butler)
        original = pipeline.copy()
        _register(repo.butler, original)
        original.resolve(repo.butler.registry)  # storage classes fit together
        repo.pipeline_graph = mock_pipeline_graph(original)
        for name, _ in original.iter_overall_inputs():
            kept = original.dataset_types[name].dataset_type
            repo.butler.registry.registerDatasetType(MockStorageClass.mock_dataset_type(kept))
        repo.pipeline_graph.resolve(repo.butler.registry)
        inputs: list[DatasetRef] = []
        for name, node in repo.pipeline_graph.iter_overall_inputs():
            assert node is not None, name
            inputs += _insert(repo, node.dataset_type)
        graph = repo.make_quantum_graph()
        butler = _MockButler(repo.butler.dimensions, repo.butler.registry.queryDatasetTypes())
        for ref in inputs:
            butler.put(MockDataset(dataset_id=ref.id, dataset_type=ref.datasetType.to_simple(),
                                   data_id=dict(ref.dataId.mapping), run=ref.run), ref)  # fmt: skip
        graph.write_init_outputs(butler)
        graph.build_execution_quanta()
        executor = SingleQuantumExecutor(limited_butler_factory=butler.factory)
        nodes = graph.quantum_only_xgraph.nodes
        done: collections.Counter[str] = collections.Counter()
        for quantum_id in graph:
            task = nodes[quantum_id]["pipeline_node"]
            executor.execute(task, nodes[quantum_id]["quantum"], quantum_id)
            done[get_original_name(task.label)] += 1
        return dict(done)


class _MockButler(InMemoryLimitedButler):
    """A Butler in memory that gives components too."""

    def get(self, ref: DatasetRef, /, **options: Any) -> Any:
        component = ref.datasetType.component()
        if component is None:
            return super().get(ref, **options)
        stored, handle = self._datasets[ref.id]
        part = stored.datasetType.storageClass.delegate().getComponent(handle.get(), component)
        return ref.datasetType.storageClass.coerce_type(part)


@functools.cache
def _stored_types() -> dict[str, tuple[list[str], str]]:
    """Return dimensions and storage classes of what Rubin's tasks write."""
    found = {}
    for product in ("ap_pipe", "drp_pipe"):
        for record in pipelines_of(product).values():
            for task, variant, names in record["tasks"].values():
                for kind, connection, dataset, storage, dimensions, *_ in wiring()["classes"][task][variant][
                    "connections"
                ]:
                    if kind == "outputs":
                        found[names.get(connection, dataset)] = (dimensions, storage)
    return found


def _register(butler: Butler, graph: PipelineGraph) -> None:
    """Register those inputs of a pipeline that earlier tasks of Rubin's have written."""
    for name, _ in graph.iter_overall_inputs():
        if name in _stored_types():
            dimensions, storage = _stored_types()[name]
            butler.registry.registerDatasetType(
                DatasetType(name, dimensions, storage, universe=butler.dimensions)
            )


def _insert(repo: InMemoryRepo, dataset_type: DatasetType) -> list[DatasetRef]:
    """Insert an input for every data ID; where the sky is pixelated, those pixels that the patch touches."""
    dimensions = dataset_type.dimensions
    if not dimensions.skypix:
        return repo.insert_datasets(dataset_type, register=False)
    (skypix,) = dimensions.skypix
    others = dimensions.universe.conform(set(dimensions.required) - {skypix})
    pixels = dimensions.universe.skypix_dimensions[skypix].pixelization
    indices = [i for begin, end in pixels.envelope(_box(10.1, 0, 1.0)) for i in range(begin, end)]
    data_ids = [
        DataCoordinate.standardize(
            {skypix: index}, dimensions=dimensions, **(dict(other.required) if other else {})
        )
        for other in (repo.butler.query_data_ids(others) if others.required else [None])
        for index in indices
    ]
    return repo.butler.registry.insertDatasets(dataset_type, data_ids, run=repo.input_run)
