"""Files and extensions that hold noise, masks and PSFs of images, and to which image each belongs."""

from __future__ import annotations

__all__ = ("KINDS", "Companions", "PlaneFile")

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lsst.meas.realbogus.errors import InvalidInputError

_UNCERTAINTIES = ("variance", "noise", "weight")
KINDS = (*_UNCERTAINTIES, "mask", "psf")
"""What may come beside an image."""
_STEM = "{stem}"
_EXTENSION = re.compile(r"\w+(,\d+)?")
_FILE_AND_EXTENSION = re.compile(r"(?P<path>.*\.[^\[\]/]+)\[(?P<hdu>\w+(,\d+)?)\]")
_ENDINGS = (".fz", ".gz", ".fits", ".fit", ".fts")


@dataclasses.dataclass(frozen=True)
class PlaneFile:
    """Where a plane of one image is.

    Parameters
    ----------
    path
        File; `None` for the image's own.
    hdu
        Name, ``NAME,VERSION`` or number of the extension; `None` for the first that has a usual name, or the
        first image.
    """

    path: Path | None
    hdu: str | None

    @property
    def where(self) -> str:
        """Where it is, in words."""
        extension = f"extension {self.hdu}" if self.hdu is not None else ""
        return " ".join(filter(None, [f"{self.path}" if self.path else "", extension]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Companions:
    """What is beside images: noise, mask and PSF.

    Each is said in one of three ways. A word without dot or slash, such as ``ERR`` or ``2``, is an extension
    of every image's own file. A name with ``{stem}`` is made into a name for each image, whose own name
    without ending it stands for; it begins at the image's folder. Other names, which may have wildcards, are
    files: as many as there are science images, or as many as there are images, science images first.
    ``FILE[NAME]`` says which extension of a file.

    Parameters
    ----------
    variance
        Variance of the pixels, in the square of the image's unit.
    noise
        Standard deviation of the pixels, in the image's unit.
    weight
        Inverse variance up to a factor, which comes from blank sky, as do exposure times.
    mask
        Masks, 0 where pixels are good; see `FrameOptions.mask_bits`.
    psf
        Stamps of the PSF, with an odd number of pixels on each side.

    Raises
    ------
    InvalidInputError
        If more than one of variance, noise and weight is said.

    Examples
    --------
    >>> from pathlib import Path
    >>> beside = Companions(noise=["{stem}.noise.fits"], mask=["DQ"])
    >>> (found,) = beside.of_images([Path("night1/a.fits.fz")], [])
    >>> found["noise"].path.as_posix(), found["mask"].hdu
    ('night1/a.noise.fits', 'DQ')
    """

    variance: Sequence[str] = ()
    noise: Sequence[str] = ()
    weight: Sequence[str] = ()
    mask: Sequence[str] = ()
    psf: Sequence[str] = ()

    def __post_init__(self) -> None:
        said = [kind for kind in _UNCERTAINTIES if getattr(self, kind)]
        if len(said) > 1:
            raise InvalidInputError(f"an image has one of {', '.join(_UNCERTAINTIES)}; got {', '.join(said)}")

    def of_images(self, science: Sequence[Path], templates: Sequence[Path]) -> list[Mapping[str, PlaneFile]]:
        """Find what belongs to each image.

        Parameters
        ----------
        science, templates
            Files of the images.

        Returns
        -------
        list of dict
            For each science image, then for each template, where its planes are, by kind. Files made of
            ``{stem}`` and extensions need not exist.

        Raises
        ------
        InvalidInputError
            If a file does not exist, is an image as well, or there are not as many files as images.
        """
        images = [*science, *templates]
        names = {path.resolve() for path in images}
        found: list[dict[str, PlaneFile]] = [{} for _ in images]
        for kind in KINDS:
            for number, plane in enumerate(self._of_kind(kind, science, templates)):
                found[number][kind] = plane
                if plane.path is not None and plane.hdu is None and plane.path.resolve() in names:
                    raise InvalidInputError(
                        f"{plane.path} is the {kind} of {images[number]} and among the images too; name the "
                        "images so that what is beside them is not among them"
                    )
        return list(found)

    def _of_kind(self, kind: str, science: Sequence[Path], templates: Sequence[Path]) -> list[PlaneFile]:
        said: Sequence[str] = getattr(self, kind)
        images = [*science, *templates]
        if len(said) == 1 and _EXTENSION.fullmatch(said[0]):
            return [PlaneFile(None, said[0])] * len(images)
        if len(said) == 1 and _STEM in said[0]:
            return [_split(str(image.parent / said[0].replace(_STEM, _stem(image)))) for image in images]
        planes = [plane for text in said for plane in _files(kind, text)]
        if said and len(planes) not in (len(science), len(images)):
            raise InvalidInputError(
                f"{kind}: {len(planes)} files for {len(science)} science images and {len(templates)} "
                "templates; give one for each science image, or one for each image, science images first, "
                f"or a name with {_STEM}"
            )
        return planes


def _split(text: str) -> PlaneFile:
    match = _FILE_AND_EXTENSION.fullmatch(text)
    return PlaneFile(Path(match["path"]), match["hdu"]) if match else PlaneFile(Path(text), None)


def _files(kind: str, text: str) -> list[PlaneFile]:
    plane = _split(text)
    path = plane.path or Path(text)
    if path.is_file():
        return [plane]
    files = sorted(path.parent.glob(path.name))
    if not files:
        raise InvalidInputError(f"{kind}: no file is called {text}")
    return [PlaneFile(file, plane.hdu) for file in files]


def _stem(path: Path) -> str:
    name = path.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name
