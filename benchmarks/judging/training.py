"""Networks trained for a study: small, on the same data and with the same budget."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.model import Calibration, Contract, Weights, prepare, preset_contract
from lsst.meas.realbogus.tables import atomic_output
from lsst.meas.realbogus.training import (
    SIDES,
    Augmentation,
    LabelledStamps,
    Network,
    StampBatches,
    StrategyConfig,
    TrainingConfig,
    TransferConfig,
    fit,
    fit_calibration,
    split_stamps,
)

from .models import Psf
from .sets import JudgedSet

type Labels = npt.NDArray[np.int8]

SMALL = (8, 16, 24, 32)
"""Filters of the compact network in studies that train many: as many stages as the packaged one has."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """What every network of a study may use: stamps shown in all and in a step, and how fast it learns."""

    shown: int = 60_000
    batch: int = 64
    learning_rate: float = 1.5e-3

    def config(self, n_learn: int, seed: int, strategy: StrategyConfig | None = None) -> TrainingConfig:
        """Options of a training that shows as many stamps, however many there are to learn from."""
        return TrainingConfig(
            epochs=max(1, round(self.shown / n_learn)),
            batch_size=self.batch,
            learning_rate=self.learning_rate,
            seed=seed,
            strategy=strategy or StrategyConfig(),
        )


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A network with what it is fed and how its answers are calibrated."""

    name: str
    contract: Contract
    network: Network
    calibration: Calibration | None
    content: str

    @property
    def uses_psf(self) -> bool:
        """Whether the network is told the PSF."""
        return self.contract.psf is not None

    def score(self, judged: JudgedSet, psf: Psf = "known") -> npt.NDArray[np.float64]:
        """Score a set, NaN where the contract gives no score."""
        fwhm = judged.psf_fwhm if self.uses_psf and psf == "known" else None
        raw = raw_scores(self.contract, self.network, judged.stamps, judged.is_negative, fwhm)
        if self.calibration is None:
            return raw
        return np.interp(raw, self.calibration.scores, self.calibration.probabilities)


def raw_scores(
    contract: Contract,
    network: Network,
    stamps: Mapping[str, npt.NDArray[np.float32]],
    is_negative: npt.NDArray[np.bool_],
    psf_fwhm: npt.NDArray[np.float32] | None,
) -> npt.NDArray[np.float64]:
    """Answers of a network before calibration, NaN where the contract gives no score."""
    prepared = prepare(contract, stamps, None, is_negative, psf_fwhm=psf_fwhm)
    return np.where(prepared.flag_unscorable, np.nan, network.predict(prepared.inputs))


def compact_contract(**changes: Any) -> Contract:
    """Contract of the small compact network of studies."""
    return preset_contract("compact", "study", "0", filters=SMALL, **changes)


def train_network(
    name: str,
    contract: Contract,
    learn: LabelledStamps,
    choose: LabelledStamps,
    budget: Budget,
    *,
    seed: int,
    augmentation: Augmentation | None = None,
    strategy: StrategyConfig | None = None,
    learn_label: Labels | None = None,
    choose_label: Labels | None = None,
    start: Weights | None = None,
    layers: str = "all",
    calibrate: bool = True,
    last_epoch: bool = False,
) -> TrainedModel:
    """Train a network and calibrate it by the stamps that chose its epoch.

    ``learn_label`` and ``choose_label`` stand for the labels that are wrong in studies of labels;
    ``last_epoch`` keeps the weights of the last epoch, whatever these make of it.
    """
    assert contract.architecture is not None
    config = budget.config(len(learn), seed, strategy).replace(transfer=TransferConfig(layers=layers))
    if last_epoch:
        config = config.replace(first_epoch=config.epochs - 1)
    batches = StampBatches(
        learn, contract, augmentation, batch_size=config.batch_size, seed=seed, label=learn_label
    )
    judged_by = StampBatches(choose, contract, batch_size=512, label=choose_label)
    network, _ = fit(contract.architecture, contract.output, batches, judged_by, config, start=start)
    calibration = None
    if calibrate:
        raw = raw_scores(contract, network, choose.pixels, choose.is_negative, choose.psf_fwhm)
        calibration = fit_calibration(raw, choose.label if choose_label is None else choose_label)
    digest = hashlib.sha256(b"".join(w.tobytes() for m in network.members for w in m.values()))
    return TrainedModel(name, contract, network, calibration, digest.hexdigest()[:16])


@dataclasses.dataclass(frozen=True)
class Networks:
    """Trains networks that all studies share, and keeps them in files so that a study can be continued.

    Parameters
    ----------
    folder
        Where they are kept.
    """

    folder: Path

    def train(
        self,
        name: str,
        contract: Contract,
        learn: LabelledStamps,
        choose: LabelledStamps,
        budget: Budget,
        *,
        seed: int,
        augmentation: Augmentation,
    ) -> TrainedModel:
        """Train a network as `train_network` does, or read what was trained before from the same."""
        inputs = (contract.to_json(), budget, seed, augmentation, identity(learn), identity(choose))
        path = self.folder / f"{hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]}.npz"
        if path.is_file():
            return _read_network(path, name, contract)
        model = train_network(name, contract, learn, choose, budget, seed=seed, augmentation=augmentation)
        self.folder.mkdir(parents=True, exist_ok=True)
        _write_network(path, model)
        return model


def _write_network(path: Path, model: TrainedModel) -> None:
    arrays = {
        f"{number} {key}": array
        for number, member in enumerate(model.network.members)
        for key, array in member.items()
    }
    calibration = "" if model.calibration is None else model.calibration.model_dump_json()
    with atomic_output(path) as place, place.open("wb") as file:
        np.savez(file, calibration=calibration, content=model.content, **arrays)


def _read_network(path: Path, name: str, contract: Contract) -> TrainedModel:
    members: dict[str, Weights] = {}
    with np.load(path, allow_pickle=False) as arrays:
        calibration, content = (str(arrays[key]) for key in ("calibration", "content"))
        for key in arrays.files:
            number, _, weight = key.partition(" ")
            if weight:
                members.setdefault(number, {})[weight] = arrays[key]
    assert contract.architecture is not None
    network = Network(contract.architecture, contract.output, tuple(members.values()))
    known = Calibration.model_validate_json(calibration) if calibration else None
    return TrainedModel(name, contract, network, known, content)


def identity(stamps: LabelledStamps) -> tuple[object, ...]:
    """What tells sets of stamps apart, to know whether a result is theirs."""
    digest = hashlib.sha256()
    for values in (stamps.label, stamps.group, stamps.snr, next(iter(stamps.pixels.values()))[:, ::7, ::7]):
        digest.update(np.ascontiguousarray(values).tobytes())
    return len(stamps), digest.hexdigest()[:16]


def split_anew(
    parts: Mapping[str, LabelledStamps], seed: int = 1, fractions: Sequence[float] = (0.7, 0.15, 0.15)
) -> dict[str, LabelledStamps]:
    """Split the stamps of all surveys by sky cell, host and object: every survey is on every side."""
    whole = LabelledStamps.concatenate(parts.values())
    split = split_stamps(whole.columns, by=("cell", "host", "object"), fractions=fractions, seed=seed)
    return {role: whole[split.rows(role)] for role in SIDES}


def at_most(stamps: LabelledStamps, n: int, seed: int = 1) -> LabelledStamps:
    """Keep a random part of the stamps, in their order."""
    if len(stamps) <= n:
        return stamps
    rng = np.random.default_rng(seed)
    return stamps[np.sort(rng.permutation(len(stamps))[:n])]
