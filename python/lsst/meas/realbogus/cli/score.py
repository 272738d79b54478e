"""`realbogus score`: scores of stamps, images and alerts outside a Butler."""

from __future__ import annotations

__all__ = ("command",)

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ImageMismatchError, InvalidInputError
from ._command import Command
from ._resumable import Part, fingerprint, run_parts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from astropy.table import Table

    from ..cutouts import ImageFile, StampBatch
    from ..imaging import Place
    from ..model import Classifier

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
SKIPPED = 3
_BATCH = 256
_ALERT_FILES = 64


@click.command(
    "score",
    cls=Command,
    examples="""
    realbogus score stamps.npz -o scores.parquet
    realbogus score alerts.avro more.avro --model package:dia --model package:nodia -o scores.csv --keep-going
    realbogus score sources.csv --science new.fits --template old.fits --difference diff.fits -o scores.ecsv
    """,
)
@click.argument("inputs", nargs=-1, required=True, type=FILE)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    default=("package:dia",),
    show_default=True,
    help="Model: package:NAME, or a path or URI of an .rbmodel file. With two, both score, the first counts.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False),
              help="Table of scores to write: .parquet, .ecsv, .csv or .fits.")  # fmt: skip
@click.option("--science", type=FILE, help="Science image; the input is then a catalogue of sources.")
@click.option("--template", type=FILE, help="Template image.")
@click.option("--difference", type=FILE, help="Difference image, where a model looks at it.")
@click.option("--schema", type=FILE, help="Avro schema (.avsc) of bare alert packets.")
@click.option("--engine", type=click.Choice(["onnxruntime", "tensorflow", "numpy"]), default="onnxruntime",
              show_default=True, help="What runs the network.")  # fmt: skip
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True,
              help="Where it runs.")  # fmt: skip
@click.option("--chunk", type=click.IntRange(min=1), default=4096, show_default=True,
              help="Sources between two points from which an interrupted run goes on.")  # fmt: skip
