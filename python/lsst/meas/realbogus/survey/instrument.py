"""Instruments of simulated and of ingested surveys."""

from __future__ import annotations

__all__ = ("FlexibleInstrument", "RealBogusCam")

from collections.abc import Iterable, Mapping
from typing import Any

from lsst.daf.butler.registry import Registry
from lsst.pipe.base import Instrument

from ..tables import MAX_DETECTORS

VISIT_MAX = 2**20
"""One more than the largest visit, so that visit and detector together fit 28 bits."""


class FlexibleInstrument(Instrument):
    """An instrument whose detectors and filters are whatever a survey has.

    Subclasses define `getName` and must be importable by the name that `class_name` gives.

    Parameters
    ----------
    collection_prefix
        Prefix of collection names; the instrument's name by default.
    """

    @classmethod
    def class_name(cls) -> str:
        """Return the full name under which the class is imported."""
        return f"{cls.__module__}.{cls.__qualname__}"

    @property
    def input_run(self) -> str:
        """The RUN collection that holds a survey's images and tables."""
        return f"{self.collection_prefix}/input"

    def getRawFormatter(self, dataId: Any) -> Any:
        """Raise, for there are no raw images.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(f"{self.getName()} has calibrated images only")

    def register(self, registry: Registry, *, update: bool = False) -> None:
        """Insert the records of the instrument and of its visit system."""
        name = self.getName()
        with registry.transaction():
            registry.syncDimensionData(
                "instrument",
                {
                    "name": name,
                    "visit_max": VISIT_MAX,
                    "exposure_max": VISIT_MAX,
                    "detector_max": MAX_DETECTORS,
                    "visit_system": 0,
                    "class_name": self.class_name(),
                },
                update=update,
            )
            registry.syncDimensionData(
                "visit_system", {"instrument": name, "id": 0, "name": "one-to-one"}, update=update
            )

    def register_parts(
        self, registry: Registry, *, detectors: Iterable[int], filters: Mapping[str, str]
    ) -> None:
        """Insert the records of detectors and filters.

        Parameters
        ----------
        registry
            Registry in which the instrument is registered.
        detectors
            Identifiers of detectors.
        filters
            Band of every physical filter.
        """
        name = self.getName()
        with registry.transaction():
            for number in detectors:
                registry.syncDimensionData(
                    "detector",
                    {
                        "instrument": name,
                        "id": number,
                        "full_name": f"D{number:02d}",
                        "name_in_raft": f"{number:02d}",
                        "raft": "R0",
                        "purpose": "SCIENCE",
                    },
                )
            for physical_filter, band in filters.items():
                registry.syncDimensionData(
                    "physical_filter", {"instrument": name, "name": physical_filter, "band": band}
                )


class RealBogusCam(FlexibleInstrument):
    """The camera of simulated surveys."""

    @classmethod
    def getName(cls) -> str:
        """Return the name of the instrument."""
        return "RealBogusCam"
