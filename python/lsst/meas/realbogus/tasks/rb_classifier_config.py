"""Connections and configuration of `RbClassifierTask`."""

from __future__ import annotations

__all__ = ("DIMENSIONS", "RbClassifierConfig", "RbClassifierConnections")

import dataclasses

from lsst.pex.config import ChoiceField, Field
from lsst.pipe.base import connectionTypes

from ..cutouts import PixelOptions
from ..errors import ModelContractError, ModelNotFoundError
from ..model import DATASET_TYPE, STORAGE_CLASS, Contract, ScoringOptions, peek_contract, read_model_file
from ._butler_models import BUTLER_SCHEME, model_lookup
from ._dia_sources import dia_sources_storage_class
from ._options import with_options
from ._transinet import TransiNetConfig, TransiNetConnections

DIMENSIONS = ("instrument", "visit", "detector")


class RbClassifierConnections(TransiNetConnections, dimensions=DIMENSIONS):
    """Images, DIA sources and scores, by the connection names of ``RBTransiNetTask``."""

    science = connectionTypes.Input(
        doc="Science image.",
        name="preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    template = connectionTypes.Input(
        doc="Template on the science image's grid, not matched to its PSF.",
        name="template_detector",
        storageClass="VisitImage",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    difference = connectionTypes.Input(
        doc="Difference image; not wanted where no model looks at it.",
        name="difference_image",
        storageClass="DifferenceImage",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    diaSources = connectionTypes.Input(
        doc="Sources to score: a DIA source table or catalogue of any pipeline generation.",
        name="dia_source_unstandardized",
        storageClass="AstropyTable",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    model = connectionTypes.PrerequisiteInput(
        doc="Model named by model_uri, where that names one in the Butler.",
        name=DATASET_TYPE,
        storageClass=STORAGE_CLASS,
        dimensions=(),
    )
    nodiaModel = connectionTypes.PrerequisiteInput(
        doc="Model named by nodia_model_uri, where that names one in the Butler.",
        name=DATASET_TYPE,
        storageClass=STORAGE_CLASS,
        dimensions=(),
    )
    classifications = connectionTypes.Output(
        doc="Score of every source, in the order of the input.",
        name="dia_source_reliability",
        storageClass="ArrowAstropy",
        dimensions=DIMENSIONS,
    )

    def __init__(self, *, config: RbClassifierConfig | None = None) -> None:
        super().__init__(config=config)
        assert config is not None
        for connection, uri in (("model", config.model_uri), ("nodiaModel", config.nodia_model_uri)):
            if uri and uri.startswith(BUTLER_SCHEME):
                old = getattr(self, connection)
                delattr(self, connection)
                setattr(self, connection, dataclasses.replace(old, lookupFunction=model_lookup(uri)))
            else:
                delattr(self, connection)
        if not config.wants_difference():
            del self.difference
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)
        self.classifications = dataclasses.replace(self.classifications, storageClass=config.written_as())


@with_options(ScoringOptions, PixelOptions)
class RbClassifierConfig(TransiNetConfig, pipelineConnections=RbClassifierConnections):
    """Which models, how they run, and how tables are stored."""

    model_uri = Field[str](
        doc="Model that gives the score: 'package:NAME', a path or URI of an .rbmodel file, 'butler:' (the "
        "rb_model of the input collections), or 'butler:NAME/VERSION' (the one of run models/NAME/VERSION). "
        "None: only nodia_model_uri (on the command line -c rbClassifier:model_uri=None).",
        default="package:dia",
        optional=True,
    )
    nodia_model_uri = Field[str](
        doc="Model without difference image to run beside it, or alone if model_uri is None; as model_uri.",
        default=None,
        optional=True,
    )
    dia_sources_storage_class = dia_sources_storage_class()
    classifications_storage_class = ChoiceField[str](
        doc="How the scores are written. None: as Catalog, which filterDiaSourcePostReliability reads, where "
        "the configuration is one of RBTransiNetTask's, otherwise as ArrowAstropy.",
        allowed={
            "ArrowAstropy": "Parquet table.",
            "AstropyTable": "ecsv table.",
            "Catalog": "afw catalogue, in the full stack only.",
        },
        default=None,
        optional=True,
    )

    def written_as(self) -> str:
        """Return the storage class of the scores.

        Returns
        -------
        str
            ``ArrowAstropy``, ``AstropyTable`` or ``Catalog``.
        """
        return self.classifications_storage_class or ("Catalog" if self.ignored() else "ArrowAstropy")

    def uris(self) -> list[str]:
        """Return the models that are asked for, the one that gives the score first.

        Returns
        -------
        list of str
            One or two names, paths or URIs.
        """
        return [uri for uri in (self.model_uri, self.nodia_model_uri) if uri]

    def wants_difference(self) -> bool:
        """Return whether the model of ``model_uri`` sees the difference image, as far as can be told now.

        Returns
        -------
        bool
            True where a difference image must be there.
        """
        if not self.model_uri:
            return False
        contract = _contract_now(self.model_uri)
        return contract is None or contract.uses_difference

    def check_inputs(self, uri: str, contract: Contract) -> None:
        """Refuse a model that looks at images which this task does not read for it.

        Parameters
        ----------
        uri
            Where the model comes from, as in the configuration.
        contract
            Its contract.

        Raises
        ------
        ModelContractError
            Raised if ``nodia_model_uri`` names a model that looks at the difference image.
        """
        if contract.uses_difference and uri == self.nodia_model_uri:
            raise ModelContractError(
                f"nodia_model_uri={uri} looks at the difference image: give it as model_uri, and here one "
                "that does not, such as package:nodia"
            )

    def validate(self) -> None:
        """Check that there is a model, and that none looks at images that there are not."""
        super().validate()
        if not self.uris():
            raise ValueError("model_uri and nodia_model_uri are both empty: there is nothing to score with")
        if len(set(self.uris())) != len(self.uris()):
            raise ValueError(f"model_uri and nodia_model_uri are both {self.model_uri}: leave one empty")
        for uri in self.uris():
            contract = _contract_now(uri)
            if contract is not None:
                try:
                    self.check_inputs(uri, contract)
                except ModelContractError as error:
                    raise ValueError(str(error)) from error


def _contract_now(uri: str) -> Contract | None:
    """Read the contract of a model; `None` if it is in a Butler, or there is none, which the task says."""
    if uri.startswith(BUTLER_SCHEME):
        return None
    try:
        return peek_contract(read_model_file(uri), uri)
    except ModelNotFoundError:
        return None
