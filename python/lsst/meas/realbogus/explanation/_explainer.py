"""Gradients of a network's answer: saliency, Grad-CAM, integrated gradients, and the last hidden layer."""

from __future__ import annotations

__all__ = ("Answers", "Explainer", "load_explainer")

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..model import Contract, Model, read_model, read_model_file, real_probability
from ._gradients import Gradients, Member
from ._segments import segment_names

type Floats = npt.NDArray[np.float32]

_FED_ALIKE = ("inputs", "layout", "stamp_size", "normalization", "missing", "psf", "negative", "output")
_COMPLETE = 0.01
_MOST_STEPS = 512


@dataclass(frozen=True, slots=True)
class Answers:
    """What a network makes of inputs, and what in them decides.

    Parameters
    ----------
    score
        Probability of being real, calibrated as the contract says, float32 ``(n,)``.
    log_odds
        Of being real, before calibration and prior, float32 ``(n,)``: what the gradients are of.
    hidden
        What the last layer with weights is fed, float32 ``(n, k)``; of several networks one after the other.
    saliency_sums
        Sum of the saliency over each segment, float32 ``(n, s)``, in the order of `segment_names`.
    """

    score: Floats
    log_odds: Floats
    hidden: Floats
    saliency_sums: Floats


class Explainer:
    """A model whose answers are explained by gradients.

    All attributions are of the inputs as the network sees them: after missing pixels were filled, negative
    sources shown by the contract's rule, and stamps normalised; `prepare_batch` makes such inputs.
    What is explained is the log-odds before calibration and prior: of two classes, the difference of their
    logits. Calibration and prior are monotone and do not change the shares of pixels; probabilities saturate
    in float32, where their gradients are 0.

    Parameters
    ----------
    model
        The model; its layers must be known.
    *others
        Further members of an ensemble, fed as the first: the mean of their probabilities is explained.

    Raises
    ------
    InvalidInputError
        Raised if a model is an ONNX graph without layers, or members are not fed alike.
    MissingDependencyError
        Raised if TensorFlow is not installed.
    """

    def __init__(self, model: Model, *others: Model) -> None:
        self.models = (model, *others)
        for other in others:
            differing = [
                name for name in _FED_ALIKE if getattr(other.contract, name) != getattr(model.contract, name)
            ]
            if differing:
                raise InvalidInputError(
                    f"{other.contract.name!r} cannot be explained together with {model.contract.name!r}: "
                    f"they differ in {', '.join(differing)}"
                )
        self._members = [Member(each) for each in self.models]
        self._gradients = Gradients(self._members, len(self.segments), self.contract)

    @property
    def contract(self) -> Contract:
        """What the (first) model promises."""
        return self.models[0].contract

    @property
    def segments(self) -> tuple[str, ...]:
        """Names of the parts of the input: images, then ``psf`` and ``missing`` where they are shown."""
        return segment_names(self.contract)

    @property
    def has_convolution(self) -> bool:
        """Whether Grad-CAM can be drawn."""
        return all(member.has_map for member in self._members)

    def answer(self, inputs: Floats) -> Answers:
        """Run the network and sum up its saliency over segments, in one pass.

        Parameters
        ----------
        inputs
            As `prepare_batch` makes them, float32 ``(n, rows, columns, channels)``; all are run at once.

        Returns
        -------
        Answers
            One entry for each.
        """
        log_odds, hidden, sums, *logits = (np.asarray(part) for part in self._gradients.answer(inputs))
        scores = [
            real_probability(_giving_logits(model.contract), part)
            for model, part in zip(self.models, logits, strict=True)
        ]
        return Answers(np.mean(scores, axis=0).astype(np.float32), log_odds, hidden, sums)

    def saliency(self, inputs: Floats) -> Floats:
        """Return how strongly each pixel moves the answer: the absolute gradient (Simonyan et al. 2014).

        Acero-Cuellar et al. (2023) take the gradient of the largest output of the softmax. This is that of
        the log-odds of the same output: for each source the same map but for one positive factor, so that
        shares of segments are equal; it stays finite where the softmax is 1.

        Parameters
        ----------
        inputs
            As `prepare_batch` makes them.

        Returns
        -------
        numpy.ndarray
            Float32, of the shape of the inputs.
        """
        return np.asarray(self._gradients.saliency(inputs))

    def grad_cam(self, inputs: Floats) -> Floats:
        """Return where the last convolution finds what speaks for the answer (Selvaraju et al. 2017).

        Its feature maps, as they leave activation and scaling, are added with the mean gradients of the
        answer's log-odds as weights; what is negative is cut, and the map stretched to the input. DeepShadows
        (Tanoglidis et al. 2021) draws such maps.

        Parameters
        ----------
        inputs
            As `prepare_batch` makes them.

        Returns
        -------
        numpy.ndarray
            Float32 ``(n, rows, columns)``, each from 0 to 1 at its largest; 0 where nothing speaks for the
            answer. Stacked images share one map.

        Raises
        ------
        InvalidInputError
            Raised if the network has no convolution.
        """
        if not self.has_convolution:
            raise InvalidInputError(f"{self.contract.name!r} has no convolution, so no Grad-CAM")
        maps = np.asarray(self._gradients.grad_cam(inputs))
        top = maps.max(axis=(1, 2), keepdims=True, initial=0.0)
        return np.divide(maps, top, out=np.zeros_like(maps), where=top > 0)

    def integrated_gradients(
        self, inputs: Floats, baseline: Floats | float = 0.0, *, steps: int = 32
    ) -> tuple[Floats, Floats]:
        """Share the change of the log-odds from a baseline among the pixels (Sundararajan et al. 2017).

        Parameters
        ----------
        inputs
            As `prepare_batch` makes them.
        baseline
            What to start from, as one value or inputs of the same shape. 0 is, for most normalisations, a
            stamp of nothing but sky.
        steps
            Points on the way at first. They are doubled, up to 512, for sources whose attributions miss the
            change of the log-odds by more than one per cent of it, or of 1 where it is smaller.

        Returns
        -------
        attribution
            Float32, of the shape of the inputs; positive where a pixel speaks for a real source.
        error
            Float32 ``(n,)``: their sum less the change of the log-odds, which would be 0 for endless steps.
        """
        start = np.broadcast_to(np.asarray(baseline, np.float32), inputs.shape)
        change = np.asarray(self._gradients.log_odds(inputs)) - np.asarray(self._gradients.log_odds(start))
        attribution = np.zeros(inputs.shape, np.float32)
        error = np.zeros(len(inputs), np.float32)
        rows = np.arange(len(inputs))
        while rows.size:
            part, found = inputs[rows], start[rows]
            mean = self._mean_gradient(found, part - found, steps)
            attribution[rows] = mean * (part - found)
            error[rows] = attribution[rows].sum(axis=(1, 2, 3), dtype=np.float64) - change[rows]
            steps *= 2
            if steps > _MOST_STEPS:
                break
            rows = rows[np.abs(error[rows]) > _COMPLETE * np.maximum(np.abs(change[rows]), 1.0)]
        return attribution, error

    def _mean_gradient(self, start: Floats, way: Floats, steps: int) -> Floats:
        total = np.zeros(start.shape, np.float64)
        for step in range(steps):
            total += np.asarray(self._gradients.gradient(start + np.float32((step + 0.5) / steps) * way))
        return np.asarray(total / steps, np.float32)


def _giving_logits(contract: Contract) -> Contract:
    output = contract.output.model_copy(update={"activation": "logit"})
    return contract.model_copy(update={"output": output})


def load_explainer(source: str | os.PathLike[str], *others: str | os.PathLike[str]) -> Explainer:
    """Load a model to explain its scores.

    Parameters
    ----------
    source
        ``package:NAME`` for one that comes with the package, or a path or URI of an ``.rbmodel`` file.
    *others
        Further members of an ensemble.

    Returns
    -------
    Explainer
        The model.

    Raises
    ------
    ModelNotFoundError
        Raised if there is no such model.
    InvalidInputError, MissingDependencyError
        See `Explainer`.
    """
    return Explainer(*(read_model(read_model_file(name), os.fspath(name)) for name in (source, *others)))
