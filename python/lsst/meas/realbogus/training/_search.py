"""Search for options of training that do better."""

from __future__ import annotations

__all__ = ("SearchOptions", "search_options")

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInputError, MissingDependencyError
from ..model import default_filters
from ..options import Options, option
from ._figures import EpochFigures
from ._fit import Watcher, fit
from ._ordered_model import ModelOptions, ordered_contract, ordered_split
from ._stamp_batches import StampBatches
from ._stamp_set import StampSet

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class SearchOptions(Options, ordered=[("least_rate", "most_rate"), ("least_decay", "most_decay")]):
    """What is tried, and how often."""

    trials: int = option(30, "Trainings in all, those of earlier calls counted.", min=1)
    least_rate: float = option(1e-4, "Least learning rate, tried evenly in its logarithm.", above=0.0)
    most_rate: float = option(1e-2, "Largest learning rate.", above=0.0)
    least_decay: float = option(1e-6, "Least weight decay, tried evenly in its logarithm.", above=0.0)
    most_decay: float = option(1e-2, "Largest weight decay.", above=0.0)
    batch_sizes: tuple[int, ...] = option((32, 64, 128, 256), "Batch sizes.", min=1, fewest=1)
    widths: tuple[float, ...] = option(
        (0.5, 1.0, 1.5), "Factors that the filters of all stages are multiplied by.", above=0.0, fewest=1
    )
    first_trials: int = option(5, "Trials that run to their end before any is cut short.", min=1)
    first_epochs: int = option(3, "Epochs after which a trial that is worse than most is cut short.", min=0)


class _Pruner:
    """Tells a study of each epoch, and ends trials that fall behind."""

    def __init__(self, trial: optuna.Trial, metric: str) -> None:
        self._trial, self._metric = trial, metric

    def step(self, epoch: int, step: int, n_steps: int) -> None:
        pass

    def epoch(self, epoch: int, figures: EpochFigures) -> None:
        import optuna

        self._trial.report(figures.merit(self._metric), epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned


def search_options(
    options: ModelOptions,
    search: SearchOptions,
    stamps: StampSet,
    storage: Path,
    *,
    watchers: Sequence[Watcher] = (),
) -> tuple[ModelOptions, dict[str, Any]]:
    """Look for the learning rate, weight decay, batch size and width that make the best epoch best.

    Trials are drawn by the tree-structured Parzen estimator of optuna (Bergstra et al. 2011) and kept in a
    file, so that a search can be interrupted and gone on with. The stamps to judge by are not looked at.

    Parameters
    ----------
    options
        What is trained; all that is not searched for stays as it is here.
    search
        What is tried.
    stamps
        The stamps.
    storage
        SQLite file of the trials.
    watchers
        What is told of the steps and epochs of each trial.

    Returns
    -------
    options
        The options with the best that was found.
    summary
        Number and value of the best trial, its parameters, and how many trials ended in which state.

    Raises
    ------
    MissingDependencyError
        Raised if optuna is not installed.
    InvalidInputError
        Raised if no trial ran to its end, or the file holds a search for something else.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError("optuna is needed; install the extra 'train'") from error
    columns = stamps.columns()
    split, kind = ordered_split(options, columns), columns["kind"]

    def objective(trial: optuna.Trial) -> float:
        tried = _tried(options, search, trial)
        contract, config = ordered_contract(tried), tried.training
        count = config.count(kind)
        assert contract.architecture is not None
        learn = StampBatches(
            stamps,
            contract,
            tried.augmentation,
            batch_size=config.batch_size,
            seed=config.seed,
            rows=split.rows("learn"),
            count=count,
        )
        choose = StampBatches(stamps, contract, batch_size=512, rows=split.rows("choose"), count=count)
        told = [*watchers, _Pruner(trial, config.choose_by)]
        _, history = fit(contract.architecture, contract.output, learn, choose, config, watchers=told)
        return history.best_figures.merit(config.choose_by)

    storage.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="search",
        storage=f"sqlite:///{storage}",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=options.training.seed),
        pruner=optuna.pruners.MedianPruner(search.first_trials, search.first_epochs),
    )
    _check_study(study, options, split.digest)
    finished = [trial for trial in study.trials if trial.state.is_finished()]
    study.optimize(objective, n_trials=max(0, search.trials - len(finished)))
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if not complete:
        raise InvalidInputError(f"{storage}: no trial ran to its end; try more of them")
    states = [trial.state.name.lower() for trial in study.trials]
    best = study.best_trial
    summary = {
        "trial": best.number,
        "merit": best.value,
        "parameters": best.params,
        "trials": {state: states.count(state) for state in sorted(set(states))},
    }
    return _tried(options, search, optuna.trial.FixedTrial(best.params)), summary


def _tried(options: ModelOptions, search: SearchOptions, trial: optuna.trial.BaseTrial) -> ModelOptions:
    """Return the options of a trial."""
    rate = trial.suggest_float("learning_rate", search.least_rate, search.most_rate, log=True)
    decay = trial.suggest_float("weight_decay", search.least_decay, search.most_decay, log=True)
    batch_size = trial.suggest_categorical("batch_size", search.batch_sizes)
    width = trial.suggest_categorical("width", search.widths)
    usual = options.filters or default_filters(options.network)
    return options.replace(
        filters=tuple(max(1, round(width * count)) for count in usual),
        training={"learning_rate": rate, "weight_decay": decay, "batch_size": batch_size},
    )


def _check_study(study: optuna.Study, options: ModelOptions, digest: str) -> None:
    """Refuse to go on with trials of other stamps or of another network."""
    wanted = {"stamps": digest, "network": options.network, "choose_by": options.training.choose_by}
    known = study.user_attrs or wanted
    if known != wanted:
        raise InvalidInputError(f"the trials kept are of {known}; these would be of {wanted}")
    for name, value in wanted.items():
        study.set_user_attr(name, value)
