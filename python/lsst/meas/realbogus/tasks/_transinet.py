"""What a configuration that was written for `lsst.meas.transiNet.RBTransiNetTask` holds."""

from __future__ import annotations

__all__ = ("TransiNetConfig", "TransiNetConnections", "say_what_is_ignored")

import functools
from typing import Any

from lsst.pex.config import ChoiceField, Field
from lsst.pipe.base import PipelineTaskConfig, PipelineTaskConnections, connectionTypes
from lsst.utils.logging import getLogger

_TEMPLATES = {"coaddName": "", "fakesType": ""}
_WITHOUT_MEANING = "Of RBTransiNetTask, without meaning here: "


class TransiNetConnections(
    PipelineTaskConnections,
    dimensions=("instrument", "visit", "detector"),
    defaultTemplates=_TEMPLATES,
):
    """Templates and the connection of ``RBTransiNetConnections`` that have no meaning here."""

    pretrainedModel = connectionTypes.PrerequisiteInput(
        doc=f"{_WITHOUT_MEANING}nothing is read.",
        name="pretrainedModelPackage",
        storageClass="NNModelPackagePayload",
        dimensions=(),
    )

    def __init__(self, *, config: PipelineTaskConfig | None = None) -> None:
        super().__init__(config=config)
        del self.pretrainedModel


class TransiNetConfig(PipelineTaskConfig, pipelineConnections=TransiNetConnections):
    """The fields of ``RBTransiNetConfig``: accepted, so that replacing the class of a task is enough."""

    modelPackageName = Field[str](
        doc=f"{_WITHOUT_MEANING}model_uri names the model.", default=None, optional=True
    )
    modelPackageStorageMode = ChoiceField[str](
        doc=f"{_WITHOUT_MEANING}model_uri names the model.",
        allowed=dict.fromkeys(("local", "neighbor", "butler"), "Where packages of meas_transiNet are."),
        default=None,
        optional=True,
    )
    cutoutSize = Field[int](
        doc=f"{_WITHOUT_MEANING}each model knows the size of its stamps.", default=None, optional=True
    )

    def ignored(self) -> dict[str, Any]:
        """Return what of RBTransiNetTask is set and has no meaning.

        Returns
        -------
        dict
            Values of fields, and of templates that no dataset's name contains.
        """
        given = {name: getattr(self, name) for name in ("modelPackageName", "modelPackageStorageMode")}
        given["cutoutSize"] = self.cutoutSize
        connections: Any = self.connections
        names = "".join(str(getattr(connections, c)) for c in connections.ConnectionsClass.allConnections)
        for template in _TEMPLATES:
            if f"{{{template}}}" not in names:
                given[f"connections.{template}"] = getattr(connections, template) or None
        return {name: value for name, value in given.items() if value is not None}


@functools.cache
def say_what_is_ignored(logger: str, ignored: str, model: str) -> None:
    """Log once what a configuration has of RBTransiNetTask's.

    Parameters
    ----------
    logger
        Name of the task's log.
    ignored
        What is set, as text.
    model
        The models that are used.
    """
    getLogger(logger).warning(
        "The configuration is one of RBTransiNetTask's: %s %s no meaning here. The scores are those of %s "
        "(model_uri, nodia_model_uri).",
        ignored,
        "has" if "," not in ignored else "have",
        model,
    )
