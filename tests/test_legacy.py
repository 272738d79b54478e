"""The door to afw: what the full stack answers is imitated here as the reference data describe it."""

from __future__ import annotations

import importlib.util
import sys
import tarfile
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from lsst.daf.butler import Butler
from lsst.images import BoundsError, Box, Image, Mask, MaskedImage, MaskPlane, MaskSchema

from lsst.meas.realbogus import legacy
from lsst.meas.realbogus.cutouts import open_pixels
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.imaging import DIFFERENCE_PLANES, UNUSABLE_PLANES, KernelField
from lsst.meas.realbogus.legacy._psfs import AfwPsf
from lsst.meas.realbogus.templates import PatchCoadd
from lsst.meas.realbogus.truth._conditions import EDGE_PLANES, MASKED_PLANES, noise_equivalent_area
from lsst.meas.realbogus.truth._mask_labels import CORE_PLANES, STAMP_PLANES
from stand_ins import stored

BOX = Box.factory[5:45, 3:43]


def native_mask() -> Mask:
    mask = Mask(schema=MaskSchema([MaskPlane("NO_DATA", "none")]), bbox=BOX)
    mask.set("NO_DATA", np.eye(40, dtype=bool))
    return mask


class StackMask:
    """An afw mask with a plane that lsst.images does not guess."""

    def getMaskPlaneDict(self) -> dict[str, int]:
        return {"NO_DATA": 0, "CLIPPED": 1, "SAT": 2}


@dataclass(frozen=True)
class Handle:
    """A deferred handle of the full stack, or of PyPI packages only."""

    stack: bool
    storageClass: str | None = None
    skewed: bool = False
    declared: str = "VisitImage"

    @property
    def ref(self) -> Any:
        dataset_type = types.SimpleNamespace(
            name="a_dataset", nameAndComponent=lambda: ("a_dataset", None), storageClass_name=self.declared
        )
        return types.SimpleNamespace(datasetType=dataset_type)

    def get(self, **kwargs: Any) -> Any:
        component = kwargs.get("component")
        if self.storageClass == "ExposureF":
            if self.stack:
                if self.skewed:
                    raise AttributeError("'Exposure' object has no attribute 'exposure_record'")
                return f"afw {component}"
            raise ValueError("The new storage class (ExposureF) is not compatible")
        match component, kwargs.get("storageClass"):
            case "mask", None if self.stack:
                raise ValueError("Could not convert: plane CLIPPED is not remapped")
            case "mask", None:
                return native_mask()
            case "mask", "MaskX":
                return StackMask()
            case "sky_projection", None:
                return "native projection"
            case "psf", None:
                return "native psf"
            case "image", None:
                return Image(np.ones((40, 40), np.float32), bbox=BOX)
            case "bbox", None:
                return BOX
            case None, None if self.stack:
                raise TypeError("cannot convert pyarrow.lib.Table")
            case None, "ArrowAstropy":
                return Table({"id": [1]})
            case None, None:
                return Table({"id": [2]})
        raise KeyError(component)


def test_masks_read_in_both_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert legacy.read_mask(Handle(stack=False)) == native_mask()  # type: ignore[arg-type]
    planes: dict[str, MaskPlane] = {}

    def from_legacy(mask: Any, plane_map: dict[str, MaskPlane]) -> Mask:
        planes.update(plane_map)
        return native_mask()

    monkeypatch.setattr(Mask, "from_legacy", from_legacy)
    assert legacy.read_mask(Handle(stack=True)) == native_mask()  # type: ignore[arg-type]
    assert {name: plane.name for name, plane in planes.items()} == {
        "NO_DATA": "NO_DATA",
        "CLIPPED": "CLIPPED",
        "SAT": "SATURATED",
    }


def test_planes_are_called_as_those_of_rubins_differences() -> None:
    """A plane by another name is passed over in silence: what is masked there would count as missed."""
    from lsst.images import get_legacy_difference_image_mask_planes, get_legacy_optional_mask_planes

    known = get_legacy_difference_image_mask_planes() | get_legacy_optional_mask_planes()
    names = {plane.name for plane in known.values()}
    for planes in (MASKED_PLANES, EDGE_PLANES, CORE_PLANES, STAMP_PLANES, DIFFERENCE_PLANES, UNUSABLE_PLANES):
        assert set(planes) <= names, set(planes) - names


def test_projections_read_in_both_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    from lsst.images import SkyProjection

    assert legacy.read_projection(Handle(stack=False)) == "native projection"  # type: ignore[arg-type]
    monkeypatch.setattr(SkyProjection, "from_legacy", lambda wcs, frame: ("converted", wcs))
    converted: Any = legacy.read_projection(Handle(stack=True))  # type: ignore[arg-type]
    assert converted == ("converted", "afw wcs")


