"""What moves the figures: data, augmentation, design; and what a few labels of another survey add."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.evaluation import judge_scores
from lsst.meas.realbogus.model import (
    Contract,
    MissingRule,
    NormalizationChoice,
    PsfInput,
    Weights,
    preset_contract,
    read_model,
    read_model_file,
)
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.survey import training_regime
from lsst.meas.realbogus.training import Augmentation, LabelledStamps, Network, TrainingConfig

from .ledger import Figures, Ledger, Record
from .models import Scoring
from .out_of_distribution import measure_real_set
from .sets import JudgedSet, as_judged, object_numbers
from .study import Study
from .training import (
    Budget,
    Networks,
    compact_contract,
    identity,
    raw_scores,
    split_anew,
    train_network,
)

type Parts = Mapping[str, LabelledStamps]
type Sets = Mapping[str, JudgedSet]

OUTSIDE = (
    "ztf area, all",
    "ztf area, independent",
    "ztf TPR at 1 % FPR, independent",
    "hsc bogus above 0.5",
    "lsstcam AGN above 0.5",
)
"""Figures of the real sets that tables of designs show."""
FAMILIES = {
    "cosmic rays, hot pixels and columns": (
        "cosmic_ray", "cosmic_ray_hit", "hot_pixel", "bad_column", "streak",
    ),
    "ghosts and blobs": ("ghost", "ghost_disk", "soft_blob"),
    "trails and glints": ("satellite", "glint"),
    "charge and crosstalk": ("persistence", "charge_trail", "crosstalk"),
    "bright stars": ("core_defect", "brighter_fatter", "saturation"),
    "optics and astrometry": ("aberration", "psf_change", "refraction", "astrometric_jitter"),
    "missing pixels and edges": ("missing_block", "ringing", "edge"),
    "residuals": ("star", "galaxy", "high_proper_motion", "dipole"),
    "noise and unexplained": ("noise", "unexplained"),
}  # fmt: skip
"""Kinds of bogus sources that are left out together."""
AUGMENTATIONS: Mapping[str, Augmentation | None] = {
    "none but turns": Augmentation(
        resampled=0.0, noisy=0.0, gaps=0.0, borders=0.0, smaller=0.0, sign=0.0, without_psf=0.0
    ),
    "no turns": Augmentation(turn=False),
    "no zoom and shift": Augmentation(resampled=0.0),
    "no noise": Augmentation(noisy=0.0),
    "no gaps and borders": Augmentation(gaps=0.0, borders=0.0),
    "no smaller stamps": Augmentation(smaller=0.0),
    "PSF always told": Augmentation(without_psf=0.0),
}
DESIGNS: Mapping[str, Callable[[], Contract]] = {
    "normalisation as ML4transients": lambda: compact_contract(
        normalization=NormalizationChoice(name="ml4transients-batch-1"), missing=_filled()
    ),
    "normalisation l2": lambda: compact_contract(
        normalization=NormalizationChoice(name="l2-1"), missing=_filled()
    ),
    "softening 1": lambda: compact_contract(
        normalization=NormalizationChoice(name="asinh-1", parameters={"softening": 1.0})
    ),
    "PSF as a width": lambda: compact_contract(psf=PsfInput(form="width")),
    "PSF not told": lambda: compact_contract(psf=None),
    "missing pixels not told": lambda: compact_contract(missing=_filled()),
    "stamps of 21": lambda: compact_contract(stamp_size=21),
    "stamps of 41": lambda: compact_contract(stamp_size=41),
    "science and template only": lambda: compact_contract(inputs=("science", "template")),
}
TRANSFER = "at the usual rate, the start stays if no epoch is better"
"""How a network of the study goes on learning."""
SHOWN = 2_000
"""Stamps shown at least to a network that goes on learning with a few labels."""
NETWORKS = ("compact", "dia", "nodia", "deepshadows", "ml4transients", "braai")
TEXT = (
    "Networks that differ from the first row in one thing, trained on the same stamps with the same budget "
    "(stamps shown). The area and the rate at 1 % false positives are those of surveys not seen; the others "
    "are real stamps, with the PSF known. Families of artefacts are left out of learning only."
)


def _filled() -> MissingRule:
    return MissingRule(rule="median", maximum_fraction=0.75)


def measure_network(model: Scoring, judge: LabelledStamps, sets: Sets) -> Figures:
    """Give the figures of a network in distribution and on the real sets."""
    scores = model.score(as_judged(judge, ""))
    judged = judge_scores(scores, judge.label, object_numbers(judge), n_resamples=100)
    figures = {"area": judged.area, "TPR at 1 % FPR": judged.rate}
    for name in ("ztf", "hsc", "lsstcam"):
        if name in sets:
            real = measure_real_set(sets[name], model.score(sets[name]))
            figures |= {key: real[key] for key in OUTSIDE if key in real}
    return figures


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Trains and measures the cases of a study."""

    ledger: Ledger
    parts: Parts
    sets: Sets
    budget: Budget
    seeds: Sequence[int]
    networks: Networks

    def records(
        self,
        case: tuple[str, ...],
        contract: Contract,
        *,
        learn: LabelledStamps | None = None,
        judge: LabelledStamps | None = None,
        augmentation: Augmentation | None = None,
        sets: Sets | None = None,
    ) -> list[Record]:
        """Train one case with every seed."""
        learn = self.parts["learn"] if learn is None else learn
        judge = self.parts["judge"] if judge is None else judge
        choose = self.parts["choose"]
        sets = self.sets if sets is None else sets
        augmentation = Augmentation() if augmentation is None else augmentation
        data = tuple(identity(part) for part in (learn, choose, judge))
        records = []
        for seed in self.seeds:
            inputs = (case, contract.to_json(), augmentation, self.budget, data, sorted(sets))

            def compute() -> Figures:
                model = self.networks.train(
                    " ".join(case), contract, learn, choose, self.budget,
                    seed=seed, augmentation=augmentation,  # noqa: B023
                )  # fmt: skip
                return measure_network(model, judge, sets)

            records.append(self.ledger.figures(case, seed, inputs, compute))
        return records


