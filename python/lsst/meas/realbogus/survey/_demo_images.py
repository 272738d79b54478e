"""The images that a demo runs on: a simulated survey, or a folder of FITS images."""

from __future__ import annotations

__all__ = (
    "ChosenImages",
    "DemoImages",
    "choose_images",
    "ingested_images",
    "simulated_images",
)

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import InvalidInputError
from ..tables import open_fits
from ._ingest import ingest_fits
from ._presets import PRESETS, find_preset
from ._regimes import CAMERAS, suited_pipeline
from ._simulate_survey import simulate_survey

#: Called with the number of images done, the number of all and what was done.
Progress = Callable[[int, int, str], None]


"""Where science images and templates lie in a folder, unless other patterns are given."""
_BANDS = "ugrizy"
_SKYMAP = "realbogus"
_INSTRUMENT = "Camera"


@dataclasses.dataclass(frozen=True)
class DemoImages:
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


def simulated_images(repo: Path, preset: str, progress: Progress) -> DemoImages:
    """Simulate a survey, unless the repository exists.

    Parameters
    ----------
    repo
        Butler repository.
    preset
        Name of the survey.
    progress
        Follows the work; not called where there is none.

    Returns
    -------
    DemoImages
        What the pipeline needs to know of them.
    """
    config = find_preset(preset)
    if not repo.exists():
        simulate_survey(repo, config, progress=progress)
    # A field on the sky has few galaxies in a few arcminutes: give more of them a supernova than usual.
    overrides = {"createFakeSupernovae:options.hosted.fraction": "0.15"}
    if preset in CAMERAS or preset not in PRESETS:
        overrides = suited_pipeline(config)
    return DemoImages(repo, config.instrument, config.skymap, overrides)


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


def choose_images(
    folder: Path,
    science: str = "science/*.fits*",
    template: str = "template/*.fits*",
    instrument: str | None = None,
) -> ChosenImages:
    """Find the science images and the templates of a folder.

    Parameters
    ----------
    folder
        Folder of FITS images.
    science, template
        Patterns of their names in the folder, such as ``night2/*.fits``.
    instrument
        Name of the camera; what the first science image calls INSTRUME without it.

    Returns
    -------
    ChosenImages
        The files; the band is that of the first science image, by FILTER.

    Raises
    ------
    InvalidInputError
        Raised if there are no files of one kind, or a file is of both.
    """
    found = {pattern: sorted(folder.glob(pattern)) for pattern in (science, template)}
    for pattern, files in found.items():
        if not files:
            raise InvalidInputError(
                f"{folder} holds no files {pattern}; name the files with --science and --template"
            )
    if both := set(found[science]) & set(found[template]):
        raise InvalidInputError(f"{min(both)} is a science image and a template: {science}, {template}")
    header = _header(found[science][0])
    camera = instrument or re.sub(r"[^A-Za-z0-9_]", "", str(header.get("INSTRUME") or _INSTRUMENT))
    # The first letter of such names as "i DECam SDSS c0003 7835.0 1470.0" or "r_03" is the band.
    band = str(header.get("FILTER") or "").strip()[:1].lower()
    return ChosenImages(found[science], found[template], camera, band if band in _BANDS else "r")


def _header(path: Path) -> Mapping[str, object]:
    with open_fits(path, "an image") as hdus:
        merged: dict[str, object] = {}
        for hdu in hdus:
            merged = dict(hdu.header) | merged
    return merged


def ingested_images(repo: Path, images: ChosenImages, progress: Progress) -> DemoImages:
    """Ingest FITS images, unless the repository exists.

    Parameters
    ----------
    repo
        Butler repository.
    images
        What `choose_images` found.
    progress
        Follows the work; not called where there is none.

    Returns
    -------
    DemoImages
        What the pipeline needs to know of them.
    """
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
    return DemoImages(repo, images.instrument, _SKYMAP, config)
