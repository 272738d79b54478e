"""`realbogus score`: scores of stamps, images and alerts outside a Butler."""

from __future__ import annotations

__all__ = ("command",)

import dataclasses
import hashlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ImageMismatchError, InvalidInputError
from ._command import Command, is_quiet
from ._common import FILE, LocalPath

if TYPE_CHECKING:
    from astropy.table import Table

    from ..cutouts import DifferenceSign, ImageFile, StampBatch
    from ..imaging import Place
    from ..model import Classifier
    from ._resumable import Input

_LOG = logging.getLogger(__name__)
_BATCH = 256
_SIGNS = ("science-minus-template", "as-detected")


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
    help="Model: package:NAME, or path or URI of an .rbmodel file. Of several the first gives the score.",
)
@click.option("-o", "--output", required=True, type=LocalPath(dir_okay=False),
              help="Table of scores to write: .parquet, .ecsv, .csv or .fits.")  # fmt: skip
@click.option("--science", type=FILE, help="Science image; the input is then a catalogue of sources.")
@click.option("--template", type=FILE, help="Template image.")
@click.option("--difference", type=FILE, help="Difference image, where a model looks at it.")
@click.option("--schema", type=FILE, help="Avro schema (.avsc) of bare alert packets.")
@click.option(
    "--difference-sign",
    type=click.Choice(_SIGNS),
    help="What differences in stamp files are for negative sources: science - template as for all others, or "
    "turned so that the detection is positive, as in ZTF's data.  [default: as-detected where the signs are "
    "in a column isdiffpos, else science-minus-template]",
)
@click.option(
    "--psf-fwhm",
    type=click.FloatRange(min=0, min_open=True),
    help="FWHM of the science image's PSF in pixels, of all sources, in place of what the inputs say. Only "
    "models that are told the PSF use it.",
)
@click.option("--engine", type=click.Choice(["auto", "onnxruntime", "torch", "tensorflow", "numpy"]),
              default="auto", show_default=True,
              help="What runs the network; auto: the first that is installed of ONNX Runtime, PyTorch and "
              "numpy.")  # fmt: skip
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), default="cpu", show_default=True,
              help="Where it runs: on one core, or on a GPU; auto: on a GPU if there is one.")  # fmt: skip
@click.option("--chunk", type=click.IntRange(min=1), default=4096, show_default=True,
              help="Sources between two points from which an interrupted run goes on.")  # fmt: skip
@click.option("--keep-going", is_flag=True, help="Leave out inputs that cannot be read; exit code 3.")
@click.option("--overwrite", is_flag=True, help="Score again what has been scored, and replace the output.")
def command(
    inputs: tuple[Path, ...],
    models: tuple[str, ...],
    output: Path,
    science: Path | None,
    template: Path | None,
    difference: Path | None,
    schema: Path | None,
    difference_sign: DifferenceSign | None,
    psf_fwhm: float | None,
    engine: str,
    device: str,
    chunk: int,
    keep_going: bool,
    overwrite: bool,
) -> None:
    """Score stamps, sources on images, or alert packets.

    INPUTS are files of stamps (.npz, .parquet, .fits), alert packets (.avro), or, with --science and the
    other images, one catalogue of sources (.parquet, .fits, .ecsv, .csv). Every source gives one row, in
    the order of the inputs; one that cannot be scored has score NaN and a flag that says why.

    An interrupted run goes on where it stopped when the same command is given again.

    Exit codes: 0 done; 1 an error, what has been scored is kept; 2 a wrong command line; 3 done, but inputs
    were left out; 4 done, but not one source could be scored.
    """
    from ..model import column_endings, explain_unscored, load_classifier
    from ._resumable import run
    from ._score_tables import make_meta

    classifiers = [load_classifier(m, engine=engine, device=device) for m in models]
    column_endings(classifiers)
    images = {"science": science, "template": template, "difference": difference}
    given = {role: path for role, path in images.items() if path is not None}
    warned = _Warnings(classifiers)
    sources: Sequence[Input[Any]]
    score: Callable[[Sequence[Any]], Table]
    if given:
        if len(inputs) != 1:
            raise click.UsageError("with images, give exactly one catalogue of sources")
        sources, score = _catalogue(inputs[0], given, classifiers, psf_fwhm, warned)
    else:
        size = min(chunk, _BATCH)
        sources, score = _stamps(inputs, classifiers, schema, difference_sign, psf_fwhm, size, warned)
    files = [*inputs, *given.values(), *([schema] if schema else [])]
    options = {
        "engine": classifiers[0].engine.name,
        "device": classifiers[0].engine.device,
        "difference_sign": difference_sign,
        "psf_fwhm": psf_fwhm,
    }
    identity = _fingerprint(files, [c.content_hash for c in classifiers], options)
    result = run(
        sources,
        score,
        output,
        identity,
        lambda left_out: make_meta(identity, classifiers, files, options, left_out),
        batch_rows=_BATCH,
        part_rows=chunk,
        overwrite=overwrite,
        keep_going=keep_going,
        quiet=is_quiet(),
    )
    if not is_quiet():
        click.echo(result.summary(), err=True)
        for reason in explain_unscored(result.unscored, [c.contract for c in classifiers]):
            click.echo(f"No score: {reason.text}.", err=True)
    if result.exit_code:
        sys.exit(int(result.exit_code))


def _fingerprint(files: Iterable[Path], hashes: Iterable[str], options: Mapping[str, Any]) -> str:
    """Identify a run by its files (path, size and time of change), models and options that decide scores."""
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    content = json.dumps([stats, list(hashes), dict(options)])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


