"""Where what data can cause becomes the error that the middleware has for it."""

from __future__ import annotations

__all__ = ("RoomTask", "UnusableDataError")

import functools
from collections.abc import Callable, Mapping
from typing import Any

from lsst.pipe.base import (
    AlgorithmError,
    AnnotatedPartialOutputsError,
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTask,
    QuantumContext,
)
from lsst.utils.introspection import get_full_type_name
from threadpoolctl import threadpool_limits

from ..errors import InvalidInputError, OutputError, SubtractionError

_OF_DATA = (InvalidInputError, SubtractionError)

RunQuantum = Callable[[Any, QuantumContext, InputQuantizedConnection, OutputQuantizedConnection], None]


class UnusableDataError(AlgorithmError):
    """The data of a quantum cannot be used; the same would happen again.

    Parameters
    ----------
    message
        What is wrong.
    facts
        Numbers and names that belong to it.
    """

    def __init__(self, message: str, facts: Mapping[str, str | int | float | bool]) -> None:
        super().__init__(message)
        self.facts = dict(facts)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the task's metadata say of the failure."""
        return self.facts


class RoomTask(PipelineTask):
    """A task that leaves its work to the rooms, which know nothing of the middleware.

    Their errors about data leave `runQuantum` as `~lsst.pipe.base.AnnotatedPartialOutputsError` of an
    `UnusableDataError`, as those of `lsst.ip.diffim.SubtractImagesTask` do, whether outputs were written
    before or not: the metadata of the task say why, and a run that goes on after them does what remains.
    Faults of models, of the configuration and of the program stay what they are. `run` raises the rooms' own
    errors.

    `runQuantum` works on one thread, whatever the process has set: sums of BLAS depend on how many share them
    in their last bits, and a run that is interrupted and continued must give the same bytes.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "runQuantum" in vars(cls):
            cls.runQuantum = _translating(cls.runQuantum)  # type: ignore[assignment, method-assign]

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the inputs, run, and write the outputs."""
        super().runQuantum(butlerQC, inputRefs, outputRefs)


def _translating(run_quantum: RunQuantum) -> RunQuantum:
    @functools.wraps(run_quantum)
    def translated(
        task: Any,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        try:
            with threadpool_limits(1):
                run_quantum(task, butlerQC, inputRefs, outputRefs)
        except OutputError:
            raise
        except _OF_DATA as error:
            facts = {"error": get_full_type_name(error), **error.facts}
            unusable = UnusableDataError(f"{butlerQC.quantum.dataId}: {error}", facts)
            unusable.with_traceback(error.__traceback__)  # the executor shows no causes
            raise AnnotatedPartialOutputsError.annotate(unusable, task, log=task.log) from unusable

    return translated


RoomTask.runQuantum = _translating(RoomTask.runQuantum)  # type: ignore[assignment, method-assign]
