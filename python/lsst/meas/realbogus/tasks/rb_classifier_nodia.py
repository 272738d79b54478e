"""Score the sources of a science image without a difference image."""

from __future__ import annotations

__all__ = ("RbClassifierNoDiaConfig", "RbClassifierNoDiaConnections", "RbClassifierNoDiaTask")

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from astropy.table import Table
from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import Box, MaskedImage, SkyProjection
from lsst.pipe.base import NoWorkFound, Struct, connectionTypes
from lsst.utils.timer import timeMethod

from ..cutouts import read_sources
from ..errors import ModelContractError
from ..imaging import pixel_scale
from ..legacy import DeferredImage, read_grid
from ..model import Classifier, Contract
from ..templates import CoaddPixels, TemplateOptions, needed_box, sparse_template
from ._coadds import StoredCoadd, coadds_storage_class, declared_as
from ._dia_sources import read_placed
from .rb_classifier import (
    DIMENSIONS,
    RbClassifierConfig,
    RbClassifierConnections,
    RbClassifierTask,
)

_BORDER = TemplateOptions().border


class RbClassifierNoDiaConnections(RbClassifierConnections, dimensions=DIMENSIONS):
    """A science image, its sources, and the coadds under it."""

    template = connectionTypes.Input(
        doc="Template coadds, warped in memory to where sources are.",
        name="template_coadd",
        storageClass="CellCoadd",
        dimensions=("skymap", "tract", "patch", "band"),
        multiple=True,
        deferLoad=True,
    )
    diaSources = connectionTypes.Input(
        doc="Sources to score: the science image's own, or any others on it.",
        name="source_detector",
        storageClass="ArrowAstropy",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    classifications = connectionTypes.Output(
        doc="Score of every source, in the order of the input.",
        name="source_reliability",
        storageClass="ArrowAstropy",
        dimensions=DIMENSIONS,
    )

    def __init__(self, *, config: RbClassifierNoDiaConfig | None = None) -> None:
        super().__init__(config=config)
        assert config is not None
        stored = declared_as(config.coadds_storage_class)
        self.template = dataclasses.replace(self.template, storageClass=stored)


class RbClassifierNoDiaConfig(RbClassifierConfig, pipelineConnections=RbClassifierNoDiaConnections):
    """As for `RbClassifierTask`, with a model that needs no difference image."""

    coadds_storage_class = coadds_storage_class()

    def setDefaults(self) -> None:
        """Take the packaged model without difference image."""
        super().setDefaults()
        self.model_uri = None
        self.nodia_model_uri = "package:nodia"

    def wants_difference(self) -> bool:
        """Return False: there is none.

        Returns
        -------
        bool
            False.
        """
        return False

    def check_inputs(self, uri: str, contract: Contract) -> None:
        """Refuse models that look at the difference image, whichever field names them.

        Parameters
        ----------
        uri
            What the configuration names.
        contract
            Contract of that model.
        """
        if contract.uses_difference:
            raise ModelContractError(
                f"the model {uri} looks at the difference image, and this task has none; take one that does "
                "not, such as package:nodia, or score with rbClassifier"
            )


class RbClassifierNoDiaTask(RbClassifierTask):
    """Score the sources of a science image with models that look at science image and template only.

    No kernel, no subtraction, no difference image. Coadds are warped in memory to the pixels that stamps
    need: stamp by stamp, or the tiles under the stamps, whichever is cheaper.
    """

    ConfigClass: typing.ClassVar = RbClassifierNoDiaConfig
    _DefaultName: typing.ClassVar = "rbClassifierNoDia"
    config: RbClassifierNoDiaConfig

    def _read_sources(self, handle: DeferredDatasetHandle, science: DeferredDatasetHandle) -> Table:
        return read_placed(read_sources, handle, science)

    @timeMethod
    def run(
        self,
        dia_sources: Table,
        images: Mapping[str, Any],
        classifiers: Sequence[Classifier] | None = None,
    ) -> Struct:
        """Score sources.

        Parameters
        ----------
        dia_sources
            Columns as `cutouts.read_sources` gives them: ``id``, ``x``, ``y``, ``is_negative``.
        images
            ``science``, an image or its deferred handle; ``template``, coadds or their deferred handles.
        classifiers
            The models, first the one that gives the score; default: those of the configuration.

        Returns
        -------
        lsst.pipe.base.Struct
            ``classifications``, a table of `model.SCORE_COLUMNS`.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If no coadd lies under the image.
        """
        if classifiers is None:
            classifiers = [self._classifier(uri) for uri in self.config.uris()]
        box, projection = _grid(images["science"])
        coadds = list(_place_coadds(images["template"], box, projection))
        if not coadds:
            raise NoWorkFound("No template coadd lies under the image.")
        scale = pixel_scale(projection, box) if self._options.resample else None
        size = max(classifier.cut_size(scale) for classifier in classifiers)
        template = sparse_template(
            coadds, box, projection, dia_sources["x"], dia_sources["y"], size, border=_BORDER
        )
        self.metadata["n_template_windows"] = template.n_windows
        self.metadata["template_by_stamp"] = template.by_stamp
        self.log.info(
            "Warped %d %s of %d coadds.",
            template.n_windows,
            "stamps" if template.by_stamp else "tiles",
            len(coadds),
        )
        pixels = {"science": images["science"], "template": (template.image, template.mask)}
        return super().run(dia_sources, pixels, classifiers)


def _grid(science: Any) -> tuple[Box, SkyProjection[Any]]:
    if isinstance(science, DeferredImage):
        return read_grid(science.handle)
    return science.bbox, science.sky_projection


def _place_coadds(coadds: Any, box: Box, projection: SkyProjection[Any]) -> Iterable[CoaddPixels]:
    """Find the part of each coadd under the image, to be read if a source needs it."""
    handles: Iterable[Any] = typing.cast(Any, coadds.handle) if isinstance(coadds, DeferredImage) else coadds
    for handle in handles:
        if isinstance(handle, MaskedImage):
            yield CoaddPixels.of(handle)
            continue
        coadd = StoredCoadd.of(handle)
        part = needed_box(coadd.projection, coadd.box, projection, box.padded(_BORDER))
        if part is not None:
            yield CoaddPixels(part, coadd.projection, coadd.pixels)