def test_versions_of_the_stack_that_do_not_fit_end_no_run() -> None:
    """The other way is taken, and both failures are told where that fails too."""
    assert legacy.read_projection(Handle(stack=True, skewed=True)) == "native projection"  # type: ignore[arg-type]

    class Broken(Handle):
        def get(self, **kwargs: Any) -> Any:
            if kwargs.get("component") == "sky_projection":
                raise ValueError("no Detector")
            return super().get(**kwargs)

    with pytest.raises(ValueError, match="no Detector") as failure:
        legacy.read_projection(Broken(stack=True, skewed=True))  # type: ignore[arg-type]
    assert "no attribute 'exposure_record'" in failure.value.__notes__[0]


def test_a_coadd_of_cells_is_no_exposure_where_the_butler_does_not_know() -> None:
    assert legacy.is_exposure(Handle(stack=True))  # type: ignore[arg-type]
    assert not legacy.is_exposure(Handle(stack=True, declared="CellCoadd"))  # type: ignore[arg-type]


def test_psfs_read_in_both_worlds() -> None:
    """That of an exposure is evaluated by afw; neither is asked for a Detector."""
    from lsst.images.psfs import LegacyPointSpreadFunction

    assert legacy.read_psf(Handle(stack=False)) == "native psf"  # type: ignore[arg-type]
    wrapped = legacy.read_psf(Handle(stack=True))  # type: ignore[arg-type]
    assert isinstance(wrapped, LegacyPointSpreadFunction)
    assert wrapped.legacy_psf == "afw psf" and wrapped.bounds == BOX


def test_the_psf_of_a_template_that_coadds_cover_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """afw raises where no input has pixels, and its kernels have many sizes."""
    stored.install(monkeypatch)
    box = Box.factory[0:60, 0:80]
    psf = AfwPsf(stored.CoaddPsf(1.5, box, first_column=30), box)
    assert psf.kernel_bbox.shape == (23, 23)
    for x in (30.0, 31.0, 32.0):
        assert psf.compute_kernel_image(x=x, y=5.0).bbox == psf.kernel_bbox
    for method in (psf.compute_kernel_image, psf.compute_stellar_image):
        with pytest.raises(BoundsError, match="no value at x = 10.0, y = 5.0: Cannot compute CoaddPsf"):
            method(x=10.0, y=5.0)
    field = KernelField.from_psf(psf, box)
    np.testing.assert_allclose(field.at(50.0, 30.0)[0].sum(), 1.0, rtol=1e-6)
    assert np.isnan(noise_equivalent_area(psf, 10.0, 5.0))
    assert noise_equivalent_area(psf, 50.0, 5.0) == pytest.approx(4 * np.pi * 1.5**2, rel=0.02)
    pixels = MaskedImage(Image(np.zeros(box.shape, np.float32), bbox=box), mask_schema=native_mask().schema)
    coadd = PatchCoadd.with_psf(pixels, psf, skymap="sky", tract=1)
    kernel = coadd.kernel(50, 30)
    assert coadd.kernel(10, 30) is None and kernel is not None and kernel.sum() == pytest.approx(1, abs=1e-3)
    nowhere = AfwPsf(stored.CoaddPsf(1.5, box, first_column=100), box)
    with pytest.raises(InvalidInputError, match="has no value within"):
        KernelField.from_psf(nowhere, box)


def test_an_image_of_ours_is_not_converted_to_read_its_projection() -> None:
    """Inside the stack that would read all of it."""

    class Native(Handle):
        butler = types.SimpleNamespace(
            get_dataset_type=lambda name: types.SimpleNamespace(storageClass_name="VisitImage")
        )

    assert legacy.stored_class(Native(stack=True)) == "VisitImage"  # type: ignore[arg-type]
    assert legacy.read_projection(Native(stack=True)) == "native projection"  # type: ignore[arg-type]
    assert legacy.stored_class(Handle(stack=True)) is None  # type: ignore[arg-type]


def test_tables_read_in_both_worlds() -> None:
    assert legacy.get_table(Handle(stack=False))["id"][0] == 2  # type: ignore[arg-type]
    assert legacy.get_table(Handle(stack=True))["id"][0] == 1  # type: ignore[arg-type]


