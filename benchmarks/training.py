"""What training costs beside the arithmetic of the network.

For each architecture, stamps per CPU second of one core in `training.fit` (batches of arrays in memory,
turned and mirrored) over those of a bare ``keras.Model.fit`` on the same arrays, network and optimiser,
in turns in one process (`training_over_keras_NAME`; `training_over_keras` is the least). For ``compact``
also with all that training from raw stamps does: augmentation, and what the contract says
(`augmented_over_keras_compact`). Then the peak memory of training from a set of files ten times as large
over that of the smaller set (`training_rss_growth`), each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from judging.memory import peak_megabytes

from lsst.meas.realbogus.model import Contract, build_keras, preset_contract
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import (
    ArrayBatches,
    Augmentation,
    Batches,
    EpochFigures,
    LabelledStamps,
    StampBatches,
    StampSet,
    StampWriter,
    TrainingConfig,
    fit,
)

NETWORKS = ("compact", "dia", "nodia", "ml4transients", "deepshadows", "braai")


class Clock:
    """Takes the CPU time of the steps of the last epoch, all but the first few."""

    def __init__(self, skipped: int) -> None:
        self.skipped, self.n_stamps, self.seconds = skipped, 0, 0.0

    def step(self, epoch: int, step: int, n_steps: int) -> None:
        if step == self.skipped:
            self.start = time.process_time()
        self.seconds = time.process_time() - self.start if step >= self.skipped else 0.0
        self.n_steps = n_steps - 1 - self.skipped

    def epoch(self, epoch: int, figures: EpochFigures) -> None:
        pass


def ours(contract: Contract, learn: Batches, choose: Batches, batch_size: int) -> float:
    """Return stamps per CPU second of `fit`."""
    clock = Clock(skipped=4)
    config = TrainingConfig(epochs=1, batch_size=batch_size, precision="float32")
    assert contract.architecture is not None
    fit(contract.architecture, contract.output, learn, choose, config, watchers=[clock])
    return clock.n_steps * batch_size / clock.seconds


class Bare:
    """The same network in Keras, as anyone would train it."""

    def __init__(self, contract: Contract, x: Any, label: Any, batch_size: int) -> None:
        import keras

        assert contract.architecture is not None
        self.model = build_keras(contract.architecture)
        classes = contract.output.size > 1
        loss = keras.losses.SparseCategoricalCrossentropy() if classes else keras.losses.BinaryCrossentropy()
        self.model.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-4), loss)
        self.data = x, label.astype(np.float32)
        self.batch_size = batch_size
        first = slice(0, 4 * batch_size)
        self.model.fit(x[first], self.data[1][first], batch_size=batch_size, verbose=0)

    def rate(self) -> float:
        start = time.process_time()
        self.model.fit(*self.data, batch_size=self.batch_size, verbose=0)
        return len(self.data[0]) / (time.process_time() - start)


def make_stamps(n: int, size: int, seed: int = 1) -> LabelledStamps:
    """Draw stars and hot pixels on noise."""
    rng = generator(seed, "benchmark-training")
    y, x = np.mgrid[:size, :size] - size // 2
    label = (np.arange(n) % 2).astype(np.int8)
    star, pixel = np.exp(-0.125 * (x**2 + y**2)), (np.hypot(x, y) < 0.5).astype(float)
    source = np.where(label[:, None, None] == 1, 8 * star, 20 * pixel)
    pixels = {
        name: (rng.normal(size=(n, size, size)) + part).astype(np.float32)
        for name, part in {"difference": source, "science": source, "template": 0.0}.items()
    }
    return LabelledStamps(
        pixels, label, snr=np.full(n, 20.0), psf_fwhm=np.full(n, 4.7), pixel_scale=np.full(n, 0.2)
    )


def measure_speed(name: str, n: int, rounds: int) -> dict[str, float]:
    """Train one architecture by turns here and in Keras."""
    batch_size = 64
    contract = preset_contract(name, name, "1")
    stamps = make_stamps(n, contract.stamp_size)
    x = generator(2, "benchmark-training").normal(size=(n, *contract.input_shape)).astype(np.float32)
    arrays = ArrayBatches(x, stamps.label, batch_size=batch_size, seed=1, turn=True)
    few = ArrayBatches(x[:64], stamps.label[:64], batch_size=64)
    bare = Bare(contract, x, stamps.label, batch_size)
    ways: dict[str, Batches] = {"training": arrays}
    if name == "compact":
        ways["augmented"] = StampBatches(stamps, contract, Augmentation(), batch_size=batch_size, seed=1)
    rates: dict[str, list[float]] = {way: [] for way in (*ways, "keras")}
    for _ in range(rounds):
        rates["keras"].append(bare.rate())
        for way, batches in ways.items():
            rates[way].append(ours(contract, batches, few, batch_size))
    figures = {f"training_per_cpu_s_{name}": float(np.median(rates["training"]))}
    for way in ways:
        ratio = np.median(np.array(rates[way]) / np.array(rates["keras"]))
        figures[f"{way}_over_keras_{name}"] = float(ratio)
    return figures


def train_from(folder: Path) -> None:
    """Train from files, and print the peak memory of the process [MB]."""
    contract = preset_contract("compact", "compact", "1", filters=(8, 8, 8))
    assert contract.architecture is not None
    stamps = StampSet(folder)
    learn = StampBatches(stamps, contract, Augmentation(), seed=1)
    choose = StampBatches(stamps, contract, rows=np.arange(512))
    fit(contract.architecture, contract.output, learn, choose, TrainingConfig(epochs=1))
    print(peak_megabytes())


def measure_memory(n: int, folder: Path) -> dict[str, float]:
    """Compare the memory of training from a set and from one ten times as large."""
    peaks = []
    for factor in (1, 10):
        part = folder / str(factor)
        part.mkdir()
        with StampWriter(part / "stamps.parquet") as writer:
            for seed in range(10 * factor):
                writer.write(make_stamps(n // 10, 41, seed))
        command = [sys.executable, __file__, "--train-from", str(part)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(float(done.stdout.split()[-1]))
    return {"training_rss_mb": peaks[0], "training_rss_growth": peaks[1] / peaks[0]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer stamps, one round; under a minute")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--train-from", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train_from:
        train_from(arguments.train_from)
        return
    figures: dict[str, float] = {}
    for name in ("compact",) if arguments.quick else arguments.networks:
        figures |= measure_speed(name, 768 if arguments.quick else 1536, 1 if arguments.quick else 3)
    ratios = [value for name, value in figures.items() if name.startswith("training_over_keras_")]
    figures["training_over_keras"] = min(ratios)
    with tempfile.TemporaryDirectory() as folder:
        figures |= measure_memory(1_000 if arguments.quick else 4_000, Path(folder))
    for name, value in figures.items():
        print(f"{name:40} {value:12.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
