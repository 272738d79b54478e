"""What a simulated survey looks like: one frozen set of numbers, and the presets."""

from __future__ import annotations

__all__ = ("PRESETS", "SurveyConfig", "load_config")

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import yaml

from lsst.meas.realbogus.errors import InvalidInputError

from ..tables import MAX_DETECTORS, reading

SEARCH_START = 1000
"""Number of the first search visit; template visits have smaller numbers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurveyConfig:
    """Every number of a simulated survey.

    Ranges are ``(low, high)`` pairs from which a uniform number is drawn; rates are mean numbers (of a
    Poisson distribution, in a megapixel) or probabilities, for one detector of one search visit. In template
    visits the rates are multiplied by ``template_artefact_factor``.

    Notes
    -----
    The defaults resemble 30 s r-band exposures of the Simonyi Survey Telescope, with a field of moderate
    stellar density and with artefacts and transients much more frequent than on the sky, so that few images
    hold enough of each.
    """

    # What is observed, and when.
    seed: int = 1
    instrument: str = "RealBogusCam"
    skymap: str = "realbogus"
    ra: float = 150.1
    """Right ascension of the field's centre [degrees]."""
    dec: float = 2.2
    """Declination of the field's centre [degrees]."""
    bands: tuple[str, ...] = ("r",)
    n_template_visits: int = 3
    """Template visits in each band."""
    n_search_visits: int = 5
    """Search visits in each band."""
    template_mjd: float = 60350.0
    search_mjd: float = 61080.0
    visit_interval: tuple[float, float] = (2.0, 5.0)
    """Days between two visits of a band."""
    exposure_time: float = 30.0
    """Seconds."""

    # The camera.
    detector_grid: tuple[int, int] = (2, 1)
    """Numbers of detectors along x and y."""
    detector_size: tuple[int, int] = (1024, 1024)
    """Width and height of a detector [pixels]."""
    detector_gap: int = 24
    """Pixels between detectors."""
    pixel_scale: float = 0.2
    """Arcseconds per pixel."""
    gain: tuple[float, float] = (1.45, 1.75)
    """Electrons per ADU, drawn for each amplifier; a detector has two, side by side along x."""
    read_noise: float = 8.0
    """Electrons."""
    full_well: float = 110_000.0
    """Electrons."""
    photometric_slope: float = 0.02
    """Largest relative change of the photometric scaling over a detector."""

    # Sky and atmosphere.
    zero_point: float = 32.1
    """AB magnitude that gives one electron in an exposure, in photometric conditions."""
    extinction: tuple[float, float] = (0.0, 0.25)
    """Magnitudes lost to clouds, by visit."""
    sky_brightness: tuple[float, float] = (20.6, 21.4)
    """Magnitudes per square arcsecond."""
    seeing: tuple[float, float] = (0.70, 1.15)
    """FWHM of search visits [arcsec]."""
    template_seeing: tuple[float, float] = (0.60, 0.75)
    """FWHM of template visits [arcsec]."""
    moffat_beta: tuple[float, float] = (2.8, 4.2)
    psf_ellipticity: float = 0.03
    """Standard deviation of each component of the mean PSF shear."""
    psf_size_variation: float = 0.04
    """Relative change of the PSF's size over the field."""
    psf_shear_variation: float = 0.02
    """Change of the PSF's shear over the field."""
    background_residual: float = 0.15
    """Standard deviation of each term of the residual background, in units of the sky noise."""

    # Pointing and astrometry.
    dither: float = 8.0
    """Standard deviation of the pointing in each coordinate [arcsec]."""
    rotation: tuple[float, float] = (-1.5, 1.5)
    """Degrees."""
    distortion: float = 4.0
    """Radial displacement at the corner of the field [pixels]."""
    astrometric_error: float = 0.015
    """Standard deviation of a usual visit's WCS offset in each coordinate [arcsec]."""

    # What is on the sky: numbers per square degree.
    star_density: float = 30_000.0
    star_magnitudes: tuple[float, float] = (14.5, 25.0)
    star_slope: float = 0.20
    """Slope of log10 N(<m)."""
    galaxy_density: float = 110_000.0
    galaxy_magnitudes: tuple[float, float] = (17.5, 25.2)
    galaxy_slope: float = 0.34
    transient_density: float = 4500.0
    transient_magnitudes: tuple[float, float] = (19.5, 24.3)
    """Peak magnitudes of transients."""
    transient_hosted_fraction: float = 0.85
    variable_fraction: float = 0.04
    """Fraction of stars, and of galaxies through their nuclei, that vary."""
    variable_amplitude: tuple[float, float] = (0.1, 0.8)
    """Peak-to-peak magnitudes."""
    asteroid_density: float = 700.0
    asteroid_rate: tuple[float, float] = (0.05, 0.7)
    """Arcseconds per minute."""
    high_proper_motion_fraction: float = 0.02
    high_proper_motion: tuple[float, float] = (0.1, 0.8)
    """Arcseconds a year."""
    proper_motion: float = 0.006
    """Standard deviation in each coordinate of all other stars [arcsec / year]."""

    # Artefacts.
    template_artefact_factor: float = 0.25
    cosmic_rays: float = 14.0
    cosmic_ray_found_fraction: float = 0.4
    """Fraction of cosmic rays that are found, interpolated and flagged."""
    bad_columns: float = 2.5
    """Bad columns of a detector, the same in all visits."""
    bad_column_flagged_fraction: float = 0.6
    satellites: float = 0.25
    ghosts: float = 0.35
    astrometric_jitter: float = 0.15
    """Probability of a visit whose WCS is off by more than the usual error."""
    astrometric_jitter_offset: tuple[float, float] = (0.03, 0.12)
    """Arcseconds."""
    psf_changes: float = 0.15
    """Probability that the PSF model of a detector is not the PSF that was drawn."""
    psf_change_size: tuple[float, float] = (0.015, 0.05)
    """Relative error of the model's size."""
    edge_glows: float = 0.3
    no_data_borders: float = 0.3
    vignetted_corners: float = 0.15

    def __post_init__(self) -> None:
        for name in ("n_template_visits", "n_search_visits", "read_noise", "detector_gap"):
            if getattr(self, name) < 0:
                raise InvalidInputError(f"{name} must not be negative; got {getattr(self, name)}")
        for name in ("pixel_scale", "exposure_time", "full_well"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(f"{name} must be positive; got {getattr(self, name)}")
        if not self.bands:
            raise InvalidInputError("bands must not be empty")
        if min(self.detector_size) < 64:
            raise InvalidInputError(f"detector_size must be at least 64 pixels; got {self.detector_size}")
        if min(self.detector_grid) < 1 or self.n_detectors > MAX_DETECTORS:
            raise InvalidInputError(
                f"detector_grid must hold 1 to {MAX_DETECTORS} detectors; got {self.detector_grid}"
            )
        if self.n_template_visits * len(self.bands) >= SEARCH_START:
            raise InvalidInputError(
                f"n_template_visits must stay below {SEARCH_START} in all; got {self.n_template_visits}"
            )

    @property
    def n_detectors(self) -> int:
        """Number of detectors."""
        return self.detector_grid[0] * self.detector_grid[1]

    @classmethod
    def field_names(cls) -> frozenset[str]:
        """Return the names of all numbers."""
        return frozenset(field.name for field in dataclasses.fields(cls))

    def replace(self, **overrides: Any) -> Self:
        """Return a copy with some numbers replaced.

        Parameters
        ----------
        **overrides
            New values; a pair may be a list, and a single number for a pair means a range without width.

        Raises
        ------
        InvalidInputError
            If a name is unknown or a value is not of the kind of the default.
        """
        unknown = sorted(set(overrides) - self.field_names())
        if unknown:
            raise InvalidInputError(
                f"a survey has no {', '.join(unknown)}; it has {', '.join(sorted(self.field_names()))}"
            )
        return dataclasses.replace(
            self, **{name: _coerce(name, value, getattr(self, name)) for name, value in overrides.items()}
        )


def _coerce(name: str, value: Any, default: Any) -> Any:
    try:
        if isinstance(default, tuple) and isinstance(default[0], str):
            return (value,) if isinstance(value, str) else tuple(str(item) for item in value)
        if isinstance(default, tuple):
            pair = (value, value) if isinstance(value, int | float) else tuple(value)
            if len(pair) != len(default) or pair[0] > pair[1] and name not in _SIZES:
                raise ValueError
            return tuple(type(default[0])(item) for item in pair)
        if isinstance(value, bool) or isinstance(default, int) and int(value) != value:
            raise ValueError
        return type(default)(value)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be like {default!r}; got {value!r}") from error


_SIZES = frozenset({"detector_grid", "detector_size"})

PRESETS: Mapping[str, SurveyConfig] = MappingProxyType(
    {
        "demo": SurveyConfig(),
        "small": SurveyConfig(
            detector_grid=(1, 1),
            detector_size=(512, 512),
            n_template_visits=2,
            n_search_visits=2,
            dither=3.0,
            distortion=1.0,
        ),
        # The shape of the HSC RC2 subset of the Science Pipelines: six detectors, eight visits, two bands.
        "medium": SurveyConfig(
            detector_grid=(3, 2),
            detector_size=(2048, 2048),
            n_template_visits=2,
            n_search_visits=2,
            bands=("r", "i"),
            distortion=8.0,
        ),
    }
)
"""Ready-made surveys by name."""


def load_config(path: Path, base: SurveyConfig) -> SurveyConfig:
    """Override numbers of a survey from a YAML file.

    Parameters
    ----------
    path
        File with a mapping from names of `SurveyConfig` to values.
    base
        Survey whose numbers are kept where the file says nothing.

    Raises
    ------
    InvalidInputError
        If the file is not such a mapping.
    """
    with reading(path, "YAML with numbers of a survey"):
        content = yaml.safe_load(path.read_text())
    if content is None:
        return base
    if not isinstance(content, dict):
        raise InvalidInputError(f"{path} must map names to values; got {type(content).__name__}")
    return base.replace(**content)