@click.option("--keep-going", is_flag=True, help="Leave out inputs that cannot be read; exit code 3.")
@click.option("--overwrite", is_flag=True, help="Score again what has been scored, and replace the output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar, no summary.")
def command(
    inputs: tuple[Path, ...],
    models: tuple[str, ...],
    output: Path,
    science: Path | None,
    template: Path | None,
    difference: Path | None,
    schema: Path | None,
    engine: str,
    device: str,
    chunk: int,
    keep_going: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Score stamps, sources on images, or alert packets.

    INPUTS are files of stamps (.npz, .parquet, .fits), alert packets (.avro), or, with --science and the
    other images, one catalogue of sources (.parquet, .fits, .ecsv, .csv). Every source gives one row, in
    order; one that cannot be scored has score NaN and a flag that says why.

    An interrupted run goes on where it stopped when the same command is given again.

    Exit codes: 0 done; 1 an error, what has been scored is kept; 2 a wrong command line; 3 done, but inputs
    were left out.
    """
    from ..model import load_classifier

    classifiers = [load_classifier(m, engine=engine, device=device) for m in models]
    images = {"science": science, "template": template, "difference": difference}
    given = {role: path for role, path in images.items() if path is not None}
    if given:
        if len(inputs) != 1:
            raise click.UsageError("with images, give exactly one catalogue of sources")
        parts = _catalogue_parts(inputs[0], given, classifiers, chunk)
    else:
        parts = _file_parts(inputs, classifiers, schema, chunk, keep_going)
    files = [*inputs, *given.values(), *([schema] if schema else [])]
    identity = fingerprint(files, [c.content_hash for c in classifiers], [engine, str(chunk)])
    result = run_parts(parts, output, identity, overwrite=overwrite, keep_going=keep_going, quiet=quiet)
    if not quiet:
        click.echo(result.summary(), err=True)
    if result.skipped:
        sys.exit(SKIPPED)


def _file_parts(
    inputs: Sequence[Path],
    classifiers: Sequence[Classifier],
    schema: Path | None,
    chunk: int,
    keep_going: bool,
) -> Iterator[Part]:
    alerts = [path for path in inputs if path.suffix == ".avro"]
    for number, path in enumerate(path for path in inputs if path.suffix != ".avro"):
        for begin in _starts(path, chunk, classifiers, keep_going):
            run = functools.partial(_score_stamp_file, path, begin, chunk, classifiers)
            yield Part(f"stamps-{number:05d}-{begin:012d}", str(path), run)
    # Packets may come one a file: enough of them in a part.
    together = 1 if keep_going else _ALERT_FILES
    for first in range(0, len(alerts), together):
        group = alerts[first : first + together]
        run = functools.partial(_score_alerts, group, schema, classifiers)
        yield Part(f"alerts-{first:07d}", str(group[-1]), run)


def _starts(path: Path, chunk: int, classifiers: Sequence[Classifier], keep_going: bool) -> Sequence[int]:
    """Rows at which parts of a stamp file begin; the first if it cannot be read, which is said there."""
    from ..cutouts import open_stamp_file

    try:
        with open_stamp_file(path) as file:
            _check_roles(file.roles, classifiers, str(path))
            return range(0, max(file.n_rows, 1), chunk)
    except InvalidInputError:
        if not keep_going:
            raise
        return (0,)


def _check_roles(roles: Iterable[str], classifiers: Sequence[Classifier], name: str) -> None:
    for classifier in classifiers:
        if absent := [role for role in classifier.contract.inputs if role not in roles]:
            raise InvalidInputError(
                f"{name} has stamps {', '.join(roles)}; the model {classifier.contract.name} also needs "
                f"{', '.join(absent)}"
            )


def _score_stamp_file(path: Path, begin: int, chunk: int, classifiers: Sequence[Classifier]) -> Table:
    from ..cutouts import open_stamp_file

    with open_stamp_file(path) as file:
        _check_roles(file.roles, classifiers, str(path))
        end = min(begin + chunk, file.n_rows)
        starts = range(begin, end, _BATCH)
        return _score_batches((file.read(start, min(start + _BATCH, end)) for start in starts), classifiers)


def _score_alerts(paths: Sequence[Path], schema: Path | None, classifiers: Sequence[Classifier]) -> Table:
    from ..cutouts import Alert, read_alerts, stamp_batch

    roles = sorted({role for classifier in classifiers for role in classifier.contract.inputs})

    def batches() -> Iterator[StampBatch]:
        waiting: list[Alert] = []
        for path in paths:
            for alert in read_alerts(path, schema):
                waiting.append(alert)
                if len(waiting) == _BATCH:
                    yield stamp_batch(waiting, roles)
                    waiting = []
        if waiting:
            yield stamp_batch(waiting, roles)

    return _score_batches(batches(), classifiers)


def _score_batches(batches: Iterable[StampBatch], classifiers: Sequence[Classifier]) -> Table:
    import numpy as np

    from ..model import Scores, SourceScores, score_table

    ids: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    scores: list[list[Scores]] = [[] for _ in classifiers]
    for batch in batches:
        ids.append(batch.ids)
        for part, classifier in zip(scores, classifiers, strict=True):
            part.append(classifier.score(batch.stamps, None, batch.is_negative))
    identifiers = np.concatenate(ids)
    results = [
        SourceScores(classifier, Scores.concatenate(part))
        for part, classifier in zip(scores, classifiers, strict=True)
    ]
    return score_table(identifiers, results)


def _catalogue_parts(
    path: Path, images: dict[str, Path], classifiers: Sequence[Classifier], chunk: int
) -> Iterator[Part]:
    from ..cutouts import read_dia_sources, read_image_file
    from ..imaging import check_catalog
    from ..tables import as_astropy

    _check_roles(images, classifiers, "the command line")
    files = {role: read_image_file(image) for role, image in images.items()}
    places = _check_images(images, files)
    catalogue = as_astropy(_read_catalogue(path), str(path))
    projection = next((place.projection for place in places.values() if place.projection is not None), None)
    sources = read_dia_sources(catalogue, projection, name=str(path))
    first = "science" if "science" in places else next(iter(places))
    image, place = str(images[first]), places[first]
    check_catalog(str(path), catalogue, image, dataclasses.replace(place, projection=None))
    check_catalog(str(path), sources, image, place)  # positions, now in pixels and degrees
    pixels: dict[str, Any] = {role: (file.image, file.mask) for role, file in files.items()}
    for begin in range(0, max(len(sources), 1), chunk):
        run = functools.partial(_score, sources[begin : begin + chunk], pixels, classifiers)
        yield Part(f"sources-{begin:012d}", str(path), run)


def _check_images(images: Mapping[str, Path], files: Mapping[str, ImageFile]) -> dict[str, Place]:
    """Refuse images that do not belong together, by the names of their files."""
    from ..imaging import Place, check_together

    places = {
        role: Place(file.image.bbox, file.projection, file.visit, file.detector, file.is_difference)
        for role, file in files.items()
    }
    try:
        check_together(places)
    except ImageMismatchError as error:
        names = ", ".join(f"{role} {path}" for role, path in images.items())
        raise ImageMismatchError(f"{error} ({names})") from error
    return places


def _score(sources: Table, pixels: dict[str, Any], classifiers: Sequence[Classifier]) -> Table:
    from ..model import score_sources, score_table

    results = score_sources(classifiers, pixels, sources["x"], sources["y"], sources["is_negative"])
    return score_table(sources["id"], results)


def _read_catalogue(path: Path) -> Table:
    import astropy.io.fits
    from astropy.table import Table

    if path.suffix in (".parquet", ".parq"):
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path)
    with contextlib.suppress(OSError), astropy.io.fits.open(path) as hdus:
        for number, hdu in enumerate(hdus):
            if isinstance(hdu, astropy.io.fits.BinTableHDU):
                return Table.read(path, hdu=number)
    try:
        return Table.read(path)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path}: cannot be read as a table: {error}") from error
