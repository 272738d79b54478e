"""What many tests share: the folder of real data beside the checkout, and quiet defaults."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from judging.stored import unpack_results

from lsst.meas.realbogus.model import (
    Architecture,
    Contract,
    NormalizationChoice,
    Output,
    TrainedOn,
    initial_weights,
    make_model,
    named_architecture,
    write_model,
)
from lsst.meas.realbogus.model._architecture import AverageMaxCentre2D, Conv2D, Dense

SHARED = Path(__file__).parents[2] / "shared" / "data"


_NEEDED = {"onnx": ("onnx", "onnxruntime"), "tensorflow": ("tensorflow",), "torch": ("torch",)}
"""Packages that tests with a mark need."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a package that is not installed, as in rubin-env; files of slow tests come first.

    They would otherwise be what the last process has left to do when the others have nothing.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)
    for mark, packages in _NEEDED.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        if missing:
            skip = pytest.mark.skip(reason=f"{' and '.join(missing)} not installed")
            for item in items:
                if item.get_closest_marker(mark) is not None:
                    item.add_marker(skip)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the checkout, or skip."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real data (../shared/data) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def stack_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of results of the real tasks of the Science Pipelines, see data/stack/README.md."""
    return unpack_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def told_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return untrained models that are told the PSF and the missing pixels: ``dia``, ``nodia``."""
    folder = tmp_path_factory.mktemp("told")
    files = {}
    for name, first in (("dia", ("difference",)), ("nodia", ())):
        inputs = (*first, "science", "template")
        layers = (
            Conv2D(name="conv", filters=4, kernel_size=(3, 3), activation="relu"),
            AverageMaxCentre2D(name="head"),
            Dense(name="last", units=1, activation="sigmoid"),
        )
        network = Architecture(name=name, input_shape=(31, 31, len(inputs) + 2), layers=layers)
        contract = Contract.model_validate(
            {
                "name": name,
                "version": "told",
                "inputs": inputs,
                "layout": "channels",
                "stamp_size": 31,
                "pixel_scale": 0.2,
                "normalization": {"name": "asinh-1"},
                "missing": {"rule": "ignore", "maximum_fraction": 0.7, "show": True},
                "psf": {"form": "profile"},
                "output": Output(size=1, real=0),
                "architecture": network,
                "trained": TrainedOn(pixel_scale=(0.2, 1.1), psf_fwhm=(1.6, 7.0), stamp_size=(21, 63)),
            }
        )
        files[name] = folder / f"{name}.rbmodel"
        files[name].write_bytes(write_model(make_model(contract, initial_weights(network, 3))))
    return files


@pytest.fixture(scope="session")
def untrained_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return untrained models for tests in which scores do not matter: ``dia``, ``nodia``."""
    folder = tmp_path_factory.mktemp("models")
    for name, inputs in (("dia", ("difference", "science", "template")), ("nodia", ("science", "template"))):
        architecture = named_architecture(name)
        contract = Contract(
            name=name,
            version="0.test",
            inputs=inputs,
            layout="side_by_side",
            stamp_size=51,
            normalization=NormalizationChoice(name="acero-cuellar-3sigma-1"),
            output=Output(size=2, real=0),
            architecture=architecture,
        )
        (folder / f"{name}.rbmodel").write_bytes(
            write_model(make_model(contract, initial_weights(architecture)))
        )
    return {name: str(folder / f"{name}.rbmodel") for name in ("dia", "nodia")}


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, untrained_models: dict[str, str]) -> Path:
    """Return a repository with a small survey and, in `small_survey.COLLECTION`, one run of the main job."""
    from small_survey import simulate_and_run  # the middleware, for the tests that need it

    repo = tmp_path_factory.mktemp("survey") / "repo"
    simulate_and_run(repo, untrained_models)
    return repo
