"""The images that a demo runs on: a simulated survey, or a folder of FITS images."""

from __future__ import annotations

__all__ = (
    "ChosenImages",
    "DemoSurvey",
    "choose_images",
    "ingested_survey",
    "simulated_survey",
)

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import InvalidInputError

#: Called with the number of images done, the number of all and what was done.
Progress = Callable[[int, int, str], None]


@dataclasses.dataclass(frozen=True)
class _Rule:
    """How science images and templates are told apart, and of which camera they are if they do not say."""

    science: str
    template: str
    instrument: str


_BANDS = "ugrizy"
_SKYMAP = "realbogus"
_RULES = (
    _Rule("science/*.fits*", "template/*.fits*", "Camera"),
    # Two nights of one field, the test data of SFFT (Hu et al. 2022).
    _Rule("DEC-OBS04*.fits", "DEC-OBS18*.fits", "DECam"),
)


@dataclasses.dataclass(frozen=True)
class DemoSurvey:
    """A repository with images, and how many fakes they get.

    Parameters
    ----------
    repo
        Butler repository.
    instrument, skymap
        Names of its instrument and sky map.
    config
        Overrides of the pipeline's configuration that suit the images.
    """

    repo: Path
    instrument: str
    skymap: str
    config: Mapping[str, str]

    @property
    def inputs(self) -> str:
        """Collection of the images."""
        return f"{self.instrument}/input"

    @property
    def query(self) -> str:
        """Data query for all of the images."""
        return f"instrument='{self.instrument}' AND skymap='{self.skymap}'"


def simulated_survey(repo: Path, preset: str, progress: Progress) -> DemoSurvey:
    """Simulate a survey, unless the repository exists.

    Parameters
    ----------
    repo
        Butler repository.
    preset
        Name of the survey.
    progress
        Follows the work; not called where there is none.
    """
    from ..survey import PRESETS, simulate_survey

    config = PRESETS[preset]
    if not repo.exists():
        simulate_survey(repo, config, progress=progress)
    # A field on the sky has few galaxies in a few arcminutes: give more of them a supernova than usual.
    return DemoSurvey(
        repo, config.instrument, config.skymap, {"createFakeSupernovae:options.hosted.fraction": "0.15"}
    )


@dataclasses.dataclass(frozen=True)
class ChosenImages:
    """FITS files of a folder.

    Parameters
    ----------
    science, template
        Files, sorted.
    instrument
        Name of the camera.
    band
        Band of all of them.
    """

    science: list[Path]
    template: list[Path]
    instrument: str
    band: str


def choose_images(folder: Path) -> ChosenImages:
    """Tell science images and templates of a folder apart by where they lie or how they are called.

    Parameters
    ----------
    folder
        Holds folders ``science`` and ``template``, or files named as in SFFT's DECam test data.

    Returns
    -------
    ChosenImages
        The files; instrument and band are those of the first header with INSTRUME and FILTER.

    Raises
    ------
    InvalidInputError
        Raised if no rule finds files of both kinds.
    """
    for rule in _RULES:
        science, template = (sorted(folder.glob(pattern)) for pattern in (rule.science, rule.template))
        if science and template:
            header = _header(science[0])
            instrument = re.sub(r"[^A-Za-z0-9_]", "", str(header.get("INSTRUME") or rule.instrument))
            # The first letter of such names as "i DECam SDSS c0003 7835.0 1470.0" or "r_03" is the band.
            band = str(header.get("FILTER") or "").strip()[:1].lower()
            return ChosenImages(science, template, instrument, band if band in _BANDS else "r")
    rules = ", or ".join(f"{rule.science} with {rule.template}" for rule in _RULES)
    raise InvalidInputError(f"{folder} holds no pairs of science images and templates: {rules}")


def _header(path: Path) -> Mapping[str, object]:
    from astropy.io import fits

    with fits.open(path) as hdus:
        merged: dict[str, object] = {}
        for hdu in hdus:
            merged = dict(hdu.header) | merged
    return merged


def ingested_survey(repo: Path, folder: Path, progress: Progress) -> DemoSurvey:
    """Ingest FITS images, unless the repository exists.

    Parameters
    ----------
    repo
        Butler repository.
    folder
        As for `choose_images`.
    progress
        Follows the work; not called where there is none.
    """
    from ..survey import ingest_fits

    images = choose_images(folder)
    if not repo.exists():
        ingest_fits(
            repo,
            images.science,
            images.template,
            instrument=images.instrument,
            band=images.band,
            skymap=_SKYMAP,
            progress=progress,
        )
    # Small frames have few galaxies: half of them get a supernova, and as many lie apart from galaxies.
    fakes = {"hosted.fraction": "0.5", "hostless.fraction": "0.5"}
    config = {f"createFakeSupernovae:options.{name}": value for name, value in fakes.items()}
    return DemoSurvey(repo, images.instrument, _SKYMAP, config)
