"""What judging scores costs.

Figures:

evaluate_1e6_cpu_s
    CPU seconds of one core for `evaluate` of a million scored sources: all figures in all bins, of what was
    detected and end to end, with intervals from 1,000 bootstrap draws of the objects. With --quick of 50,000
    sources and 200 draws, under a name that says so.
judge_1e6_cpu_s
    The same for `judge_scores`, the figures of all sources together.
evaluate_1e6_rss_gb
    Peak memory of a process that does only that.
loop_over_evaluate, loop_over_judge
    CPU seconds of scikit-learn's ``roc_auc_score`` alone, of all sources together, in a loop of as many draws
    of single sources, over those; from a few rounds of the loop.

Each figure is measured by one function, which returns figures by name; `MEASURES` lists them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from sklearn.metrics import roc_auc_score

from lsst.meas.realbogus.cutouts import StampBatch
from lsst.meas.realbogus.evaluation import EvaluationOptions, evaluate, judge_scores, read_sample
from lsst.meas.realbogus.explanation import (
    EmbeddingOptions,
    Explainer,
    ExplanationOptions,
    explain_stamps,
    prepare_batch,
)
from lsst.meas.realbogus.model import build_keras, golden_stamps, read_model, read_model_file
from lsst.meas.realbogus.randomness import generator

type Figures = dict[str, float]


def make_scores(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw scores, labels and objects: one source in five is a repeated detection."""
    rng = generator(1, "benchmark-evaluation", n)
    labels = (rng.random(n) < 0.2).astype(np.int8)
    scores = 1 / (1 + np.exp(-rng.normal(3.0 * labels - 1.5, 1.0)))
    return scores, labels, rng.integers(0, n, n) * 2 + labels


def judge(n: int, n_draws: int) -> Figures:
    """Judge scores in this process."""
    scores, labels, objects = make_scores(n)
    start = time.process_time()
    judge_scores(scores, labels, objects, n_resamples=n_draws)
    return {"cpu_s": time.process_time() - start}


def evaluate_all(n: int, n_draws: int) -> Figures:
    """Evaluate a sample with SNR, magnitudes, bands, detectors and hosts in this process."""
    scores, labels, objects = make_scores(n)
    rng = generator(3, "benchmark-evaluation", n)
    mag = rng.uniform(19, 25, n)
    found = (labels == 0) | (rng.random(n) < 1 / (1 + np.exp((mag - 24) / 0.3)))
    nan = float("nan")
    sample = read_sample(
        {
            "label": labels,
            "score": np.where(found, scores, nan),
            "object_id": objects,
            "is_detected": found,
            "kind": np.where(labels == 1, "fake", "noise"),
            "band": np.array(list("ugrizy"))[rng.integers(0, 6, n)],
            "detector": rng.integers(0, 9, n),
            "snr": np.where(found, 10 ** (0.4 * (25.5 - mag)), nan),
            "snr_true": np.where(labels == 1, 10 ** (0.4 * (25.5 - mag)), nan),
            "mag": np.where(found, mag, nan),
            "mag_true": np.where(labels == 1, mag, nan),
            "host_distance": np.where(labels == 1, rng.uniform(0, 5, n), nan),
            "edge_distance": rng.uniform(0, 2000, n),
        }
    )
    start = time.process_time()
    evaluate(sample, EvaluationOptions(n_resamples=n_draws))
    seconds = time.process_time() - start
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024**2 for line in status if line.startswith("VmHWM"))
    return {"cpu_s": seconds, "rss_gb": peak}


def measure_evaluation(quick: bool) -> Figures:
    """Judge scores in a process of its own, next to a loop over draws."""
    n, n_draws, rounds = (50_000, 200, 3) if quick else (1_000_000, 1_000, 3)
    ours = {}
    for work in ("judge", "evaluate"):
        command = [sys.executable, __file__, f"--{work}", str(n), str(n_draws)]
        ours[work] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    scores, labels, _ = make_scores(n)
    rng = generator(2, "benchmark-evaluation", n)
    start = time.process_time()
    for _ in range(rounds):
        drawn = rng.integers(0, n, n)
        roc_auc_score(labels[drawn], scores[drawn])
    loop = (time.process_time() - start) * n_draws / rounds
    size = f"{n:.0e}".replace("+0", "")
    return {
        f"evaluate_{size}_cpu_s": ours["evaluate"]["cpu_s"],
        f"evaluate_{size}_rss_gb": ours["evaluate"]["rss_gb"],
        f"judge_{size}_cpu_s": ours["judge"]["cpu_s"],
        "loop_over_evaluate": loop / ours["evaluate"]["cpu_s"],
        "loop_over_judge": loop / ours["judge"]["cpu_s"],
    }


def measure_saliency(quick: bool) -> Figures:
    """Explain stamps by turns here and by hand."""
    names = {"acero-cuellar-dia": "dia", "dia": "compact"}
    figures = {
        f"saliency_over_gradient_{network}": _saliency_over_gradient(name, 256 if quick else 1024)
        for name, network in names.items()
    }
    return {"saliency_over_gradient": max(figures.values()), **figures}


def _saliency_over_gradient(name: str, n: int, rounds: int = 5) -> float:
    import tensorflow as tf

    model = read_model(read_model_file(f"package:{name}"))
    contract, options = model.contract, ExplanationOptions(embedding=EmbeddingOptions(method="pca"))
    stamps, negative = golden_stamps(51, n=n)
    batch = StampBatch(np.arange(n), stamps, negative, psf_fwhm=np.full(n, 3.0, np.float32))
    explainer, inputs = Explainer(model), prepare_batch(contract, batch).inputs
    network = build_keras(contract.architecture, model.weights)

    @tf.function(input_signature=[tf.TensorSpec((None, *contract.input_shape), tf.float32)])
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            answer = tf.reduce_max(network(x, training=False), axis=1)
        return tf.abs(tape.gradient(answer, x))

    def by_hand() -> None:
        for start in range(0, n, options.batch_size):
            gradient(inputs[start : start + options.batch_size]).numpy()

    ways = {"ours": lambda: explain_stamps(explainer, [batch], options), "bare": by_hand}
    seconds = dict.fromkeys(ways, 0.0)
    for turn in range(rounds + 1):
        for way, run in ways.items():
            start = time.process_time()
            run()
            seconds[way] += time.process_time() - start if turn else 0.0  # the first turn traces
    return seconds["ours"] / seconds["bare"]


MEASURES: tuple[Callable[[bool], Figures], ...] = (measure_evaluation, measure_saliency)


def main() -> None:
    parser = argparse.ArgumentParser(description="What judging scores costs.")
    parser.add_argument("--quick", action="store_true", help="50,000 sources and 200 draws")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    for work in ("--judge", "--evaluate"):
        parser.add_argument(work, nargs=2, type=int, metavar=("N", "DRAWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.judge or arguments.evaluate:
        figures = judge(*arguments.judge) if arguments.judge else evaluate_all(*arguments.evaluate)
        print(json.dumps(figures))
        return
    figures = {}
    for measure in MEASURES:
        figures |= measure(arguments.quick)
    for name, value in figures.items():
        print(f"{name:24s} {value:.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
