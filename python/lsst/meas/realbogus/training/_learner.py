"""Networks in TensorFlow, and the one step in which all of them learn."""

from __future__ import annotations

__all__ = ("Learner", "Network", "class_order")

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError, MissingDependencyError
from ..model import (
    Architecture,
    Output,
    Weights,
    build_keras,
    ending_in_logits,
    initial_weights,
    weights_from_keras,
)
from ..randomness import derive_key
from ._batches import Batch
from ._config import TrainingConfig
from ._strategies import Strategy

type Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Network:
    """A network as data: its layers, what its answer means, and the weights of one or several members.

    Parameters
    ----------
    architecture
        The layers.
    output
        Which output belongs to real sources.
    members
        Weights of each network. The answer of several is the mean of their probabilities.
    """

    architecture: Architecture
    output: Output
    members: tuple[Weights, ...]

    def build(self) -> list[Any]:
        """Return the members as Keras models that give logits.

        Returns
        -------
        list of keras.Sequential
            One for each.
        """
        return [build_keras(ending_in_logits(self.architecture), member) for member in self.members]

    def predict(self, inputs: npt.NDArray[np.float32], block: int = 512) -> npt.NDArray[np.float64]:
        """Return the probability of being real, before any calibration.

        Parameters
        ----------
        inputs
            What the network is fed, float32 of shape ``(n, rows, columns, channels)``.
        block
            Stamps that are worked on at once.

        Returns
        -------
        numpy.ndarray
            Float64 of shape ``(n,)``.
        """
        nets = self.build()
        parts = [
            np.asarray(_mean_probabilities(nets, self.output, inputs[start : start + block])[:, 1])
            for start in range(0, len(inputs), block)
        ]
        return np.concatenate(parts or [np.zeros(0)]).astype(np.float64)


def class_order(output: Output) -> list[int]:
    """Return which output belongs to bogus, to real, and to any further classes.

    Parameters
    ----------
    output
        Of a contract. A single output counts as the second of two, or as the first where it is the
        probability of being bogus.
    """
    if output.size == 1:
        return [0, 1] if output.real is not None else [1, 0]
    real = output.real or 0
    first, *others = (index for index in range(output.size) if index != real)
    return [first, real, *others]


def _log_probabilities(output: Output, outputs: Any, temperature: float = 1.0) -> Any:
    """Return the logarithms of the probabilities of bogus, real and further classes, ``(n, k)``."""
    import tensorflow as tf

    logits = tf.cast(outputs, tf.float32) / temperature
    if output.size == 1:
        logits = tf.concat([tf.zeros_like(logits), logits], axis=1)
    return tf.nn.log_softmax(tf.gather(logits, class_order(output), axis=1))


def _mean_probabilities(nets: Sequence[Any], output: Output, inputs: Any, temperature: float = 1.0) -> Any:
    import tensorflow as tf

    answers = [tf.exp(_log_probabilities(output, net(inputs, training=False), temperature)) for net in nets]
    return tf.add_n(answers) / len(answers)


