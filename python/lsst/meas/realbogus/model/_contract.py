"""What a model promises: what it is fed, what is done to that first, and what its answer means."""

from __future__ import annotations

__all__ = (
    "CONTRACT_FORMAT",
    "Calibration",
    "Contract",
    "ImageName",
    "MissingRule",
    "NormalizationChoice",
    "Output",
    "Prior",
    "PsfInput",
    "TrainedOn",
    "contract_schema",
)

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PositiveInt, ValidationError, model_validator

from ..errors import ModelContractError, ModelFormatError
from ._architecture import Architecture
from ._normalization import IGNORING_MISSING, NORMALIZATIONS, PARAMETERS

CONTRACT_FORMAT = "rbmodel-2"

MAX_STAMP_SIZE = 1024
"""Rows and columns of the largest stamps: a batch of them fits into memory."""

ImageName = Literal["difference", "science", "template"]
Probability = Annotated[float, Field(gt=0, lt=1)]
Range = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NormalizationChoice(_Part):
    """A normalisation by name and version, with its parameters (see `normalization`).

    Parameters
    ----------
    name
        Name and version, a key of `NORMALIZATIONS`.
    parameters
        Its parameters by name.
    """

    name: str
    parameters: dict[str, float] = {}

    @model_validator(mode="after")
    def _check(self) -> NormalizationChoice:
        known = PARAMETERS.get(self.name, frozenset())
        if self.name in NORMALIZATIONS and (unknown := sorted(set(self.parameters) - known)):
            raise ValueError(
                f"normalisation {self.name!r} has no parameter {unknown[0]!r}; it has {sorted(known)}"
            )
        for name, value in self.parameters.items():
            if value <= 0:
                raise ValueError(f"{name} must be above 0; got {value}")
        return self


class MissingRule(_Part):
    """What stands in for missing pixels: off the image, NaN, or NO_DATA.

    Parameters
    ----------
    rule
        ``"median"`` of the valid pixels of that stamp, ``"zero"``, or ``"constant"``: put in before the stamp
        is normalised. ``"ignore"``: the stamp is normalised by its valid pixels alone, and the missing ones
        are zero afterwards, so that neither depends on how many there are; `NORMALIZATIONS` says which can.
    value
        The constant.
    maximum_fraction
        A source with a larger fraction of missing pixels in any of its stamps is not scored.
    show
        Show the network which pixels are missing: one more channel, the last, 1 where a pixel is missing in
        any of the images it is shown, 0 elsewhere.
    """

    rule: Literal["median", "zero", "constant", "ignore"] = "median"
    value: float = 0.0
    maximum_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    show: bool = False


class PsfInput(_Part):
    """How the network is told the point-spread function of the science image: by one more channel.

    The channel is zero throughout where the PSF is not known. It is the PSF of the science image for negative
    sources too, whichever image they are shown in.

    Parameters
    ----------
    form
        ``"profile"``: a circular Gaussian of the PSF's FWHM, 1 at the central pixel ``(h // 2, w // 2)``;
        ``"width"``: log2(FWHM / 3 pixels) in every pixel.
    """

    form: Literal["profile", "width"]


class TrainedOn(_Part):
    """The smallest and the largest of what the training set held; `None` where that is not known.

    Parameters
    ----------
    pixel_scale
        Pixel scale [arcsec].
    psf_fwhm
        FWHM of the science image's PSF [pixel].
    stamp_size
        Rows and columns of the stamps before they are cropped or padded [pixel]; where larger ones were
        cropped, the largest is the model's own.
    """

    pixel_scale: Range | None = None
    psf_fwhm: Range | None = None
    stamp_size: tuple[PositiveInt, PositiveInt] | None = None

    @model_validator(mode="after")
    def _check(self) -> TrainedOn:
        for name, value in self:
            if value is not None and value[0] > value[1]:
                raise ValueError(f"{name} must run from the smallest to the largest; got {value}")
        return self


class Output(_Part):
    """How to read the network's answer.

    Parameters
    ----------
    size
        How many numbers the network gives for each source.
    real
        Which of them belongs to real sources; ``None`` where the only one is the probability of being bogus.
    activation
        ``"probability"`` where the network ends in a softmax or sigmoid, ``"logit"`` where it does not.
    """

    size: PositiveInt
    real: Annotated[int, Field(ge=0)] | None
    activation: Literal["probability", "logit"] = "probability"

    @model_validator(mode="after")
    def _check(self) -> Output:
        if self.real is None and self.size != 1:
            raise ValueError("only a single output can be the probability of being bogus (real: null)")
        if self.real is not None and self.real >= self.size:
            raise ValueError(f"output {self.real} is meant to be real, but there are {self.size}")
        return self


class Calibration(_Part):
    """Monotone map from the network's probability to a calibrated one: straight lines between knots.

    Parameters
    ----------
    method
        How the knots were found, such as ``"isotonic"`` or ``"platt"``.
    scores, probabilities
        The knots, both from smallest to largest. Scores beyond the ends get the probability of the end.
    """

    method: str
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Calibration:
        n = len(self.scores)
        if n < 2 or len(self.probabilities) != n:
            raise ValueError(
                f"a calibration needs as many scores as probabilities, at least 2; got {n} and "
                f"{len(self.probabilities)}"
            )
        if any(a >= b for a, b in zip(self.scores, self.scores[1:], strict=False)):
            raise ValueError("the scores of a calibration must increase")
        if any(a > b for a, b in zip(self.probabilities, self.probabilities[1:], strict=False)):
            raise ValueError("the probabilities of a calibration must not decrease")
        if self.probabilities[0] < 0 or self.probabilities[-1] > 1:
            raise ValueError("the probabilities of a calibration must lie in [0, 1]")
        return self