class _Warnings:
    """Says once for each model what it was not trained on."""

    def __init__(self, classifiers: Sequence[Classifier]) -> None:
        self._contracts = [classifier.contract for classifier in classifiers]
        self._said: set[tuple[int, str]] = set()

    def check(self, **known: Any) -> None:
        from ..model import unfamiliar

        for number, contract in enumerate(self._contracts):
            for what, text in unfamiliar(contract, **known).items():
                if (number, what) not in self._said:
                    self._said.add((number, what))
                    _LOG.warning("%s.", text)

    def check_batch(self, batch: StampBatch) -> None:
        shape = next(iter(batch.stamps.values())).shape[1:] if batch.stamps else None
        self.check(pixel_scale=batch.pixel_scale, psf_fwhm=batch.psf_fwhm, stamp_shape=shape)


def _told_psf(classifiers: Sequence[Classifier]) -> bool:
    return any(classifier.contract.psf is not None for classifier in classifiers)


def _stamps(
    paths: Sequence[Path],
    classifiers: Sequence[Classifier],
    schema: Path | None,
    difference_sign: DifferenceSign | None,
    psf_fwhm: float | None,
    size: int,
    warned: _Warnings,
) -> tuple[list[Input[StampBatch]], Callable[[Sequence[StampBatch]], Table]]:
    """Return files of stamps and of alerts as inputs, and how to score them."""
    import numpy as np

    from ..cutouts import open_stamp_file, read_alerts, stamp_batch
    from ..model import score_stamps, score_table
    from ._resumable import Input

    roles = sorted({role for classifier in classifiers for role in classifier.contract.inputs})
    reads_psf = _told_psf(classifiers) and psf_fwhm is None

    def of_file(path: Path, start: int) -> Iterator[StampBatch]:
        with open_stamp_file(path, difference_sign=difference_sign) as file:
            _check_roles(file.roles, classifiers, str(path))
            yield from file.batches(size, start, roles, psf=reads_psf)

    def of_alerts(path: Path, start: int) -> Iterator[StampBatch]:
        for alert in read_alerts(path, schema, start, psf=reads_psf):
            yield stamp_batch(alert, roles)

    def score(batches: Sequence[StampBatch]) -> Table:
        ids = [batch.ids for batch in batches]
        return score_table(np.concatenate([np.empty(0, np.int64), *ids]), score_stamps(classifiers, batches))

    def reader(path: Path) -> Callable[[int], Iterator[StampBatch]]:
        of = of_alerts if path.suffix == ".avro" else of_file

        def batches(start: int) -> Iterator[StampBatch]:
            for batch in of(path, start):
                if psf_fwhm is not None:
                    batch = dataclasses.replace(batch, psf_fwhm=np.full(len(batch), psf_fwhm, np.float32))
                warned.check_batch(batch)
                yield batch

        return batches

    return [Input(str(path), reader(path)) for path in paths], score


def _check_roles(roles: Iterable[str], classifiers: Sequence[Classifier], name: str) -> None:
    for classifier in classifiers:
        if absent := [role for role in classifier.contract.inputs if role not in roles]:
            raise InvalidInputError(
                f"{name} has stamps {', '.join(roles)}; the model {classifier.contract.name} also needs "
                f"{', '.join(absent)}"
            )


def _catalogue(
    path: Path,
    images: Mapping[str, Path],
    classifiers: Sequence[Classifier],
    psf_fwhm: float | None,
    warned: _Warnings,
) -> tuple[list[Input[Table]], Callable[[Sequence[Table]], Table]]:
    """Return a catalogue as input, and how to score its sources on images."""
    import numpy as np
    from astropy.table import vstack

    from ..cutouts import psf_fwhm_at, read_dia_sources, read_image_file
    from ..imaging import check_catalog, pixel_scale
    from ..model import score_sources, score_table
    from ..tables import read_table_file
    from ._resumable import Input

    _check_roles(images, classifiers, "the command line")
    files = {role: read_image_file(image) for role, image in images.items()}
    places = _check_images(images, files)
    catalogue = read_table_file(path)
    projection = next((place.projection for place in places.values() if place.projection is not None), None)
    sources = read_dia_sources(catalogue, projection, name=str(path))
    first = "science" if "science" in places else next(iter(places))
    image, place = str(images[first]), places[first]
    check_catalog(str(path), catalogue, image, dataclasses.replace(place, projection=None))
    check_catalog(str(path), sources, image, place)  # positions, now in pixels and degrees
    pixels: dict[str, Any] = {role: (file.image, file.mask) for role, file in files.items()}
    sources["psf_fwhm"] = np.float32(np.nan if psf_fwhm is None else psf_fwhm)
    if _told_psf(classifiers) and psf_fwhm is None and "science" in files:
        sources["psf_fwhm"] = psf_fwhm_at(files["science"].psf, sources["x"], sources["y"])
    scale = None if projection is None else pixel_scale(projection, place.box)
    warned.check(pixel_scale=scale, psf_fwhm=sources["psf_fwhm"])

    def batches(start: int) -> Iterator[Table]:
        for begin in range(start, len(sources), _BATCH):
            yield sources[begin : begin + _BATCH]

    def score(parts: Sequence[Table]) -> Table:
        rows = vstack(list(parts), metadata_conflicts="silent") if parts else sources[:0]
        results = score_sources(
            classifiers, pixels, rows["x"], rows["y"], rows["is_negative"], psf_fwhm=rows["psf_fwhm"]
        )
        return score_table(rows["id"], results)

    return [Input(str(path), batches)], score


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
