"""Formatters of the repositories that this package makes.

The module is public because repositories name it in their configuration.
"""

from __future__ import annotations

__all__ = ("FastImageFormatter",)

from typing import Any, override

from lsst.images.fits import FitsCompressionAlgorithm, FitsCompressionOptions
from lsst.images.formatters import GenericFormatter

_MASK = FitsCompressionOptions(algorithm=FitsCompressionAlgorithm.RICE_1, tile_shape=(256, 256))


class FastImageFormatter(GenericFormatter):
    """Write images so that putting and getting them costs little: pixels as they are, masks packed.

    `lsst.images.formatters.GenericFormatter` compresses every plane with GZIP, which is a third smaller for
    real pixels and costs about six times the CPU time. A recipe of the configuration goes before this choice.

    Notes
    -----
    The files are ordinary ones of `lsst.images`, and the datastore's records name its formatter: they can be
    read where this package is not installed.
    """

    @classmethod
    @override
    def name(cls) -> str:
        return str(GenericFormatter.name())

    @override
    def _get_compression_options(self) -> dict[str, Any]:
        if "recipe" in self.write_parameters or "default" in self.write_recipes:
            return dict(super()._get_compression_options())
        return {"image": None, "variance": None, "psf": None, "mask": _MASK}