def test_stamps_are_cut_from_a_deferred_image() -> None:
    pixels = open_pixels(legacy.DeferredImage(Handle(stack=False)), 2, 5)  # type: ignore[arg-type]
    stamps = pixels.extract([20.0, 3.0], [22.0, 5.0], 5)
    assert stamps.missing[0].sum() == 5
    assert stamps.leaves_image.tolist() == [False, True]


SCORES = Table(
    {
        "id": np.array([2**62, 5]),
        "score": np.array([0.25, np.nan], np.float32),
        "version": np.array(["dia-1", "dia-1"], "U7"),
        "score_dia": np.array([0.25, np.nan], np.float32),
        "fraction_missing": np.array([0.0, 0.5], np.float32),
        "flag_edge": [True, False],
    }
)


@pytest.fixture
def afw(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("lsst.afw") is None:
        stored.install(monkeypatch)


@pytest.mark.usefixtures("afw")
def test_scores_become_a_catalogue_with_every_column() -> None:
    """Fields id (L), score (F), version (String, 7), row by row; see FilterDiaSourceReliabilityTask."""
    catalog = legacy.afw_catalog(SCORES)
    assert [record["id"] for record in catalog] == [2**62, 5]
    read = catalog.asAstropy()
    assert read.colnames == SCORES.colnames
    for name in SCORES.colnames:
        np.testing.assert_array_equal(read[name], SCORES[name])
        assert read[name].dtype == SCORES[name].dtype
    assert len(legacy.afw_catalog(SCORES[:0])) == 0


class Template:
    """A template in counts, without a unit."""

    ref = Handle(stack=True).ref

    def get(self, **kwargs: Any) -> Any:
        pixels = {"image": 2.0, "variance": 9.0}
        match kwargs["component"]:
            case "mask":
                return native_mask()
            case "sky_projection":
                return None
            case name:
                return Image(np.full((40, 40), pixels[name], np.float32), bbox=BOX)


def test_pixels_and_fluxes_in_counts_become_njy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsst.meas.realbogus.legacy._images.read_projection", lambda handle: None)
    for module in ("_images", "_calibration"):
        monkeypatch.setattr(f"lsst.meas.realbogus.legacy.{module}.read_photo_calib", lambda handle: 50.0)
    image = legacy.read_masked_image(Template(), BOX.padded(-5))  # type: ignore[arg-type]
    assert image.unit == u.nJy and image.bbox == BOX.padded(-5)
    assert (image.image.array == 100.0).all() and (image.variance.array == 22_500.0).all()
    sources = Table({"a_instFlux": [1.0], "a_instFluxErr": [0.5], "b_instFlux": [2.0], "b_flux": [7.0]})
    calibrated = legacy.calibrate_catalog(sources, Template())  # type: ignore[arg-type]
    assert calibrated["a_flux", "a_fluxErr", "b_flux"].as_array()[0].item() == (50.0, 25.0, 7.0)
    assert sources.colnames == ["a_instFlux", "a_instFluxErr", "b_instFlux", "b_flux"]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("lsst.afw") is not None, reason="the full stack is here")
def test_afw_catalogues_are_read_where_there_is_no_afw(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "stack"
    with tarfile.open(folder / "butler" / "repo.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    with Butler.from_config(tmp_path / "repo", collections="oracle/run") as butler:
        where = {"instrument": "OracleCam", "visit": 42, "detector": 4}
        handles = [butler.getDeferred("dia_source_reliability", where)]
        handles.append(butler.getDeferred("dia_source_reliability", where, storageClass="AstropyTable"))
        expected = Table.read(folder / "diffim" / "dia_source_unstandardized.parquet")
        for handle in handles:
            scores = legacy.get_table(handle)
            np.testing.assert_array_equal(scores["id"], expected["id"])
            assert scores["score"].dtype == np.float32 and set(scores["version"]) == {"v1.2.3"}
            assert ((scores["score"] > 0) & (scores["score"] < 1)).all()
        sources = legacy.get_table(butler.getDeferred("dia_source_unstandardized", where))
    for name in ("coord_ra", "slot_Centroid_x", "base_PixelFlags_flag_edge"):
        np.testing.assert_array_equal(sources[name], expected[name])


@pytest.mark.usefixtures("afw")
def test_what_afw_cannot_hold_is_named() -> None:
    with pytest.raises(InvalidInputError, match="stamp"):
        legacy.afw_catalog(Table({"id": [1], "stamp": np.zeros((1, 3, 3))}))


def test_without_the_stack_an_afw_catalogue_is_an_import_error() -> None:
    if "lsst.afw" in sys.modules:
        pytest.skip("the full stack is here")
    with pytest.raises(ImportError):
        legacy.afw_catalog(Table({"id": [1], "score": [0.5], "version": ["1"]}))
