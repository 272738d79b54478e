"""Models: import, look at, verify, export, and keep in a Butler."""

from __future__ import annotations

__all__ = ("command",)

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import InvalidInputError, ModelNotFoundError
from ..model import (
    DATASET_TYPE,
    ENGINES,
    PRESETS,
    RUN_PREFIX,
    STORAGE_CLASS,
    TOLERANCE,
    Classifier,
    Contract,
    Golden,
    Model,
    check_golden,
    import_keras,
    import_onnx,
    largest_difference,
    model_run,
    packaged_models,
    peek_contract,
    preset_contract,
    read_arrays,
    read_model,
    read_model_file,
    sensitivity,
    table_from_file,
    write_model,
)
from ..tables import atomic_output, reading
from ._command import Group, say
from ._common import FILE, FiniteRange, LocalPath, overwrite_option


@click.group("model", cls=Group)
def command() -> None:
    """Real/bogus models: .rbmodel files, packaged models (package:NAME) and models in a Butler."""


@command.command(
    "import",
    examples="""
    realbogus model import weights.h5 --architecture dia --name mine -o mine.rbmodel
    realbogus model import network.keras --contract contract.json -o mine.rbmodel
    realbogus model import network.onnx --contract contract.json -o mine.rbmodel --overwrite
    """,
)
@click.argument("file", type=FILE)
@click.option("--architecture", type=click.Choice(sorted(PRESETS)), help="A network known by name.")
@click.option("--architecture-json", type=FILE, help="Keras configuration of the network.")
@click.option(
    "--contract", "contract_file", type=FILE, help="Contract (JSON), for networks without a preset."
)
@click.option("--name", help="What to call the model.  [default: the architecture's name]")
@click.option("--version", default="1", show_default=True, help="Its version, at most 7 characters.")
@click.option("-o", "--output", type=LocalPath(dir_okay=False), required=True)
@overwrite_option
def import_(
    file: Path,
    architecture: str | None,
    architecture_json: Path | None,
    contract_file: Path | None,
    name: str | None,
    version: str,
    output: Path,
    overwrite: bool,
) -> None:
    """Make a model of a Keras FILE (.h5, .keras) or an ONNX FILE."""
    if architecture is None and contract_file is None:
        raise click.UsageError("give --architecture, or --contract")
    if contract_file is not None:
        contract = Contract.from_json(contract_file.read_text())
    else:
        assert architecture is not None
        contract = preset_contract(architecture, name or architecture, version)
    with atomic_output(output, overwrite=overwrite) as place:
        content = file.read_bytes()
        if file.suffix == ".onnx":
            model = import_onnx(content, contract)
        else:
            config = None if architecture_json is None else _read_json(architecture_json)
            model = import_keras(content, contract, config)
        place.write_bytes(write_model(model))
    _warn_if_blind(model)
    say(f"{output}: {model.contract.name} {model.contract.version}, sha256 {model.content_hash}")


def _read_json(path: Path) -> Any:
    with reading(path, "JSON"):
        return json.loads(path.read_text())


def _warn_if_blind(model: Model) -> None:
    """Say which mistakes the golden scores would not show."""
    for mistake, difference in sensitivity(model.classifier(), model.golden).items():
        if difference <= TOLERANCE:
            click.echo(f"warning: the golden scores do not change when stamps are {mistake}", err=True)


@command.command(
    "inspect",
    examples="""
    realbogus model inspect package:dia
    realbogus model inspect mine.rbmodel
    """,
)
@click.argument("model")
def inspect(model: str) -> None:
    """Print what MODEL (a file, URI or package:NAME) promises."""
    content = read_model_file(model)
    found = read_model(content, model)
    contract = found.contract
    card = contract.model_dump(mode="json", exclude={"architecture", "card"})
    click.echo(json.dumps(card, indent=2))
    click.echo(f"input {contract.input_shape}, {len(content):,} bytes, sha256 {found.content_hash}")
    network = contract.architecture
    if network is None:
        click.echo("layers unknown: an ONNX graph")
    else:
        click.echo(f"network {network.name}: {network.n_parameters:,} parameters")
        for layer, shape in zip(network.layers, network.shapes()[1:], strict=True):
            click.echo(f"  {layer.kind:<24}{layer.name:<16}{'x'.join(map(str, shape))}")
    for key, value in contract.card.items():
        click.echo(f"{key}: {value}")


