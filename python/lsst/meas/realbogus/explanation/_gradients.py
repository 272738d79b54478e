"""Networks as TensorFlow functions that give answers and gradients."""

from __future__ import annotations

__all__ = ("Gradients", "Member")

from typing import Any

import numpy as np

from ..errors import InvalidInputError
from ..model import Contract, Model, build_keras, ending_in_logits

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")
_BEHIND_A_CONVOLUTION = ("BatchNormalization", "Activation")


class Member:
    """One network as Keras layers that end in logits."""

    def __init__(self, model: Model) -> None:
        contract = model.contract
        if contract.architecture is None or model.weights is None:
            raise InvalidInputError(
                f"the layers of model {contract.name!r} are not known (an ONNX graph): it has no gradients"
            )
        architecture = ending_in_logits(contract.architecture)
        kinds = [layer.kind for layer in architecture.layers]
        shape: tuple[int, ...] = architecture.input_shape
        with_weights = []
        for number, layer in enumerate(architecture.layers):
            if layer.weight_shapes(shape):
                with_weights.append(number)
            shape = layer.output_shape(shape)
        self.layers = build_keras(architecture, model.weights).layers
        self.output = contract.output
        self.hidden_before = with_weights[-1]
        last = max((number for number, kind in enumerate(kinds) if kind in _CONVOLUTIONS), default=-1)
        self.has_map = last >= 0
        self.map_behind = last + 1
        while self.has_map and kinds[self.map_behind] in _BEHIND_A_CONVOLUTION:
            self.map_behind += 1

    def run(self, x: Any, first: int, last: int | None) -> Any:
        """Run layers ``first`` to ``last``, which is left out."""
        for layer in self.layers[first:last]:
            x = layer(x, training=False)
        return x

    def log_probabilities(self, logits: Any) -> Any:
        """Return the logarithms of the probabilities of all classes, ``(n, k)``, k at least 2."""
        import tensorflow as tf

        if self.output.size == 1:
            real = logits if self.output.real is not None else -logits
            logits = tf.concat([tf.zeros_like(real), real], axis=1)
        return tf.nn.log_softmax(logits)

    @property
    def real(self) -> int:
        """Which of the columns of `log_probabilities` is of real sources."""
        return 1 if self.output.size == 1 else int(self.output.real or 0)


class Gradients:
    """Everything that runs in TensorFlow, traced once for batches of any size."""

    def __init__(self, members: list[Member], n_segments: int, contract: Contract) -> None:
        import tensorflow as tf

        signature = [tf.TensorSpec((None, *contract.input_shape), tf.float32)]
        self._members, self._n_segments = members, n_segments
        self._side_by_side = contract.layout == "side_by_side"
        for name in ("answer", "saliency", "grad_cam", "log_odds", "gradient"):
            run = getattr(self, f"_{name}")
            traced = tf.function(run, input_signature=signature, autograph=False)
            setattr(self, name, traced)

    answer: Any
    saliency: Any
    grad_cam: Any
    log_odds: Any
    gradient: Any

    def _mean(self, logits: list[Any]) -> Any:
        """Return the logarithms of the members' mean probabilities."""
        import tensorflow as tf

        parts = [member.log_probabilities(part) for member, part in zip(self._members, logits, strict=True)]
        if len(parts) == 1:
            return parts[0]
        return tf.reduce_logsumexp(tf.stack(parts), axis=0) - float(np.log(len(parts)))

    def _answer(self, x: Any) -> tuple[Any, ...]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            hidden = [member.run(x, 0, member.hidden_before) for member in self._members]
            logits = [m.run(h, m.hidden_before, None) for m, h in zip(self._members, hidden, strict=True)]
            means = self._mean(logits)
            answered = _log_odds(means, tf.argmax(means, axis=1))
        saliency = tf.abs(tape.gradient(answered, x))
        flat = [tf.reshape(part, (tf.shape(x)[0], int(np.prod(part.shape[1:])))) for part in hidden]
        real = _log_odds(means, self._members[0].real)
        return (real, tf.concat(flat, axis=1), self._sums(saliency), *logits)

    def _sums(self, saliency: Any) -> Any:
        import tensorflow as tf

        if not self._side_by_side:
            return tf.reduce_sum(saliency, axis=(1, 2))
        rows, columns = saliency.shape[1:3]
        parts = tf.reshape(saliency, (-1, rows, self._n_segments, columns // self._n_segments))
        return tf.reduce_sum(parts, axis=(1, 3))

    def _saliency(self, x: Any) -> Any:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            means = self._mean([member.run(x, 0, None) for member in self._members])
            answered = _log_odds(means, tf.argmax(means, axis=1))
        return tf.abs(tape.gradient(answered, x))

    def _log_odds(self, x: Any) -> Any:
        return _log_odds(
            self._mean([member.run(x, 0, None) for member in self._members]), self._members[0].real
        )

    def _gradient(self, x: Any) -> Any:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            log_odds = self._log_odds(x)
        return tape.gradient(log_odds, x)

    def _grad_cam(self, x: Any) -> Any:
        import tensorflow as tf

        found = []
        for member in self._members:
            features = member.run(x, 0, member.map_behind)
            with tf.GradientTape() as tape:
                tape.watch(features)
                means = member.log_probabilities(member.run(features, member.map_behind, None))
                answered = _log_odds(means, tf.argmax(means, axis=1))
            weights = tf.reduce_mean(tape.gradient(answered, features), axis=(1, 2), keepdims=True)
            maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1, keepdims=True))
            found.append(tf.image.resize(maps, x.shape[1:3])[..., 0])
        return tf.add_n(found) / len(found)


def _log_odds(log_probabilities: Any, index: Any) -> Any:
    """Return the log-odds of one class of each row against all the others."""
    import tensorflow as tf

    chosen = tf.one_hot(index, log_probabilities.shape[1], on_value=True, off_value=False)
    chosen = tf.broadcast_to(chosen, tf.shape(log_probabilities))
    others = tf.reduce_logsumexp(tf.where(chosen, -1e9, log_probabilities), axis=1)
    return tf.reduce_sum(tf.where(chosen, log_probabilities, 0.0), axis=1) - others
