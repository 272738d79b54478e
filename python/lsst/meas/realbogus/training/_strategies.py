"""What of a batch each network learns from.

Networks that learn together see the same batches. A strategy gives, in every step and for every network, the
stamps that it is updated with, from the losses that all networks have for all stamps.
"""

from __future__ import annotations

__all__ = ("CoTeaching", "Independent", "StochasticCoTeaching", "Strategy", "make_strategy")

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..randomness import generator
from ._config import StrategyConfig

Numbers = npt.NDArray[np.float64]
_NOTHING = np.zeros(2), np.zeros((0, 0, 0))


class Strategy(Protocol):
    """What of a batch each network learns from."""

    @property
    def n_networks(self) -> int:
        """How many networks learn together."""

    def inputs(self, epoch: int, step: int, n: int) -> tuple[Numbers, Numbers]:
        """Return what `kept` needs to know of a step.

        Parameters
        ----------
        epoch, step
            Numbers of the epoch and of the step in it, from 0.
        n
            Stamps in the batch.

        Returns
        -------
        rates
            Shape ``(2,)``.
        draws
            Random numbers, shape ``(tries, n_networks, n)``.
        """

    def kept(self, loss: Any, label: Any, rates: Any, draws: Any) -> Any:
        """Return which stamps each network is updated with; part of the compiled step.

        Parameters
        ----------
        loss
            Minus the logarithm of the probability that each network gives to the label, float32 of shape
            ``(n_networks, n)``.
        label
            1 real, other numbers bogus, int32 of shape ``(n,)``.
        rates, draws
            From `inputs`, float64 and float32.

        Returns
        -------
        tensorflow.Tensor
            Float32 of shape ``(n_networks, n)``, 1 for stamps to learn from, else 0.
        """


def make_strategy(config: StrategyConfig, seed: int) -> Strategy:
    """Make the strategy that is asked for.

    Parameters
    ----------
    config
        Its name and numbers.
    seed
        Seed of the training.

    Returns
    -------
    Strategy
        The strategy.
    """
    power, epochs = config.forget_exponent, config.forget_epochs
    match config.name:
        case "co-teaching":
            return CoTeaching((config.forget**power,) * 2, epochs, by_class=False)
        case "asymmetric":
            return CoTeaching((config.forget_bogus**power, config.forget_real**power), epochs, by_class=True)
        case "stochastic":
            return StochasticCoTeaching(config.delay, config.ramp, seed)
        case _:
            return Independent(config.members if config.name == "ensemble" else 1)


@dataclass(frozen=True)
class Independent:
    """Every network learns from every stamp.

    Parameters
    ----------
    n_networks
        How many.
    """

    n_networks: int = 1

    def inputs(self, epoch: int, step: int, n: int) -> tuple[Numbers, Numbers]:
        """See `Strategy.inputs`."""
        return _NOTHING

    def kept(self, loss: Any, label: Any, rates: Any, draws: Any) -> Any:
        """See `Strategy.kept`."""
        import tensorflow as tf

        return tf.ones_like(loss)


@dataclass(frozen=True)
class CoTeaching:
    """Two networks choose for each other the stamps of small loss (Han et al. 2018).

    In its asymmetric form, each class has its own fraction of stamps that are left out, as where the class
    of bogus hides reals (ML4transients).

    Parameters
    ----------
    forget
        Fractions of stamps labelled bogus and real that are left out in the end.
    n_epochs
        Epochs in which the fractions grow linearly from zero, counting both ends.
    by_class
        Whether stamps are left out of each class by itself, or of the batch (by the first fraction).
    """

    forget: tuple[float, float]
    n_epochs: int
    by_class: bool
    n_networks: int = 2

    def inputs(self, epoch: int, step: int, n: int) -> tuple[Numbers, Numbers]:
        """See `Strategy.inputs`: the rates are the fractions to leave out in this epoch."""
        growth = 1.0 if epoch >= self.n_epochs - 1 else epoch / (self.n_epochs - 1)
        return growth * np.asarray(self.forget), _NOTHING[1]

    def kept(self, loss: Any, label: Any, rates: Any, draws: Any) -> Any:
        """See `Strategy.kept`."""
        import tensorflow as tf

        of_class = [tf.equal(label, 1) == is_real for is_real in (False, True)]
        groups = of_class if self.by_class else [tf.fill(tf.shape(label), True)]
        chosen = [
            sum(_smallest(own, group, rates[i]) for i, group in enumerate(groups))
            for own in tf.unstack(loss, num=self.n_networks)
        ]
        return tf.stack(chosen[::-1])


def _smallest(loss: Any, group: Any, rate: Any) -> Any:
    """Mark the ``int((1 - rate) n)`` stamps of a group whose loss is smallest."""
    import tensorflow as tf

    n = tf.reduce_sum(tf.cast(group, tf.float64))
    n_kept = tf.cast((1.0 - rate) * n, tf.int32)
    order = tf.argsort(tf.where(group, loss, np.float32(np.inf)), stable=True)
    return tf.cast(tf.math.invert_permutation(order) < n_kept, tf.float32)


@dataclass(frozen=True)
class StochasticCoTeaching:
    """Two networks choose for each other the stamps whose label is more probable than a random threshold.

    Thresholds are drawn anew for each stamp, network and step (Jansen 2023): a rate times a number from
    the beta distribution (12, 4), between 0.01 and 0.99. Where a network keeps less than a tenth of a
    batch, thresholds are drawn again, five times in all; then the other one skips the batch.

    Parameters
    ----------
    delay
        Epochs in which the rate is 0.
    ramp
        Epochs in which it then grows to 1.
    seed
        Seed of the thresholds.
    """

    delay: int
    ramp: int
    seed: int
    n_networks: int = 2
    n_tries: int = 5

    def inputs(self, epoch: int, step: int, n: int) -> tuple[Numbers, Numbers]:
        """See `Strategy.inputs`: the draws are thresholds."""
        rate = min(max((epoch - self.delay) / self.ramp, 0.0), 1.0)
        rng = generator(self.seed, "stochastic-co-teaching", epoch, step)
        draws = rng.beta(12, 4, (self.n_tries, self.n_networks, n))
        return _NOTHING[0], np.clip(rate * draws, 0.01, 0.99)

    def kept(self, loss: Any, label: Any, rates: Any, draws: Any) -> Any:
        """See `Strategy.kept`."""
        import tensorflow as tf

        passed = tf.cast(tf.exp(-loss) > draws, tf.float32)
        enough = tf.reduce_mean(passed, axis=2) >= 0.1
        first = tf.one_hot(tf.argmax(enough, axis=0), self.n_tries, axis=0)
        first *= tf.cast(enough, tf.float32)
        return tf.reverse(tf.reduce_sum(passed * first[:, :, None], axis=0), [0])