class Learner:
    """Networks that learn together.

    Parameters
    ----------
    architecture, output
        Of each network.
    strategy
        What each of them learns from.
    config
        How to train.
    start
        Weights to go on from, the same for each network; default: each its own by the seed.
    teacher
        Networks to learn from besides the labels.

    Raises
    ------
    MissingDependencyError
        Raised if TensorFlow is not installed.
    """

    def __init__(
        self,
        architecture: Architecture,
        output: Output,
        strategy: Strategy,
        config: TrainingConfig,
        start: Weights | None = None,
        teacher: Network | None = None,
    ) -> None:
        try:
            import tensorflow as tf
        except ImportError as error:
            raise MissingDependencyError("TensorFlow is needed; install the extra 'train'") from error
        self._architecture, self._output, self._strategy = architecture, output, strategy
        self._start, self._teacher = start, teacher
        self._config = config = config.resolved(goes_on=start is not None)
        logits = ending_in_logits(architecture)
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        if has_gpu:
            tf.config.experimental.enable_op_determinism()
        mixed = config.precision == "mixed" or (config.precision == "auto" and has_gpu)
        self._nets = [
            self._make_net(logits, start or _first_weights(architecture, config.seed, number), number, mixed)
            for number in range(strategy.n_networks)
        ]
        self._teachers = [] if teacher is None else teacher.build()
        self._optimizers = [_make_optimizer(config, net.trainable_variables) for net in self._nets]
        self._beta_1 = tf.Variable(0.9)
        if config.late_beta_1 is not None:
            for optimizer in self._optimizers:
                optimizer.beta_1 = self._beta_1
        self._sum_of_losses = tf.Variable(0.0, dtype=tf.float64)
        stamps = tf.TensorSpec([None, *architecture.input_shape], tf.float32)
        self._step = tf.function(
            self._take_step,
            input_signature=[
                stamps,
                tf.TensorSpec([None], tf.int32),
                tf.TensorSpec([None], tf.float32),
                tf.TensorSpec([2], tf.float64),
                tf.TensorSpec([None, None, None], tf.float32),
                tf.TensorSpec([], tf.float32),
                tf.TensorSpec([], tf.float32),
            ],
            autograph=False,
        ).get_concrete_function()
        self._answer = tf.function(
            self._probabilities, input_signature=[stamps], autograph=False
        ).get_concrete_function()

    def _make_net(self, logits: Architecture, weights: Weights, number: int, mixed: bool) -> Any:
        net = build_keras(logits, weights, dtype="mixed_bfloat16" if mixed else None)
        if self._start is not None and self._config.transfer.layers == "head":
            for layer in net.layers[: _head_position(net)]:
                layer.trainable = False
        for layer in net.layers:
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                key = derive_key(self._config.seed, "dropout", number, layer.name)
                generator.state.assign(np.asarray([key & 0xFFFFFFFF, 0], np.uint32))
        return net

    def step(self, batch: Batch, epoch: int, number: int, learning_rate: float, beta_1: float) -> None:
        """Learn from a batch.

        Parameters
        ----------
        batch
            The stamps.
        epoch, number
            Which step of which epoch this is, from 0.
        learning_rate, beta_1
            Learning rate, and decay of the first moment of Adam.

        Raises
        ------
        InvalidInputError
            Raised for a label that the networks have no output for.
        """
        n_classes = max(self._output.size, 2)
        if not 0 <= batch.label.min() <= batch.label.max() < n_classes:
            raise InvalidInputError(
                f"labels must be from 0 to {n_classes - 1}, as {self._architecture.name!r} tells "
                f"{n_classes} classes apart; got {sorted(set(batch.label.tolist()))}"
            )
        rates, draws = self._strategy.inputs(epoch, number, len(batch))
        self._step(
            batch.inputs,
            batch.label.astype(np.int32),
            batch.weight,
            rates,
            draws.astype(np.float32),
            np.float32(learning_rate),
            np.float32(beta_1),
        )

    def _take_step(
        self, inputs: Any, label: Any, weight: Any, rates: Any, draws: Any, learning_rate: Any, beta_1: Any
    ) -> None:
        import tensorflow as tf

        self._beta_1.assign(beta_1)
        target = tf.one_hot(label, max(self._output.size, 2))
        with tf.GradientTape(persistent=True) as tape:
            outputs = [net(inputs, training=True) for net in self._nets]
            answers = [_log_probabilities(self._output, answer) for answer in outputs]
            losses = tf.stack([-tf.reduce_sum(target * answer, axis=1) for answer in answers])
            kept = self._strategy.kept(tf.stop_gradient(losses), label, rates, draws)
            kept *= tf.cast(weight > 0.0, tf.float32)
            if self._teachers:
                losses = self._with_teacher(inputs, outputs, losses)
            n_kept = tf.reduce_sum(kept, axis=1)
            mean = tf.reduce_sum(kept * weight * losses, axis=1) / tf.maximum(n_kept, 1.0)
            objectives = [mean[i] + self._penalty(net) for i, net in enumerate(self._nets)]
        for i, (net, optimizer) in enumerate(zip(self._nets, self._optimizers, strict=True)):
            variables = net.trainable_variables
            gradients = tape.gradient(objectives[i], variables)
            optimizer.learning_rate.assign(learning_rate)
            tf.cond(
                n_kept[i] > 0, lambda o=optimizer, g=gradients, v=variables: _apply(o, g, v), lambda: False
            )
        self._sum_of_losses.assign_add(tf.cast(tf.reduce_mean(mean), tf.float64))

    def _with_teacher(self, inputs: Any, outputs: Sequence[Any], losses: Any) -> Any:
        """Mix what the labels and the teacher have to say, in the proportion asked for."""
        import tensorflow as tf

        assert self._teacher is not None
        options = self._config.distillation
        wanted = tf.stop_gradient(
            _mean_probabilities(self._teachers, self._teacher.output, inputs, options.temperature)
        )
        soft = [
            -tf.reduce_sum(wanted * _log_probabilities(self._output, answer, options.temperature), axis=1)
            for answer in outputs
        ]
        # Gradients of softened answers are smaller by the square of the temperature (Hinton et al. 2015).
        scale = options.teacher * options.temperature**2
        return (1.0 - options.teacher) * losses + scale * tf.stack(soft)

    def _penalty(self, net: Any) -> Any:
        import tensorflow as tf

        config = self._config
        total = tf.constant(0.0)
        if config.l2_convolution or config.l2_dense:
            for layer in net.layers[:-1]:
                weight = {"Conv2D": config.l2_convolution, "Dense": config.l2_dense}.get(type(layer).__name__)
                if weight:
                    total += weight * tf.reduce_sum(tf.square(layer.kernel))
        if self._start is not None and config.transfer.anchor:
            for layer in net.layers:
                for variable in layer.trainable_variables:
                    first = self._start[f"{layer.name}/{variable.name}"]
                    total += config.transfer.anchor * tf.reduce_sum(tf.square(variable - first))
        return total

    def _probabilities(self, inputs: Any) -> Any:
        return _mean_probabilities(self._nets, self._output, inputs)

    def probabilities(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the mean probability of being real that the networks give.

        Parameters
        ----------
        inputs
            What they are fed.

        Returns
        -------
        numpy.ndarray
            Float64 of shape ``(n,)``.
        """
        return np.asarray(self._answer(inputs))[:, 1].astype(np.float64)

    def take_mean_loss(self, n_steps: int) -> float:
        """Return the mean loss of the steps since this was last asked for, and begin anew.

        Parameters
        ----------
        n_steps
            How many they are.
        """
        mean = float(self._sum_of_losses.numpy()) / n_steps
        self._sum_of_losses.assign(0.0)
        return mean

    def weights(self) -> tuple[Weights, ...]:
        """Return the weights of each network as they are now."""
        return tuple(weights_from_keras(net, self._architecture) for net in self._nets)

    def state(self) -> dict[str, Array]:
        """Return everything that the next steps depend on, by name."""
        return {name: np.asarray(variable) for name, variable in self._variables().items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a state.

        Parameters
        ----------
        state
            What `state` gave; further entries are ignored.
        """
        for name, variable in self._variables().items():
            variable.assign(state[name])

    def _variables(self) -> dict[str, Any]:
        found = {"sum_of_losses": self._sum_of_losses}
        for i, (net, optimizer) in enumerate(zip(self._nets, self._optimizers, strict=True)):
            found |= {f"network{i}/{j}": variable for j, variable in enumerate(net.variables)}
            found |= {f"optimizer{i}/{j}": variable for j, variable in enumerate(optimizer.variables)}
        return found


def _first_weights(architecture: Architecture, seed: int, number: int) -> Weights:
    return initial_weights(architecture, derive_key(seed, "network", number) % 2**63)


def _head_position(net: Any) -> int:
    """Return the position of the first of the layers after the last that is no Dense or Dropout."""
    kinds = [type(layer).__name__ for layer in net.layers]
    return max(
        (i + 1 for i, kind in enumerate(kinds) if kind not in ("Dense", "Dropout", "Activation")), default=0
    )


def _make_optimizer(config: TrainingConfig, variables: Sequence[Any]) -> Any:
    import keras

    match config.optimizer:
        case "adamw":
            optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        case "adam":
            optimizer = keras.optimizers.Adam(config.learning_rate)
        case "sgd":
            optimizer = keras.optimizers.SGD(config.learning_rate)
        case "adadelta":
            optimizer = keras.optimizers.Adadelta(config.learning_rate)
    optimizer.build(variables)
    return optimizer


def _apply(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> bool:
    optimizer.apply(gradients, variables)
    return True
