"""Stamps are the same wherever the pixels come from, and large images are read no farther than needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from lsst.daf.butler import Butler, DatasetType
from lsst.images import Box, GeneralFrame, Image, Mask, MaskedImage, MaskPlane, MaskSchema, SkyProjection

from lsst.meas.realbogus.cutouts import (
    PLANES,
    concatenate,
    extract,
    extract_north_up,
    extract_triplets,
    north_up_matrices,
    open_pixels,
    plane_bits,
    read_dia_sources,
    read_image_file,
)
from lsst.meas.realbogus.errors import ImageMismatchError, InvalidInputError
from lsst.meas.realbogus.randomness import generator

BOX = Box.factory[200:1400, 300:1500]
SCHEMA = MaskSchema([MaskPlane(n, n) for n in ("DETECTED", "NO_DATA", "SATURATED")])


@pytest.fixture(scope="module")
def image() -> MaskedImage:
    pixels = generator(8, "test-readers").normal(0, 1, BOX.shape).astype(np.float32)
    mask = Mask(0, schema=SCHEMA, bbox=BOX)
    bad = np.zeros(BOX.shape, bool)
    bad[:30, :30] = True
    mask.set("NO_DATA", bad)
    return MaskedImage(Image(pixels, bbox=BOX, unit=u.nJy), mask=mask)


@pytest.fixture(scope="module")
def butler(image: MaskedImage, tmp_path_factory: pytest.TempPathFactory) -> Butler:
    root = tmp_path_factory.mktemp("readers")
    Butler.makeRepo(root)
    butler = Butler.from_config(root, run="x", writeable=True)
    butler.registry.registerDatasetType(
        DatasetType("stored", (), "MaskedImageV2", universe=butler.dimensions)
    )
    butler.put(image, "stored")
    return butler


class Counted:
    """A handle that tells what was asked of it; like an afw dataset it may not know boxes."""

    def __init__(self, handle: Any, knows_boxes: bool = True) -> None:
        self.handle, self.knows_boxes = handle, knows_boxes
        self.requests: list[tuple[str, bool]] = []

    def get(self, *, component: str, parameters: dict[str, Any] | None = None) -> Any:
        self.requests.append((component, bool(parameters)))
        return self.handle.get(component=component, parameters=parameters if self.knows_boxes else None)


X = np.array([900.0, 310.0, 1498.7, np.nan, 5000.0])
Y = np.array([700.2, 215.0, 1399.0, 700.0, 700.0])


@pytest.mark.parametrize("knows_boxes", [True, False])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_handle_gives_the_stamps_of_the_image(image, butler, n, knows_boxes) -> None:
    handle = Counted(butler.getDeferred("stored"), knows_boxes)
    ours = open_pixels(handle, n, 31).extract(X[:n], Y[:n], 31)
    memory = extract(image.image, X[:n], Y[:n], 31, mask=image.mask)
    for name in (
        "pixels",
        "missing",
        "leaves_image",
        "centered_on_image",
        "mask_center",
        "mask_any",
        "start",
    ):
        np.testing.assert_array_equal(getattr(ours, name), getattr(memory, name), err_msg=name)


def test_few_sources_on_a_large_image_are_read_by_box(butler) -> None:
    handle = Counted(butler.getDeferred("stored"))
    open_pixels(handle, 2, 31).extract(X[:2], Y[:2], 31)
    assert handle.requests == [("bbox", False)] + [("image", True), ("mask", True)] * 2
    handle = Counted(butler.getDeferred("stored"))
    open_pixels(handle, 100, 31).extract(X, Y, 31)
    assert handle.requests == [("bbox", False), ("image", False), ("mask", False)]


def test_dataset_that_ignores_boxes_is_read_once(butler) -> None:
    handle = Counted(butler.getDeferred("stored"), knows_boxes=False)
    open_pixels(handle, 3, 31).extract(X[:3], Y[:3], 31)
    assert [component for component, _ in handle.requests] == ["bbox", "image", "mask"]


@pytest.mark.parametrize("n", [0, 3, 5])
def test_every_source_is_in_one_block(image, butler, n) -> None:
    handle = butler.getDeferred("stored")
    blocks = list(extract_triplets(image, handle, image.image, X[:n], Y[:n], 21, block_size=2))
    assert [block.rows for block in blocks] == [slice(i, min(i + 2, n)) for i in range(0, n, 2)]
    if n:
        joined = concatenate(blocks)
        assert joined.roles == ("science", "template", "difference")
        np.testing.assert_array_equal(joined["science"].pixels, joined["template"].pixels)
        np.testing.assert_array_equal(joined.missing_bits[0] == 7, joined["difference"].missing[0])


def test_images_must_have_pixels_in_common(image) -> None:
    elsewhere = Image(np.zeros((10, 10), np.float32), yx0=(0, 0))
    with pytest.raises(ImageMismatchError, match="template on .* has no pixel in common with science"):
        list(extract_triplets(image, elsewhere, None, X, Y, 21))
    with pytest.raises(InvalidInputError, match="at least one image"):
        list(extract_triplets(None, None, None, X, Y, 21))
    with pytest.raises(InvalidInputError, match="no pixels can be read from a str"):
        list(extract_triplets("image.fits", None, None, X, Y, 21))


def turned(angle: float, mirrored: bool) -> SkyProjection:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 30.0], [51.0, 51.0]
    c, s = np.cos(angle), np.sin(angle)
    wcs.wcs.cd = np.array([[-c, s], [s, c]]) * 0.2 / 3600 @ np.diag([-1 if mirrored else 1, 1])
    return SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=u.pix))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, 2.9, -1.3])
def test_north_is_up_and_east_to_the_left(angle: float, mirrored: bool) -> None:
    """A star north of the source and a fainter one east of it land where they should."""
    projection = turned(angle, mirrored)
    centre = projection.pixel_to_sky(x=50.0, y=50.0)
    y, x = np.mgrid[0:101, 0:101]
    pixels = np.zeros((101, 101))
    for flux, offset in ((2.0, (0.0, 2.4)), (1.0, (2.4, 0.0))):  # (east, north) in arcsec: 12 pixels
        star = projection.sky_to_pixel(centre.spherical_offsets_by(*(offset * u.arcsec)))
        pixels += flux * np.exp(-((x - star.x) ** 2 + (y - star.y) ** 2) / (2 * 1.5**2))
    stamps = extract_north_up(pixels, None, projection, [50], [50], 41)
    assert not stamps.missing.any()
    first = np.unravel_index(np.argmax(stamps.pixels[0]), (41, 41))
    assert first == (20 + 12, 20)
    assert stamps.pixels[0, 20, 20 - 12] == pytest.approx(1.0, abs=0.02)
    assert stamps.pixels[0].sum() == pytest.approx(pixels.sum(), rel=0.01)


def test_turned_stamps_know_what_is_missing() -> None:
    pixels = np.ones((101, 101), np.float32)
    pixels[:, 60] = np.nan
    stamps = extract_north_up(pixels, None, turned(0.7, False), [50, 3, np.nan], [50, 50, 1], 31)
    np.testing.assert_array_equal(np.isnan(stamps.pixels), stamps.missing)
    assert 0 < stamps.fraction_missing[0] < 0.2 and stamps.leaves_image[1] and stamps.missing[2].all()
    np.testing.assert_allclose(stamps.pixels[0][~stamps.missing[0]], 1, atol=1e-5)
    with pytest.raises(InvalidInputError, match="odd side"):
        extract_north_up(pixels, None, turned(0.0, False), [50], [50], 30)
    matrices = north_up_matrices(turned(0.3, True), [50, np.nan], [50, 50])
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.tile(np.eye(2), (2, 1, 1)), atol=1e-12
    )


def test_files_of_afw_are_read(stack_data: Path) -> None:
    afw = read_image_file(stack_data / "images" / "template.fits")
    assert afw.image.bbox == Box.factory[480:900, 980:1440] and "NO_DATA" in afw.mask.schema.names


def test_files_of_every_kind_are_read(shared_data: Path) -> None:
    old = read_image_file(shared_data / "images" / "hsc_afw" / "HSC-0908120-056-small.fits")
    assert (
        old.image.bbox == Box.factory[100:300, 100:300]
        and old.mask is not None
        and old.projection is not None
    )
    plain = read_image_file(next((shared_data / "images" / "decam").glob("DEC-OBS04a*.fits")))
    assert plain.mask is None and plain.projection is not None
    with pytest.raises(InvalidInputError, match="no such file"):
        read_image_file(shared_data / "nothing.fits")
    with pytest.raises(InvalidInputError, match="cannot be read as an image"):
        read_image_file(shared_data / "README.md")


@pytest.mark.parametrize("visit", ["", "_43"])
def test_stamps_tell_what_the_truth_tables_say(stack_data: Path, visit: str) -> None:
    """The catalogue of injected sources says of each where it lies; so do stamps at its sky position."""
    folder = stack_data / "injection"
    truth = Table.read(folder / f"injected_default_catalog{visit}.ecsv")
    truth.rename_column("injection_id", "id")
    image = read_image_file(folder / f"injected_default{visit}.fits")
    sources = read_dia_sources(truth["id", "ra", "dec"], image.projection)
    stamps = extract(image.image, sources["x"], sources["y"], 51, mask=image.mask)
    place = np.asarray(truth["comment"])
    has = {name: (stamps.mask_center & plane_bits([name])) != 0 for name in PLANES}
    outside = np.char.startswith(place, "outside")
    np.testing.assert_array_equal(stamps.centered_on_image, ~outside)
    np.testing.assert_array_equal(has["BAD"], place == "on_bad")
    np.testing.assert_array_equal(has["SATURATED"], place == "on_saturated")
    np.testing.assert_array_equal(has["NO_DATA"], place == "on_nan_rows")
    np.testing.assert_array_equal(has["DETECTION_EDGE"], place == "edge")
    np.testing.assert_array_equal(has["INJECTED_CORE"], ~outside & (place != "nan_mag"))
    assert stamps.missing[place == "on_nan_rows", 25, 25].all()
    assert stamps.leaves_image[outside | (place == "edge")].all()
    assert stamps.fraction_missing[outside | (place == "edge")].all()
