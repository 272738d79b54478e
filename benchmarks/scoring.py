"""Scores per CPU second from images in memory, next to the bare network in the same run.

Figures (rates are per CPU second of one core; compare ratios, not rates, between machines):

dia_over_engine, nodia_over_engine, compact_over_engine
    Rate from images in memory to scores, over the rate of ONNX Runtime alone on ready-made inputs.
dia_normalization_share, nodia_normalization_share, compact_normalization_share
    Part of that time spent on filling, normalising and laying out stamps; those of ``compact`` are stacked,
    with the PSF and the missing pixels.
compact_over_dia
    Rate from images to scores of ``compact`` over that of ``dia``.
compact_small_over_full, compact_negative_over_full
    Its rate from stamps in memory that have to be padded (30 pixels), and with every other source negative,
    over that from whole stamps of positive sources.
dia_over_loop, nodia_over_loop
    Rate over that of a loop over sources with `astropy.nddata.Cutout2D` and the published normalisation,
    followed by the same network.
torch_over_engine (…_dia, …_nodia, …_compact)
    Rate of PyTorch over that of ONNX Runtime, both alone on ready-made inputs and on one thread; the least of
    the three networks. Not where PyTorch is not installed.
start_s, rss_mb
    CPU seconds from the start of a process to the first score of a stamp, and its peak memory.
images_rss_mb, images_bytes_mb
    Peak memory of a process that scores 10,000 sources on three 4096² images, and the size of those images.
score_rss_growth
    Peak memory of ``realbogus score`` on 200,000 stamps over that on 10,000, the larger ratio of a stored npz
    and a parquet file of one row group. A small network and stamps of 21 pixels, so that reading is most of
    the work. With --quick 20,000 over 2,000.
score_rss_mb, score_per_cpu_s
    Peak memory and sources per CPU second of the larger parquet run.
npz_over_parquet
    CPU seconds of the larger npz run over those of the parquet run, start of the process included; the median
    of three pairs.
tensorflow_start_s, tensorflow_rss_mb, dia_over_tensorflow, nodia_over_tensorflow
    The same start in TensorFlow, and our rate from images to scores over that of Keras ``predict`` on
    ready-made inputs. Not with --quick.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from judging.processes import measure_files, measure_processes, measure_tensorflow

from lsst.meas.realbogus.errors import MissingDependencyError
from lsst.meas.realbogus.model import (
    Classifier,
    initial_weights,
    make_model,
    named_architecture,
    prepare,
    preset_contract,
)
from lsst.meas.realbogus.model._engines import Engine, make_engine
from lsst.meas.realbogus.randomness import generator

Images = dict[str, np.ndarray]


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def make_classifier(network: str) -> Classifier:
    """Untrained weights cost the same arithmetic as trained ones."""
    contract = preset_contract(network, network, "0")
    return make_model(contract, initial_weights(named_architecture(network))).classifier("onnxruntime")


def make_images(size: int, n: int) -> tuple[Images, np.ndarray, np.ndarray]:
    """Noise with a bright source at every position, so that stamps have outliers as real ones do."""
    rng = generator(1, "benchmark-scoring", size)
    x, y = rng.uniform(30, size - 31, (2, n))
    images = {}
    for name in ("science", "template", "difference"):
        pixels = rng.standard_normal((size, size), dtype=np.float32) * 30
        for column, row in zip(x.astype(int), y.astype(int), strict=True):
            pixels[row - 2 : row + 3, column - 2 : column + 3] += 0 if name == "template" else 1000
        images[name] = pixels
    return images, x, y


def loop_over_sources(classifier: Classifier, images: Images, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Score one source after the other, as most published codes cut and normalise."""
    from astropy.nddata import Cutout2D

    rows = []
    for position in zip(x, y, strict=True):
        parts = []
        for name in classifier.contract.inputs:
            stamp = Cutout2D(images[name], position, 51, mode="partial").data.astype(np.float64)
            mean, std = stamp.mean(), stamp.std()
            if name == "difference":
                parts.append((stamp - mean) / std)
            else:
                inside = stamp[(stamp < mean + 3 * std) == (stamp > mean - 3 * std)]
                parts.append((stamp - inside.min()) / (inside.max() - inside.min()))
        rows.append(classifier.engine.predict(np.hstack(parts)[None, :, :, None].astype(np.float32)))
    return np.concatenate(rows)[:, 0]