def study_ablations(trainer: Trainer) -> Study:
    """Change one thing at a time: artefacts, augmentation, design, network."""
    records = trainer.records(("as it is", ""), compact_contract())
    learn = trainer.parts["learn"]
    kind = as_judged(learn, "").kind
    named = {one for kinds in FAMILIES.values() for one in kinds}
    others = tuple(sorted(set(kind[learn.label == 0].tolist()) - named))
    for name, kinds in {**FAMILIES, ", ".join(others) or "others": others}.items():
        left = (learn.label == 1) | ~np.isin(kind, kinds)
        if not left.all() and (learn.label[left] == 0).any():
            case = "artefacts left out", f"{name} ({int((~left).sum())})"
            records += trainer.records(case, compact_contract(), learn=learn[left])
    for name, augmentation in AUGMENTATIONS.items():
        records += trainer.records(("augmentation", name), compact_contract(), augmentation=augmentation)
    for name, make in DESIGNS.items():
        records += trainer.records(("design", name), make())
    for name in NETWORKS:
        records += trainer.records(("network as published", name), preset_contract(name, "study", "0"))
    return Study("ablations", "What moves it", TEXT, ("what", "how"), records)


def study_learning_curve(trainer: Trainer) -> Study:
    """Learn from ever more surveys, with the same number of stamps shown."""
    learn = trainer.parts["learn"]
    groups = np.unique(learn.group)
    numbers = sorted({n for n in (1, 2, 4, 8, 16, 32, 64) if n < groups.size} | {groups.size})
    records = []
    for n in numbers:
        part = learn[np.isin(learn.group, groups[:n])]
        if len(np.unique(part.label)) == 2:
            records += trainer.records((str(n), str(len(part))), compact_contract(), learn=part)
    text = (
        "Networks that learn from the first n surveys, with the same number of stamps shown: whether more "
        "surveys would help."
    )
    return Study("learning_curve", "Number of surveys", text, ("surveys", "stamps"), records)


def study_left_out_camera(trainer: Trainer) -> Study:
    """Leave all surveys of a regime out of learning, and judge by them alone."""
    learn, judge = trainer.parts["learn"], trainer.parts["judge"]
    both = LabelledStamps.concatenate([learn, judge])
    regime = np.array([training_regime(int(group)) for group in both.group.tolist()])
    own = np.array([training_regime(int(group)) for group in learn.group.tolist()])
    records = []
    for name in np.unique(own).tolist():
        held = both[regime == name]
        rest = learn[own != name]
        if len(np.unique(held.label)) == 2 and len(np.unique(rest.label)) == 2:
            records += trainer.records(
                (name, str(len(held))), compact_contract(), learn=rest, judge=held, sets={}
            )
    text = (
        "All surveys with the pixels and PSFs of one camera are left out of learning, and judge alone. The "
        "surveys that choose the epoch are the same throughout."
    )
    return Study("left_out_camera", "A camera left out", text, ("left out", "stamps judged"), records)


def study_splits(trainer: Trainer, numbers: Sequence[int]) -> Study:
    """Split the same stamps anew: how much figures depend on the split, and how much on the seed."""
    records = []
    for number in numbers:
        parts = split_anew(trainer.parts, number)
        other = dataclasses.replace(trainer, parts=parts, seeds=(trainer.seeds[0],), sets={})
        records += [
            dataclasses.replace(record, case=("split anew, one seed",), seed=number)
            for record in other.records((f"split {number}",), compact_contract())
        ]
    parts = split_anew(trainer.parts, numbers[0])
    same = dataclasses.replace(trainer, parts=parts, seeds=tuple(numbers), sets={})
    records += same.records(("one split, seeds anew",), compact_contract())
    text = (
        "The stamps of all surveys, split by sky cell, host and object. The scatter (±) in the first row is "
        "that between splits, in the second that between seeds; the first holds the second (DeepShadows)."
    )
    return Study("splits", "Split to split", text, ("what",), records)


