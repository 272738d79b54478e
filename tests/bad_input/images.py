"""Images of anything but a sky, and images that do not belong together."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from astropy.wcs import WCS
from lsst.images import (
    Box,
    DetectorFrame,
    Image,
    Mask,
    MaskedImage,
    MaskPlane,
    MaskSchema,
    SkyProjection,
    VisitImage,
)
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import GaussianPointSpreadFunction

from lsst.meas.realbogus.cutouts import extract, extract_triplets, read_image_file
from lsst.meas.realbogus.diffim import subtract_visit
from lsst.meas.realbogus.errors import (
    ImageMismatchError,
    InvalidCatalogError,
    InvalidInputError,
    SubtractionError,
)
from lsst.meas.realbogus.imaging import Place, check_catalog, check_together
from lsst.meas.realbogus.injection import inject
from lsst.meas.realbogus.measurement import detect_and_measure
from lsst.meas.realbogus.model import Scorer, load_classifier
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._pixels import MASK_SCHEMA
from lsst.meas.realbogus.survey._visit_image import make_visit_image

from ._case import Act, Cases
from .models import _content

SIZE = 96
BOX = Box.factory[0:SIZE, 0:SIZE]


def wcs(ra: float = 150.0, scale: float = 0.2) -> WCS:
    """Return a tangent projection at a place."""
    found = WCS(naxis=2)
    found.wcs.ctype, found.wcs.crval = ["RA---TAN", "DEC--TAN"], [ra, 2.2]
    found.wcs.crpix, found.wcs.cdelt = [SIZE / 2, SIZE / 2], [-scale / 3600, scale / 3600]
    return found


@functools.cache
def pixels(visit: int = 11) -> Any:
    """Return stars on noise."""
    y, x = np.indices((SIZE, SIZE))
    sky = generator(visit, "bad-input").normal(0, 15, (SIZE, SIZE))
    for xs, ys, flux in zip(
        *generator(3, "stars").uniform(9, SIZE - 9, (2, 14)), 10 ** np.linspace(3.6, 4.6, 14), strict=True
    ):
        sky += flux / (2 * np.pi * 1.8**2) * np.exp(-0.5 * ((x - xs) ** 2 + (y - ys) ** 2) / 1.8**2)
    return sky.astype(np.float32)


def visit_image(
    array: Any = None,
    visit: int = 11,
    ra: float = 150.0,
    box: Box = BOX,
    planes: str = "",
    variance: float = 225.0,
) -> VisitImage:
    """Return an image of a visit."""
    array = pixels(visit) if array is None else array
    camera = CameraGeometry.grid("ToyCam", (1, 1), (SIZE, SIZE), 10, 0.2)
    mask = Mask(0, schema=MASK_SCHEMA, bbox=box)
    if planes:
        mask.set(planes, np.ones(box.shape, bool))
    frame = DetectorFrame(instrument="ToyCam", visit=visit, detector=0, bbox=BOX)
    return make_visit_image(
        np.broadcast_to(np.asarray(array, np.float32), box.shape).copy(),
        np.full(box.shape, variance, np.float32),
        mask,
        projection=SkyProjection.from_fits_wcs(wcs(ra), frame, pixel_bounds=BOX),
        psf=GaussianPointSpreadFunction(1.8, bounds=BOX, stamp_size=31),
        detector=make_detector(camera, 0, visit, gains=(1.0, 1.0)),
        scaling=ChebyshevField(BOX, np.array([[10.0]]), unit=u.nJy / u.adu),
        visit=visit,
        band="r",
        physical_filter="r_toy",
        begin=Time("2026-01-01T20:00:00", scale="tai"),
        exposure_time=30.0,
    )


def subtracted(science: Callable[[], Any], template: Callable[[], Any] | None = None) -> Act:
    def act(folder: Path) -> Any:
        found = subtract_visit(science(), visit_image() if template is None else template())
        return bool(np.isfinite(found.difference.image.array).any())

    return act


def detected(array: Any, planes: str = "", variance: float = 225.0) -> Act:
    """Detect sources on a difference image; return how many there are."""

    def act(folder: Path) -> Any:
        image, other = visit_image(array, planes=planes, variance=variance), visit_image()
        return len(detect_and_measure(image, other, other).sources)

    return act


def injected(image: Callable[[], VisitImage], **changes: Any) -> Act:
    """Add a fake to an image; return flag and whether a pixel changed."""

    def act(folder: Path) -> Any:
        before = image()
        fake = {"injection_id": [1], "ra": [150.0], "dec": [2.2], "mag": [18.0]} | changes
        found = inject(before, Table(fake), seed=1)
        changed = not np.array_equal(found.image.image.array, before.image.array, equal_nan=True)
        return found.catalog["injection_flag"].tolist(), changed

    return act


FLAGS = ("flag_edge", "flag_nan", "flag_degenerate", "flag_no_template", "flag_unscorable")


def scored(science: Any = None, template: Any = None, **options: Any) -> Act:
    """Score two stamps; return how many have a score, and the flags that are set."""

    def act(folder: Path) -> Any:
        stamps = np.stack([pixels()[:9, :9], pixels()[20:29, 20:29]])
        given = {
            "science": stamps if science is None else science,
            "template": stamps if template is None else template,
        }
        table = Scorer(load_classifier(_content(), "toy")).score(given, **options)
        set_ = [name for name in FLAGS if name in table.colnames and table[name].any()]
        return int(np.isfinite(table["score"]).sum()), set_

    return act


def fits_file(array: Any, header: Any = None, cut: int | None = None) -> Act:
    """Read an image from a FITS file; return its shape and whether it has a projection."""

    def act(folder: Path) -> Any:
        fits.PrimaryHDU(array, header).writeto(folder / "x.fits")
        (folder / "x.fits").write_bytes((folder / "x.fits").read_bytes()[:cut])
        found = read_image_file(folder / "x.fits")
        return tuple(found.image.array.shape), found.projection is not None

    return act


def bytes_as_image(content: bytes, name: str = "x.fits") -> Act:
    def act(folder: Path) -> Any:
        (folder / name).write_bytes(content)
        return read_image_file(folder / name)

    return act


def claimed(**cards: Any) -> bytes:
    lines = [f"{name:8}= {value!s:>20}" for name, value in {"SIMPLE": "T", **cards}.items()]
    return "".join(line.ljust(80) for line in [*lines, "END"]).ljust(2880).encode() + bytes(2880)


def tiles(side: int) -> Callable[[Path], Any]:
    def act(folder: Path) -> Any:
        path = folder / "x.fits"
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((31, 31), np.float32))]).writeto(path)
        content = path.read_bytes()
        for axis in (b"ZNAXIS1 =", b"ZNAXIS2 ="):
            content = content.replace(axis + b"%21d" % 31, axis + b"%21d" % side)
        path.write_bytes(content)
        return read_image_file(path).image.array.shape

    return act


def place(**changes: Any) -> Place:
    return dataclasses.replace(Place.of(visit_image()), **changes)


def together(**places: Callable[[], Place]) -> Act:
    return lambda folder: check_together({name: make() for name, make in places.items()})


def sources(**changes: Any) -> Table:
    sky = visit_image().sky_projection.pixel_to_sky(x=np.array([40.0, 50.0]), y=np.array([30.0, 60.0]))
    table = {"x": [40.0, 50.0], "y": [30.0, 60.0], "ra": sky.ra.deg, "dec": sky.dec.deg, "visit": [11, 11]}
    return Table(table | changes)


def catalog(**changes: Any) -> Act:
    return lambda folder: check_catalog("mine", sources(**changes), "science image", Place.of(visit_image()))


NAN = np.full((2, 9, 9), np.nan, np.float32)
_m, _i, _c, _s = ImageMismatchError, InvalidInputError, InvalidCatalogError, SubtractionError
_cases = Cases()
_refused: list[tuple[str, Act, type[Exception], str]] = [
    ("a template smaller than the image, to subtract", subtracted(visit_image, lambda: small()), _m, "does not cover the science image"),
    ("a template elsewhere on the sky, to subtract", subtracted(visit_image, lambda: visit_image(ra=155.0)), _m, "not on one pixel grid"),
    ("a template without a PSF, to subtract", subtracted(visit_image, lambda: bare()), _i, "a MaskedImage carries no PSF: give one beside it"),
    ("stamps from nothing", lambda folder: list(extract_triplets(None, None, None, [1], [1], 9)), _i, "stamps need at least one image"),
    ("stamps from an image of three axes", lambda folder: extract(np.zeros((2, 3, 4)), [1], [1], 3), _i, "an image has two dimensions; got an array of shape (2, 3, 4)"),
    ("stamps from an image of complex numbers", lambda folder: extract(np.zeros((9, 9), complex), [1], [1], 3), _i, "an image is of numbers; got complex128"),
    ("stamps from an image of text", lambda folder: extract(np.full((9, 9), "x"), [1], [1], 3), _i, "an image is of numbers; got <U1"),
    ("stamps of 0 pixels", lambda folder: extract(pixels(), [1], [1], 0), _i, "a stamp needs at least one pixel; got size 0x0"),
    ("stamps of −3 × 5 pixels", lambda folder: extract(pixels(), [1], [1], (-3, 5)), _i, "a stamp needs at least one pixel; got size -3x5"),
    ("stamps of 2.5 pixels", lambda folder: extract(pixels(), [1], [1], 2.5), _i, "the size of stamps is one whole number or two; got 2.5"),  # type: ignore[call-overload]
    ("more columns than rows of positions", lambda folder: extract(pixels(), [1, 2], [1], 3), _i, "x and y must be lists of one length"),
    ("positions that are words", lambda folder: extract(pixels(), ["a"], ["b"], 3), _i, "positions must be numbers"),
    ("a mask that does not cover the image", lambda folder: extract(Image(pixels()), [1], [1], 3, mask=Mask(0, schema=MaskSchema([MaskPlane("BAD", "")]), bbox=Box.factory[0:3, 0:3])), _m, "does not cover the image"),
    ("images without a pixel in common", lambda folder: list(extract_triplets(Image(pixels()), Image(pixels(), yx0=(900, 900)), None, [1], [1], 3)), _m, "has no pixel in common"),
    ("a template whose WCS is off by degrees", together(science=place, template=lambda: Place.of(visit_image(ra=153.0))), _m, "not on one pixel grid"),
    ("a difference image as science image", together(science=lambda: place(is_difference=True)), _m, "are science and difference swapped"),
    ("a difference image of another visit", together(science=place, difference=lambda: place(visit=12)), _m, "is of visit 12, the science image of visit 11"),
    ("a difference image of another detector", together(science=place, difference=lambda: place(detector=5)), _m, "is of detector 5"),
    ("a catalogue of another visit", catalog(visit=[11, 12]), _c, "visit is 12 in row 1 (1 of 2 rows)"),
    ("a catalogue whose sky positions are elsewhere", catalog(ra=[10.0, 10.0]), _c, "the catalogue is of another image, or its positions are in other units"),
    ("fakes without magnitudes", injected(visit_image, mag=["bright"]), _c, "mag is not a number: 'bright'"),
    ("fakes of 10³⁰⁰ Jy", injected(visit_image, mag=[-800.0]), _c, "mag"),
    ("text called FITS", bytes_as_image(b"hello"), _i, "cannot be read as an image"),
    ("an empty image file", bytes_as_image(b""), _i, "cannot be read as an image"),
    ("an image file that is not there", lambda folder: read_image_file(folder / "no.fits"), _i, "no such file"),
    ("an image file, cut off", fits_file(pixels(), cut=5000), _i, "cannot be read as an image"),
    ("an image file of a table", lambda folder: (Table({"a": [1]}).write(folder / "t.fits"), read_image_file(folder / "t.fits")), _i, "no two-dimensional image in it"),
    ("an image file of one axis", fits_file(np.zeros(9, np.float32)), _i, "no two-dimensional image in it"),
    ("an image file of −5 pixels", bytes_as_image(claimed(BITPIX=-32, NAXIS=2, NAXIS1=-5, NAXIS2=5)), _i, "x.fits"),
    ("an image file with a WCS of an unknown projection", fits_file(pixels(), fits.Header({"CTYPE1": "RA---EVL", "CTYPE2": "DEC--EVL"})), _i, "cannot be read as an image"),
    ("an image file with a WCS of no scale", fits_file(pixels(), fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": 0.0, "CDELT2": 0.0})), _i, "cannot be read as an image"),
    ("stamps to score that are text", scored(np.full((2, 9, 9), "x")), _i, "the science stamps must be numbers"),
    ("stamps to score that are complex", scored(np.zeros((2, 9, 9), complex)), _i, "the science stamps must be numbers"),
    ("stamps to score of four axes", scored(np.zeros((2, 9, 9, 1))), _i, "must have the shape (n, h, w)"),
    ("stamps to score, one image of other number", scored(np.zeros((3, 9, 9))), _i, "stamps must be (n, h, w) with one n"),
    ("stamps to score, of unequal sizes", scored([np.zeros((9, 9)), np.zeros((8, 9))]), _i, "must be of one size; row 0 has (9, 9), row 1 (8, 9)"),
    ("stamps to score, a pixel scale of 0", scored(pixel_scale=0.0), _i, "pixel scale"),
    ("stamps to score, identifiers of another number", scored(ids=[1]), _i, "ids must have shape (2,); got (1,)"),
    ("stamps to score, identifiers of 0.5", scored(ids=[0.5, 1.5]), _c, "id must be of integers"),
]  # fmt: skip


def small() -> VisitImage:
    """Return a template of the middle of the image."""
    return visit_image()[Box.factory[20:70, 20:70]]


def bare() -> MaskedImage:
    """Return a template that is pixels, mask and variance alone."""
    image = visit_image()
    return MaskedImage(image.image, mask=image.mask, variance=image.variance)


for _given, _act, _error, _says in _refused:
    _cases.refused(_given, _act, _error, _says)
_nothing = "the difference has no pixel with a value"
_cases.taken(
    "a science image of NaN, to subtract from", subtracted(lambda: visit_image(np.nan)), _nothing, False
)
_cases.taken(
    "a template of NaN, to subtract", subtracted(visit_image, lambda: visit_image(np.nan)), _nothing, False
)
_cases.taken(
    "a template all masked, to subtract",
    subtracted(visit_image, lambda: visit_image(planes="NO_DATA")),
    _nothing,
    False,
)
for _given, _value in (("NaN", np.nan), ("infinities", np.inf), ("one value", 7.0)):
    _cases.taken(f"a difference image of {_given}, to detect on", detected(_value), "nothing is detected", 0)
_cases.taken(
    "a difference image all masked, to detect on", detected(None, planes="NO_DATA"), "nothing is detected", 0
)
_cases.taken("a difference image whose variance is 0", detected(None, variance=0.0), "nothing is detected", 0)
_cases.taken(
    "a difference image whose variance is NaN", detected(None, variance=np.nan), "nothing is detected", 0
)
_cases.taken(
    "a fake on an image of NaN",
    injected(lambda: visit_image(np.nan)),
    "it is drawn, and no pixel has a value",
    ([0], False),
)
_cases.taken(
    "a fake whose magnitude is NaN",
    injected(visit_image, mag=[np.nan]),
    "it is left out and flagged",
    ([1], False),
)
_cases.taken(
    "no fakes",
    lambda folder: len(
        inject(
            visit_image(), Table({"injection_id": [1], "ra": [1.0], "dec": [1.0], "mag": [18.0]})[:0], seed=1
        ).catalog
    ),
    "the image is as it was",
    0,
)
NO_SCORE = ["flag_nan", "flag_degenerate", "flag_unscorable"]
_cases.taken("science stamps of NaN", scored(NAN), f"no score: {', '.join(NO_SCORE)}", (0, NO_SCORE))
_cases.taken(
    "science stamps all masked",
    scored(np.ma.masked_array(np.ones((2, 9, 9)), mask=True)),
    "no score: flag_degenerate, flag_unscorable",
    (0, NO_SCORE[1:]),
)
_cases.taken(
    "science stamps of infinities",
    scored(np.full((2, 9, 9), np.inf)),
    f"no score: {', '.join(NO_SCORE)}",
    (0, NO_SCORE),
)
_cases.taken(
    "science stamps of one value",
    scored(np.full((2, 9, 9), 7.0)),
    "no score: flag_degenerate, flag_unscorable",
    (0, NO_SCORE[1:]),
)
_cases.taken(
    "templates of NaN",
    scored(template=NAN),
    f"no score: {', '.join(NO_SCORE)}, flag_no_template",
    (0, [*NO_SCORE[:2], "flag_no_template", NO_SCORE[2]]),
)
_cases.taken(
    "stamps smaller than the model's",
    scored(pixels()[None, :5, :5].repeat(2, 0)),
    "no score: flag_unscorable; the log says that stamps are too small",
    (0, ["flag_unscorable"]),
)
_cases.taken(
    "stamps of no pixels",
    scored(np.zeros((2, 0, 9))),
    "no score: flag_degenerate, flag_unscorable",
    (0, NO_SCORE[1:]),
)
_cases.taken(
    "stamps of whole numbers",
    scored(pixels()[:18, :9].reshape(2, 9, 9).astype(np.int16)),
    "they are scored",
    (2, []),
)
_cases.taken(
    "big-endian stamps", scored(pixels()[:18, :9].reshape(2, 9, 9).astype(">f8")), "they are scored", (2, [])
)
_cases.taken("no stamps", scored(NAN[:0], NAN[:0]), "no rows come out", (0, []))
_cases.taken(
    "stamps at positions NaN, infinite and 10³⁰",
    lambda folder: extract(pixels(), [np.nan, np.inf, 1e30], [1.0, 1.0, 1.0], 3).fraction_missing.tolist(),
    "all their pixels are missing",
    [1.0, 1.0, 1.0],
)
_cases.taken(
    "an image file of whole numbers",
    fits_file(np.ones((5, 7), np.int16)),
    "it is read as float32",
    ((5, 7), False),
)
_cases.taken(
    "an image file without a WCS",
    fits_file(pixels()),
    "it is read; its first pixel is (0, 0)",
    ((SIZE, SIZE), False),
)
_cases.refused(
    "an image file of 2⁴⁰ × 2⁴⁰ pixels",
    bytes_as_image(claimed(BITPIX=-32, NAXIS=2, NAXIS1=2**40, NAXIS2=2**40)),
    _i,
    "cannot be read as an image",
    bomb=True,
)
_cases.refused(
    "an image file of 50,000 × 50,000 pixels in tiles",
    tiles(50_000),
    _i,
    "would grow to more than 268435456 bytes, which no data do",
    bomb=True,
)

TABLE = _cases.table(
    "Images",
    "`rb.load(…).score`, `rb.extract`, `rb.subtract`, `rb.detect_and_measure`, `rb.inject`, image files of `realbogus score`",
)
