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
associate_1e5_cpu_s
    CPU seconds of putting 10⁵ DIA sources of 100 images together to objects with light curves, four fifths of
    them repeated detections. With --quick of a tenth of them, as the two that follow.
night_1e6_cpu_s
    CPU seconds of counting a million scores of 50 visits of 189 detectors and comparing all visits and
    detectors with the rest of the night.
report_1e4_cpu_s, report_1e4_mb
    CPU seconds and size of the page of a run with 10⁴ sources and their stamps, packing of these included.

Each figure is measured by one function, which returns figures by name; `MEASURES` lists them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from astropy.table import Table, vstack
from judging.memory import peak_megabytes
from sklearn.metrics import roc_auc_score

from lsst.meas.realbogus.association import SkyImage, make_light_curves, read_epochs
from lsst.meas.realbogus.cutouts import StampBatch
from lsst.meas.realbogus.evaluation import (
    EvaluationOptions,
    Results,
    compare_night,
    count_scores,
    evaluate,
    judge_scores,
    read_sample,
)
from lsst.meas.realbogus.explanation import (
    EmbeddingOptions,
    Explainer,
    ExplanationOptions,
    explain_stamps,
    prepare_batch,
)
from lsst.meas.realbogus.model import build_keras, golden_stamps, read_model, read_model_file
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.report import CutoutCard, stretch_triplet, write_page
from lsst.meas.realbogus.report._stamps import pack_panels

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
    return {"cpu_s": seconds, "rss_gb": peak_megabytes() / 1024}


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
    size = _size(n)
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


def measure_association(quick: bool) -> Figures:
    """Associate sources of images that show one field."""
    n, n_images = (10_000 if quick else 100_000), 100
    rng = generator(4, "benchmark-evaluation", n)
    images = [SkyImage(visit, 0, "ugrizy"[visit % 6], 60_000.0 + visit) for visit in range(n_images)]
    of_image, sky = n // n_images, rng.uniform(0, 0.5, (2, n // n_images * 4 // 5))
    tables = []
    for image in images:
        # Repeated detections scatter by 0.05 arcsec; the others are anywhere.
        known = sky + rng.normal(0, 0.05 / 3600, sky.shape)
        ra, dec = np.hstack([known, rng.uniform(0, 0.5, (2, of_image - sky.shape[1]))])
        columns = {"diaSourceId": image.visit * of_image + np.arange(of_image), "ra": 150 + ra, "dec": dec}
        fluxes = {"psfFlux": rng.normal(1e3, 200, of_image), "psfFluxErr": np.full(of_image, 100.0)}
        tables.append(
            (Table(columns | fluxes), Table({"id": columns["diaSourceId"], "score": rng.random(of_image)}))
        )
    start = time.process_time()
    epochs = [read_epochs(*pair, image=image) for pair, image in zip(tables, images, strict=True)]
    curves = make_light_curves(vstack(epochs, metadata_conflicts="silent"), images)
    seconds = time.process_time() - start
    assert len(curves.association) == n
    return {f"associate_{_size(n)}_cpu_s": seconds}


def measure_night(quick: bool) -> Figures:
    """Count the scores of a night and compare its visits and detectors."""
    n, visits = (100_000 if quick else 1_000_000), (5 if quick else 50)
    rng = generator(5, "benchmark-evaluation", n)
    images = np.stack(np.meshgrid(np.arange(visits), np.arange(189), indexing="ij"), axis=-1).reshape(-1, 2)
    image_of_row, scores = rng.integers(0, len(images), n), rng.beta(1, 3, n)
    flags = {"edge": rng.random(n) < 0.02}
    start = time.process_time()
    compare_night(count_scores(images, image_of_row, scores, flags))
    return {f"night_{_size(n)}_cpu_s": time.process_time() - start}


def measure_report(quick: bool) -> Figures:
    """Write the page of a run with a stamp of every source."""
    n = 1_000 if quick else 10_000
    rng, roles = generator(6, "benchmark-evaluation", n), ("science", "template", "difference")
    ids, label = np.arange(1, n + 1), (np.arange(n) % 3 == 0).astype(np.int8)
    visit, found = 1000 + np.arange(n) % 50, np.flatnonzero(label)
    score = rng.beta(np.where(label, 8, 1), np.where(label, 1, 8))
    measured = {name: rng.uniform(0, 1000, n) for name in ("x", "y")} | {"psfFlux": np.full(n, 3e3)}
    measured |= {"psfFluxErr": np.full(n, 300.0), "snr": np.full(n, 10.0), "score": score}
    words = {"label_reason": np.where(label, "injected", "noise"), "injection_id": np.where(label, ids, 0)}
    place = {"visit": visit, "detector": np.zeros(n, int)}
    sources = Table({"diaSourceId": ids, **place, "label": label, **words, **measured})
    fates = Table({name: column[found] for name, column in place.items()})
    fates["injection_id"], fates["diaSourceId"] = ids[found], ids[found]
    fates["fate"], fates["flux"], fates["snr_expected"], fates["mag"] = "found", 3e3, 10.0, 22.0
    fates["x"], fates["y"] = sources["x"][found], sources["y"][found]
    pixels = rng.normal(50, 3, (n, 3, 51, 51)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        cards = [
            CutoutCard(
                id=str(ids[i]), where=f"visit {visit[i]}, detector 0",
                stamps=pack_panels(stretch_triplet(dict(zip(roles, pixels[i], strict=True)))),
                roles=roles, snr=10.0, x=float(sources["x"][i]), y=float(sources["y"][i]), ra=150.0, dec=2.0,
                scores={"score": float(score[i])}, flags=(), planes=(),
                label="real" if label[i] else "bogus", reason=words["label_reason"][i],
            )
            for i in range(n)
        ]  # fmt: skip
        results = Results(sources, fates, {"dia": "score"})
        page = write_page(Path(folder) / "report.html", results, title="A run", cards=cards)
        seconds = time.process_time() - start
        return {f"report_{_size(n)}_cpu_s": seconds, f"report_{_size(n)}_mb": page.stat().st_size / 1e6}


def _size(n: int) -> str:
    return f"{n:.0e}".replace("+0", "")


MEASURES: tuple[Callable[[bool], Figures], ...] = (
    measure_evaluation,
    measure_saliency,
    measure_association,
    measure_night,
    measure_report,
)


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