def measure_network(
    network: str, images: Images, x: np.ndarray, y: np.ndarray, repeats: int
) -> dict[str, float]:
    from lsst.meas.realbogus.cutouts import extract
    from lsst.meas.realbogus.model import score_sources

    classifier = make_classifier(network)
    names, size = classifier.contract.inputs, classifier.contract.stamp_size
    used = {name: images[name] for name in names}
    n, step = len(x), classifier.batch_size
    few = slice(0, min(n, 1024))
    stamps = {name: extract(images[name], x[few], y[few], size).pixels for name in names}
    fwhm = np.full(n, 3.5, np.float32)
    inputs = prepare(classifier.contract, stamps, psf_fwhm=fwhm[few]).inputs
    buffer = np.empty_like(inputs[:step])

    def engine() -> None:
        for start in range(0, len(inputs), step):
            classifier.engine.predict(inputs[start : start + step])

    def preparation() -> None:
        for start in range(0, len(inputs), step):
            part = {name: array[start : start + step] for name, array in stamps.items()}
            prepare(classifier.contract, part, out=buffer, psf_fwhm=fwhm[few][start : start + step])

    def everything() -> None:
        score_sources([classifier], used, x, y, psf_fwhm=fwhm)

    # Interleaved, and the median of ratios: another process on the core slows down neighbours in time alike.
    times = np.array(
        [
            [
                cpu_seconds(engine) / len(inputs),
                cpu_seconds(preparation) / len(inputs),
                cpu_seconds(everything) / n,
                cpu_seconds(engine) / len(inputs),
            ]
            for _ in range(repeats)
        ]
    )
    bare = times[:, [0, 3]].mean(axis=1)
    ours = float(np.median(times[:, 2]))
    figures = {
        f"{network}_over_engine": float(np.median(bare / times[:, 2])),
        f"{network}_normalization_share": float(np.median(times[:, 1] / times[:, 2])),
        f"{network}_per_cpu_s": 1 / ours,
        f"{network}_engine_per_cpu_s": 1 / float(np.median(bare)),
    }
    if classifier.contract.psf is not None:
        return figures | measure_ways_in(classifier, stamps, repeats)
    few_loop = slice(0, min(n, 200))
    loop = cpu_seconds(lambda: loop_over_sources(classifier, used, x[few_loop], y[few_loop])) / few_loop.stop
    return figures | {f"{network}_over_loop": loop / ours}


def measure_torch(repeats: int) -> dict[str, float]:
    """Compare engines in turns."""
    figures = {}
    for network in ("dia", "nodia", "compact"):
        onnx = make_classifier(network)
        layers, step = onnx.contract.architecture, onnx.batch_size
        try:
            torch = make_engine("torch", None, layers, initial_weights(layers))
        except MissingDependencyError as error:
            print(f"{'torch_over_engine':32} not measured: {error}")
            return {}
        inputs = generator(3, "benchmark-torch", network).standard_normal(
            (512, *layers.input_shape), dtype=np.float32
        )

        def run(engine: Engine, inputs: np.ndarray = inputs, step: int = step) -> float:
            return cpu_seconds(
                lambda: [engine.predict(inputs[i : i + step]) for i in range(0, len(inputs), step)]
            )

        run(torch)  # what it prepares when it first runs
        times = np.array([[run(onnx.engine), run(torch), run(onnx.engine)] for _ in range(repeats)])
        figures[f"torch_over_engine_{network}"] = float(
            np.median(times[:, [0, 2]].mean(axis=1) / times[:, 1])
        )
    return {"torch_over_engine": min(figures.values()), **figures}


def measure_ways_in(classifier: Classifier, stamps: Images, repeats: int) -> dict[str, float]:
    n = len(next(iter(stamps.values())))
    small = {name: np.ascontiguousarray(array[:, :30, :30]) for name, array in stamps.items()}
    negative = np.arange(n) % 2 == 1
    times = np.array(
        [
            [
                cpu_seconds(lambda: classifier.score(stamps, psf_fwhm=3.5)),
                cpu_seconds(lambda: classifier.score(small, psf_fwhm=3.5)),
                cpu_seconds(lambda: classifier.score(stamps, is_negative=negative, psf_fwhm=3.5)),
            ]
            for _ in range(repeats)
        ]
    )
    return {
        "compact_small_over_full": float(np.median(times[:, 0] / times[:, 1])),
        "compact_negative_over_full": float(np.median(times[:, 0] / times[:, 2])),
    }


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller, without TensorFlow; under a minute")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    images, x, y = make_images(2048 if arguments.quick else 4096, 1_000 if arguments.quick else 10_000)
    figures: dict[str, float] = {}
    for network in ("dia", "nodia", "compact"):
        figures |= measure_network(network, images, x, y, 5 if arguments.quick else 7)
    figures["compact_over_dia"] = figures["compact_per_cpu_s"] / figures["dia_per_cpu_s"]
    figures |= measure_torch(5 if arguments.quick else 9)
    with tempfile.TemporaryDirectory() as folder:
        figures |= measure_processes(arguments.quick, Path(folder))
        figures |= measure_files(arguments.quick, Path(folder))
    if not arguments.quick:
        figures |= measure_tensorflow(figures)
    for name, value in figures.items():
        print(f"{name:32} {value:12.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