def study_transfer(
    trainer: Trainer,
    labels: Sequence[int] = (50, 200, 500),
    n_folds: int = 5,
    model: str = "package:dia",
) -> Study:
    """Go on learning with a few labels of ZTF, and judge by those that were not used.

    Each fifth of the labelled alerts is scored by a network that has learnt from labels of the other four;
    more labels than these have are cut to them.
    """
    ztf = trainer.sets["ztf"]
    known = ztf[ztf.label >= 0]
    fold = generator(1, "transfer-folds").permutation(len(known)) % n_folds
    most = int(min((fold != f).sum() for f in range(n_folds)))
    counts = sorted({min(n, most) for n in labels})
    small = compact_contract()
    packaged = read_model(read_model_file(model))
    packaged_name = f"{packaged.contract.name}-{packaged.contract.version}"
    records: list[Record] = []
    for seed in trainer.seeds:
        trained = functools.partial(
            trainer.networks.train,
            "base", small, trainer.parts["learn"], trainer.parts["choose"], trainer.budget,
            seed=seed, augmentation=Augmentation(),
        )  # fmt: skip
        starts: dict[str, tuple[Contract, Callable[[], Weights | None]]] = {
            "small": (small, functools.cache(lambda trained=trained: trained().network.members[0])),
            packaged_name: (packaged.contract, lambda: packaged.weights),
            "none": (small, lambda: None),
        }
        cases = [(name, "", 0) for name in starts if name != "none"]
        cases += [(name, way, n) for name in starts for way in ("all layers", "head") for n in counts]
        for name, way, n in cases:
            if (name, way) == ("none", "head"):
                continue
            contract, weights = starts[name]
            inputs = (TRANSFER, trainer.budget, n_folds, *(identity(part) for part in trainer.parts.values()))
            measure = functools.partial(_measure_transfer, known, fold, contract, weights, n, way, seed)
            records.append(trainer.ledger.figures((name, way, str(n)), seed, inputs, measure))
    text = (
        "Networks go on learning with some labels of real ZTF alerts, in all layers or in the head, and stay "
        "as they were if the fifth of these labels that chooses the epoch finds none better; small: trained "
        f"on simulated surveys for this study. Each of {n_folds} parts of the alerts is scored by a network "
        f"that has not seen it, so that no more than {most} labels can be learnt from. Scores are not "
        "calibrated."
    )
    return Study("transfer", "A few labels of another survey", text, ("start", "learns", "labels"), records)


def _measure_transfer(
    known: JudgedSet,
    fold: npt.NDArray[np.int64],
    contract: Contract,
    weights: Callable[[], Weights | None],
    n: int,
    way: str,
    seed: int,
) -> Figures:
    """Give the figures of all folds together, each scored by a network that learnt from the others."""
    start, scores = weights(), np.empty(len(known))
    for f in np.unique(fold).tolist():
        here = fold == f
        if n:
            network = _transferred(contract, known[~here], n, way, start, seed, f)
        else:
            assert contract.architecture is not None and start is not None
            network = Network(contract.architecture, contract.output, (start,))
        psf_fwhm = known.psf_fwhm[here] if contract.psf is not None else None
        stamps = {role: pixels[here] for role, pixels in known.stamps.items()}
        scores[here] = raw_scores(contract, network, stamps, known.is_negative[here], psf_fwhm)
    figures = measure_real_set(known, scores)
    return {key: value for key, value in figures.items() if "without" not in key}


def _transferred(
    contract: Contract,
    known: JudgedSet,
    n: int,
    way: str,
    start: Weights | None,
    seed: int,
    fold: int,
) -> Network:
    """Learn from ``n`` labels, a fifth of which choose the epoch."""
    order = generator(seed, "transfer-labels", fold).permutation(len(known))[:n]
    rank = np.empty(n, int)
    label = known.label[order]
    for value in (0, 1):  # of each class every fifth, so that both choose
        here = np.flatnonzero(label == value)
        rank[here] = np.arange(here.size)
    stamps = LabelledStamps(
        dict(known[order].stamps),
        label,
        is_negative=known.is_negative[order],
        snr=known.snr[order],
        psf_fwhm=known.psf_fwhm[order],
    )
    chooses = rank % 5 == 0
    rate = TrainingConfig().resolved(goes_on=start is not None).learning_rate
    assert rate is not None
    return train_network(
        way, contract, stamps[~chooses], stamps[chooses],
        Budget(shown=max(SHOWN, 10 * n), batch=32, learning_rate=rate),
        seed=seed, augmentation=Augmentation(), layers="head" if way == "head" else "all",
        start=start, calibrate=False,
    ).network  # fmt: skip
