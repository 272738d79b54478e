"""The images that a demo runs on: a simulated survey, or a folder of FITS images."""

from __future__ import annotations

__all__ = ("DemoSurvey", "choose_images", "ingested_survey", "simulated_survey", "whole_or_nothing")

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import InvalidInputError

#: Called with the number of images done, the number of all and what was done.
Progress = Callable[[int, int, str], None]

#: Folders and file names by which science images and templates are told apart, the first that fits.
_RULES = (
    ("science/*.fits*", "template/*.fits*"),
    # Two nights of one DECam field, the test data of SFFT (Hu et al. 2022).
    ("DEC-OBS04*.fits", "DEC-OBS18*.fits"),
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
    whole_or_nothing(repo, lambda new: simulate_survey(new, config, progress=progress))
    # A field on the sky has few galaxies in a few arcminutes: give more of them a supernova than usual.
    return DemoSurvey(
        repo, config.instrument, config.skymap, {"createFakeSupernovae:options.hosted.fraction": "0.15"}
    )


def choose_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Tell science images and templates of a folder apart by where they lie or how they are called.

    Parameters
    ----------
    folder
        Holds folders ``science`` and ``template``, or files named as in SFFT's DECam test data.

    Returns
    -------
    science, template
        FITS files, sorted.

    Raises
    ------
    InvalidInputError
        Raised if no rule finds files of both kinds.
    """
    for rule in _RULES:
        science, template = (sorted(folder.glob(pattern)) for pattern in rule)
        if science and template:
            return science, template
    rules = ", or ".join(f"{science} with {template}" for science, template in _RULES)
    raise InvalidInputError(f"{folder} holds no pairs of science images and templates: {rules}")


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
    raise NotImplementedError


def whole_or_nothing(repo: Path, make: Callable[[Path], object]) -> None:
    """Make a repository under another name, so that one cut off half-way is never taken for whole."""
    if repo.exists():
        return
    unfinished = repo.with_name(repo.name + "-unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    make(unfinished)
    unfinished.rename(repo)
