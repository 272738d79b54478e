"""How models run."""

from __future__ import annotations

__all__ = ("ScoringOptions",)

import dataclasses

from ..options import Options, option
from ._classifier import MAX_BATCH
from ._engines import DEVICES, ENGINES


@dataclasses.dataclass(frozen=True)
class ScoringOptions(Options):
    """What runs a model, and what sources without a score get."""

    engine: str = option(
        "auto",
        "What runs the network: ONNX Runtime, PyTorch, TensorFlow or numpy (slow); auto: the first that is "
        "installed of ONNX Runtime, PyTorch and numpy.",
        choices=ENGINES,
    )
    device: str = option(
        "cpu",
        "Where the network runs: one core, or a GPU, which takes an ONNX Runtime or a PyTorch that is built "
        "for it; auto: a GPU if there is one.",
        choices=DEVICES,
    )
    batch_size: int = option(64, "Stamps run at once; does not change the scores.", min=1, max=MAX_BATCH)
    resample: bool = option(False, "Resample stamps to the pixel scale of the models, which must say theirs?")
    unscorable_score: float | None = option(
        None,
        "Score of sources that cannot be scored, instead of NaN. AP's reliability filter keeps NaN (it is "
        "not below any threshold); 0 makes it reject them. They have flag_unscorable either way.",
    )