class Prior(_Part):
    """The fraction of real sources in training, and the one the score is meant for.

    Parameters
    ----------
    training
        Fraction in the training set.
    intended
        Fraction that calibrated scores are meant for.
    """

    training: Probability
    intended: Probability


class Contract(_Part):
    """Everything that decides a score besides the network's weights.

    Parameters
    ----------
    format
        Version of this form. ``"rbmodel-1"`` knows no ``psf``, ``trained``, ``missing.show``, nor the rule
        ``"ignore"``.
    name
        What the model is called, such as ``"dia"``.
    version
        At most seven characters: goes out with every score as ``version``.
    description
        A sentence for people.
    inputs
        The stamps in the order the network takes them.
    layout
        ``"side_by_side"``: one image, stamps from left to right; ``"channels"``: one channel each.
    stamp_size
        Rows and columns of one stamp [pixel]; larger stamps are cropped, smaller ones padded as missing.
    pixel_scale
        Pixel scale of the training stamps [arcsec], where known.
    normalization, missing, psf
        See these classes. What is shown beside the images needs layout ``"channels"`` and stands behind them:
        first the PSF, then the missing pixels.
    negative
        How sources whose science − template is negative are shown. ``"none"``: as they are;
        ``"flip_difference"``: as (−difference, science, template), so that every difference has a positive
        centre, as in ZTF's alert packets; ``"flip"``: as (−difference, template, science).
    output, calibration, prior
        See these classes.
    architecture
        The layers, where they are known; a model from a foreign graph has none.
    trained
        What the training set held; scoring warns of what lies outside.
    card
        What a user should know of the training: data, figures, sources.
    members
        SHA-256 of each other file of the package.
    """

    format: Literal["rbmodel-1", "rbmodel-2"] = "rbmodel-2"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=7)]
    description: str = ""
    inputs: Annotated[tuple[ImageName, ...], Field(min_length=1)]
    layout: Literal["side_by_side", "channels"]
    stamp_size: Annotated[PositiveInt, Field(le=MAX_STAMP_SIZE)]
    pixel_scale: Annotated[float, Field(gt=0)] | None = None
    normalization: NormalizationChoice
    missing: MissingRule = MissingRule()
    psf: PsfInput | None = None
    negative: Literal["none", "flip_difference", "flip"] = "none"
    output: Output
    calibration: Calibration | None = None
    prior: Prior | None = None
    architecture: Architecture | None = None
    trained: TrainedOn | None = None
    card: dict[str, JsonValue] = {}
    members: dict[str, Sha256] = {}

    @model_validator(mode="after")
    def _check(self) -> Contract:
        if len(set(self.inputs)) != len(self.inputs):
            raise ValueError(f"an input appears twice: {self.inputs}")
        if self.layout != "channels" and (self.psf is not None or self.missing.show):
            raise ValueError("the PSF and missing pixels are shown in channels; the layout is side_by_side")
        if self.missing.rule == "ignore" and self.normalization.name not in IGNORING_MISSING:
            raise ValueError(
                f"normalisation {self.normalization.name!r} cannot ignore missing pixels; those that can are "
                f"{sorted(IGNORING_MISSING)}"
            )
        if self.format == "rbmodel-1" and (
            self.psf is not None
            or self.trained is not None
            or self.missing.show
            or self.missing.rule == "ignore"
        ):
            raise ValueError("psf, trained, missing.show and the rule 'ignore' need format 'rbmodel-2'")
        if self.architecture is not None:
            if self.architecture.input_shape != self.input_shape:
                raise ValueError(
                    f"the network takes {self.architecture.input_shape}, the contract makes "
                    f"{self.input_shape}"
                )
            if self.architecture.output_shape != (self.output.size,):
                raise ValueError(
                    f"the network gives {self.architecture.output_shape}, the contract expects "
                    f"({self.output.size},)"
                )
        return self

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of what the network is fed."""
        size, n = self.stamp_size, len(self.inputs)
        if self.layout == "side_by_side":
            return (size, size * n, 1)
        return (size, size, n + (self.psf is not None) + self.missing.show)

    @property
    def uses_difference(self) -> bool:
        """Whether the model looks at the difference image."""
        return "difference" in self.inputs

    def to_json(self) -> str:
        """Write the contract as JSON, the same text for the same contract.

        Returns
        -------
        str
            JSON text.
        """
        # What format 1 does not know is not written there: a file that is read and written stays as it is.
        unknown: Any = (
            {"psf": True, "trained": True, "missing": {"show"}} if self.format == "rbmodel-1" else None
        )
        fields = self.model_dump(mode="json", exclude=unknown)
        return json.dumps(fields, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Contract:
        """Read a contract.

        Parameters
        ----------
        text
            What `to_json` wrote.

        Raises
        ------
        ModelFormatError
            Raised if the text is not JSON or says something a contract cannot say; all reasons are given.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'contract'}: {item['msg']}" for item in error.errors()
            )
            raise ModelFormatError(f"contract.json cannot be used: {reasons}") from error
        except ModelContractError as error:
            raise ModelFormatError(f"contract.json cannot be used: {error}") from error


def contract_schema() -> dict[str, Any]:
    """Return the JSON schema of ``contract.json``, frozen in ``resources/models/contract.schema.json``."""
    return Contract.model_json_schema()
