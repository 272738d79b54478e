"""Scores made in processes of their own: how long they take to start, and how much memory they need."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from lsst.meas.realbogus.model import (
    Architecture,
    Contract,
    NormalizationChoice,
    Output,
    initial_weights,
    make_model,
    named_architecture,
    preset_contract,
    write_model,
)
from lsst.meas.realbogus.model._architecture import Dense, Flatten
from lsst.meas.realbogus.randomness import generator


def run_alone(code: str, argument: str = "") -> dict[str, float]:
    """Run code in a new process; it prints a number of CPU seconds last, peak memory is added here."""
    tail = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from judging.memory import peak_megabytes
print(time.process_time(), peak_megabytes())"""
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
    images = run_alone(_IMAGES, str(Path(__file__).parents[1]))
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
