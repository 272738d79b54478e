"""What a campaign of injections must come up to."""

from __future__ import annotations

__all__ = ("ValidationOptions",)

import dataclasses

from ..options import Options, option


@dataclasses.dataclass(frozen=True)
class ValidationOptions(Options):
    """Limits of the checks of injected sources, and the bins of their tables."""

    min_snr: float = option(
        10.0,
        "Expected SNR from which fakes are compared: a cut on the injected flux, so that noise does not "
        "choose, and above the threshold, where noise decides what is found.",
        above=0.0,
    )
    min_fakes: int = option(20, "With fewer fakes a check is left open.", min=2)
    min_drawn: float = option(0.99, "Least fraction of the rows on the image that were drawn.", min=0, max=1)
    min_found: float = option(
        0.9, "Least fraction found of the drawn fakes on good pixels with the SNR.", min=0.0, max=1.0
    )
    max_flux_bias: float = option(
        0.02, "Largest median of measured / injected flux - 1, of either sign.", above=0.0
    )
    max_flux_pull: float = option(
        0.3, "Largest median of (measured - injected flux) / error, of either sign.", above=0.0
    )
    flux_pull_width: tuple[float, float] = option(
        (0.8, 1.4), "Robust width of those pulls: 1 where flux errors are right.", above=0.0, ascending=True
    )
    outlier_pull: float = option(5.0, "Fluxes this many errors from the truth are outliers.", above=0.0)
    max_outliers: float = option(0.1, "Largest fraction of outliers.", min=0.0, max=1.0)
    max_position_bias: float = option(
        0.1, "Largest median of measured minus injected x, and y, of either sign (pixels).", above=0.0
    )
    position_pull_width: tuple[float, float] = option(
        (0.7, 1.4), "Robust width of the pulls of positions, x and y together.", above=0.0, ascending=True
    )
    max_bin_flux_bias: float = option(
        0.05,
        "Largest median of measured / injected flux - 1 in any bin, after correction for their number.",
        above=0.0,
    )
    max_added_flux_bias: float = option(
        0.01,
        "Largest median of flux added to the pixels / flux of the catalogue - 1, of either sign.",
        above=0.0,
    )
    noise_ratio: tuple[float, float] = option(
        (0.9, 1.1),
        "Variance of the noise seen in the added light over the variance that was added.",
        min=0.0,
        ascending=True,
    )
    max_images: int = option(
        50, "Images whose pixels are compared before and after injection, spread evenly; 0 for none.", min=0
    )
    magnitudes: tuple[float, ...] = option(
        (18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0),
        "Edges of the bins of magnitude.",
        fewest=2,
        ascending=True,
    )
    surface_brightness: tuple[float, ...] = option(
        (18.0, 20.0, 22.0, 23.0, 24.0, 25.0, 27.0, 30.0),
        "Edges of the bins of the host's surface brightness (mag / arcsec2).",
        fewest=2,
        ascending=True,
    )
    edge_distances: tuple[float, ...] = option(
        (0.0, 16.0, 32.0, 64.0, 128.0, 512.0, 4096.0),
        "Edges of the bins of the distance to the edge (pixels).",
        fewest=2,
        ascending=True,
    )
    snr: tuple[float, ...] = option(
        (3.0, 5.0, 7.0, 10.0, 20.0, 50.0, 200.0, 10000.0),
        "Edges of the bins of expected SNR.",
        fewest=2,
        ascending=True,
    )
