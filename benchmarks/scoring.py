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
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from lsst.meas.realbogus.errors import MissingDependencyError
from lsst.meas.realbogus.model import (
    Architecture,
    Classifier,
    Contract,
    NormalizationChoice,
    Output,
    initial_weights,
    make_model,
    named_architecture,
    prepare,
    preset_contract,
    write_model,
)
from lsst.meas.realbogus.model._architecture import Dense, Flatten
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


def run_alone(code: str, argument: str = "") -> dict[str, float]:
    """Run code in a new process; it prints a number of CPU seconds last, peak memory is added here."""
    # The kernel's own mark of this program: ru_maxrss would count the parent's memory before exec.
    tail = (
        "\nimport time\n"
        "from pathlib import Path\n"
        "status = dict(line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines())\n"
        "print(time.process_time(), int(status['VmHWM'].split()[0]) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + tail, argument], check=True, capture_output=True, text=True
    )
    seconds, megabytes = done.stdout.split()[-2:]
    return {"start_s": float(seconds), "rss_mb": float(megabytes)}


_START = """
import sys, numpy as np
from pathlib import Path
from lsst.meas.realbogus.model import load_classifier
classifier = load_classifier(Path(sys.argv[1]).read_bytes())
stamps = np.random.Generator(np.random.PCG64(1)).standard_normal((3, 1, 51, 51), dtype=np.float32)
score = classifier.score(dict(zip(("difference", "science", "template"), stamps))).score
assert np.isfinite(score).all()
"""
_FILES = """
import sys
from lsst.meas.realbogus.cli import main
main(["score", "-q", *sys.argv[1].split()], standalone_mode=False)
"""
_IMAGES = """
import sys
sys.path.insert(0, sys.argv[1])
from scoring import make_classifier, make_images
from lsst.meas.realbogus.model import score_sources
images, x, y = make_images(4096, 10_000)
score_sources([make_classifier("dia")], images, x, y)
"""
_TENSORFLOW = """
import numpy as np
from lsst.meas.realbogus.model import build_keras, initial_weights, named_architecture
network = named_architecture("dia")
model = build_keras(network, initial_weights(network))
stamps = np.random.Generator(np.random.PCG64(1)).standard_normal((1, 51, 153, 1), dtype=np.float32)
model.predict(stamps, verbose=0)
"""
_TENSORFLOW_RATE = """
import time, numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
from lsst.meas.realbogus.model import build_keras, initial_weights, named_architecture
for name in ("dia", "nodia"):
    network = named_architecture(name)
    model = build_keras(network, initial_weights(network))
    stamps = np.zeros((1024, *network.input_shape), np.float32)
    model.predict(stamps[:64], batch_size=256, verbose=0)
    start = time.process_time()
    model.predict(stamps, batch_size=256, verbose=0)
    print(1024 / (time.process_time() - start))
"""


def measure_processes(quick: bool, folder: Path) -> dict[str, float]:
    file = folder / "benchmark.rbmodel"
    network = named_architecture("dia")
    file.write_bytes(write_model(make_model(preset_contract("dia", "b", "0"), initial_weights(network))))
    figures = run_alone(_START, str(file))
    if quick:
        return figures
    images = run_alone(_IMAGES, str(Path(__file__).parent))
    figures |= {"images_rss_mb": images["rss_mb"], "images_bytes_mb": 3 * 4096**2 * 4 / 2**20}
    return figures


def write_stamp_files(folder: Path, n: int, size: int) -> dict[str, Path]:
    """Write the same stamps as a stored npz and as a parquet file of one row group, some rows at a time."""
    import pyarrow
    import pyarrow.parquet

    block = min(n, 2_000)
    rng = generator(2, "benchmark-stamp-files", size)
    stamps = {
        role: rng.standard_normal((block, size, size), dtype=np.float32) for role in ("science", "template")
    }
    npz, parquet = folder / f"{n}.npz", folder / f"{n}.parquet"
    with zipfile.ZipFile(npz, "w") as archive:
        for role, pixels in stamps.items():
            with archive.open(f"{role}.npy", "w", force_zip64=True) as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (n, size, size)}
                np.lib.format.write_array_header_1_0(file, header)
                for _ in range(n // block):
                    file.write(pixels.tobytes())
    table = pyarrow.table(
        {
            role: pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(pixels.ravel()), size**2)
            for role, pixels in stamps.items()
        }
    )
    repeated = pyarrow.concat_tables([table] * (n // block))
    pyarrow.parquet.write_table(repeated, parquet, row_group_size=n, use_dictionary=False)
    return {"npz": npz, "parquet": parquet}


def measure_files(quick: bool, folder: Path) -> dict[str, float]:
    size, few, many = 21, *((2_000, 20_000) if quick else (10_000, 200_000))
    network = Architecture(
        name="small",
        input_shape=(size, size, 2),
        layers=(Flatten(name="flatten"), Dense(name="dense", units=2, activation="softmax")),
    )
    contract = Contract(
        name="small",
        version="0",
        inputs=("science", "template"),
        layout="channels",
        stamp_size=size,
        normalization=NormalizationChoice(name="acero-cuellar-3sigma-1"),
        output=Output(size=2, real=0),
        architecture=network,
    )
    model = folder / "small.rbmodel"
    model.write_bytes(write_model(make_model(contract, initial_weights(network))))

    def score(path: Path) -> dict[str, float]:
        output = folder / f"scores-{path.name}.parquet"
        return run_alone(_FILES, f"{path} -m {model} -o {output} --overwrite")

    growth, ratios, runs = [], [], {}
    small = {kind: score(path) for kind, path in write_stamp_files(folder, few, size).items()}
    large = write_stamp_files(folder, many, size)
    for _ in range(3):  # in turns: another process on the core slows down both alike
        runs = {kind: score(path) for kind, path in large.items()}
        ratios.append(runs["npz"]["start_s"] / runs["parquet"]["start_s"])
        growth.append(max(runs[kind]["rss_mb"] / small[kind]["rss_mb"] for kind in runs))
    return {
        "score_rss_growth": max(growth),
        "score_rss_mb": runs["parquet"]["rss_mb"],
        "score_per_cpu_s": many / runs["parquet"]["start_s"],
        "npz_over_parquet": float(np.median(ratios)),
    }


def measure_tensorflow(ours: dict[str, float]) -> dict[str, float]:
    started = run_alone(_TENSORFLOW)
    done = subprocess.run(
        [sys.executable, "-c", _TENSORFLOW_RATE], check=True, capture_output=True, text=True
    )
    dia, nodia = (float(line) for line in done.stdout.split()[-2:])
    return {
        "tensorflow_start_s": started["start_s"],
        "tensorflow_rss_mb": started["rss_mb"],
        "dia_over_tensorflow": ours["dia_per_cpu_s"] / dia,
        "nodia_over_tensorflow": ours["nodia_per_cpu_s"] / nodia,
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