@command.command(
    "verify",
    examples="""
    realbogus model verify package:dia
    realbogus model verify mine.rbmodel --against stamps.npz --tolerance 1e-5
    """,
)
@click.argument("model")
@click.option("--against", type=FILE, help="npz of stamps and score, or of network inputs x and outputs y.")
@click.option(
    "--tolerance",
    type=FiniteRange(min=0),
    default=TOLERANCE,
    show_default=True,
    help="Largest difference allowed.",
)
@click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True)
def verify(model: str, against: Path | None, tolerance: float, engine: str) -> None:
    """Check that MODEL gives the scores that it must give; fail if it does not."""
    found = read_model(read_model_file(model), model)
    classifier = found.classifier(engine)
    difference = check_golden(classifier, found.golden, float("inf"))
    engine_used = f"{classifier.engine.name} {classifier.engine.version}"
    n_golden = len(found.golden.score)
    click.echo(f"golden scores: largest difference {difference:.3g} ({n_golden} sources, {engine_used})")
    if found.weights is not None:
        other = check_golden(found.classifier("numpy"), found.golden, float("inf"))
        click.echo(f"weights.h5 in float64: largest difference {other:.3g}")
        difference = max(difference, other)
    for mistake, change in sensitivity(classifier, found.golden).items():
        click.echo(f"  would change by {change:.2g} if {mistake}")
    if against is not None:
        other, n = _difference_from_file(classifier, against)
        click.echo(f"{against}: largest difference {other:.3g} ({n} rows)")
        difference = max(difference, other)
    if not difference <= tolerance:
        raise click.ClickException(
            f"largest difference {difference:.3g} is above the tolerance {tolerance:g}"
        )


def _difference_from_file(classifier: Classifier, file: Path) -> tuple[float, int]:
    arrays = read_arrays(file.read_bytes(), str(file))
    if "x" not in arrays:
        golden = Golden.from_bytes(file.read_bytes())
        return check_golden(classifier, golden, float("inf")), len(golden.score)
    x, y = arrays["x"].astype(np.float32), arrays.get("y")
    if y is None or x.shape[1:] != classifier.contract.input_shape:
        raise InvalidInputError(
            f"{file} must hold x (n, {', '.join(map(str, classifier.contract.input_shape))}) and y; it has "
            + ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        )
    return largest_difference(classifier.engine.predict(x), y), len(x)


@command.command(
    "export",
    examples="""
    realbogus model export package:dia -o exported
    """,
)
@click.argument("model")
@click.option("-o", "--output", type=LocalPath(file_okay=False), required=True)
@overwrite_option
def export(model: str, output: Path, overwrite: bool) -> None:
    """Write MODEL as NAME-VERSION.onnx and NAME-VERSION.contract.json into a folder, for other programs."""
    found = read_model(read_model_file(model), model)
    output.mkdir(parents=True, exist_ok=True)
    stem = f"{found.contract.name}-{found.contract.version}"
    with atomic_output(output / f"{stem}.onnx", overwrite=overwrite) as place:
        place.write_bytes(found.onnx_graph())
    with atomic_output(output / f"{stem}.contract.json", overwrite=overwrite) as place:
        place.write_text(found.contract.to_json())
    say(f"{output / stem}.onnx and .contract.json")


@command.command(
    "ingest",
    examples="""
    realbogus model ingest repo mine.rbmodel
    realbogus model ingest repo package:dia
    """,
)
@click.argument("repo")
@click.argument("model")
def ingest(repo: str, model: str) -> None:
    """Put MODEL into the Butler REPO, run models/NAME/VERSION."""
    from lsst.daf.butler import DatasetType

    from ..repository import open_repository

    content = read_model_file(model)
    found = read_model(content, model)
    run = model_run(found.contract)
    with open_repository(repo, run=run) as butler:
        dataset_type = DatasetType(DATASET_TYPE, (), STORAGE_CLASS, universe=butler.dimensions)
        butler.registry.registerDatasetType(dataset_type)
        if butler.find_dataset(dataset_type, collections=run) is not None:
            raise InvalidInputError(f"{repo} has a model in {run} already; models do not change, versions do")
        butler.put(table_from_file(content, model), dataset_type)
    say(f"{DATASET_TYPE} in {run}, sha256 {found.content_hash}")


@command.command(
    "list",
    examples="""
    realbogus model list
    realbogus model list repo
    """,
)
@click.argument("repo", required=False)
def list_(repo: str | None) -> None:
    """List the models that come with the package, and those in the Butler REPO."""
    for name, file in packaged_models().items():
        click.echo(f"package:{name}\t{peek_contract(file.read_bytes(), name).description}")
    if repo is None:
        return
    from ..repository import open_repository

    with open_repository(repo) as butler:
        runs = [info.name for info in butler.collections.query_info(f"{RUN_PREFIX}*")]
    if not runs:
        raise ModelNotFoundError(f"{repo} holds no models")
    for run in sorted(runs):
        click.echo(f"butler:{run.removeprefix(RUN_PREFIX)}\tcollection {run}")
