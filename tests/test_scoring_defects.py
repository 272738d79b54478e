"""What scores mean: signs, flags, columns and reasons, the same on every way to a score."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import pytest
from astropy.wcs import WCS
from lsst.images import (
    Box,
    GeneralFrame,
    Image,
    Mask,
    MaskedImage,
    MaskPlane,
    MaskSchema,
    SkyProjection,
)

from lsst.meas.realbogus.cutouts import read_dia_sources
from lsst.meas.realbogus.errors import ImageMismatchError, InvalidInputError
from lsst.meas.realbogus.model import (
    Classifier,
    Contract,
    SourceScores,
    explain_unscored,
    golden_stamps,
    import_keras,
    initial_weights,
    make_model,
    named_architecture,
    preset_contract,
    score_sources,
    score_table,
    unfamiliar,
    write_model,
)
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tasks.rb_classifier import RbClassifierConfig, RbClassifierTask
from lsst.meas.realbogus.tasks.rb_classifier_nodia import RbClassifierNoDiaConfig
from lsst.meas.realbogus.templates import CoaddInput, assemble_coadd

Stamps = dict[str, npt.NDArray[np.float32]]


def make_classifier(network: str, name: str = "toy", version: str = "1", seed: int = 4) -> Classifier:
    weights = initial_weights(named_architecture(network), seed)
    return make_model(preset_contract(network, name, version), weights).classifier()


@pytest.fixture(scope="module")
def stamps() -> Stamps:
    drawn, _ = golden_stamps(63, 21, seed=6)
    return {name: array[1:].copy() for name, array in drawn.items()}


@pytest.mark.parametrize("rule", ["none", "flip_difference", "flip"])
def test_defect_02_a_contract_says_how_negative_sources_are_shown(stamps: Stamps, rule: str) -> None:
    fields = preset_contract("dia", "toy", "1").model_dump(mode="json") | {"negative": rule}
    weights = initial_weights(named_architecture("dia"), 4)
    classifier = make_model(Contract.model_validate(fields), weights).classifier()
    shown = {
        "none": stamps,
        "flip_difference": stamps | {"difference": -stamps["difference"]},
        "flip": {
            "difference": -stamps["difference"],
            "science": stamps["template"],
            "template": stamps["science"],
        },
    }[rule]
    negative = np.ones(20, bool)
    found = classifier.score(stamps, is_negative=negative).score
    np.testing.assert_array_equal(found, classifier.score(shown).score)


def test_defect_02_braai_gives_drb_of_differences_as_science_minus_template(shared_data: Path) -> None:
    content = (shared_data / "weights" / "d6_m7.h5").read_bytes()
    braai = import_keras(content, preset_contract("braai", "braai", "d6_m7")).classifier()
    stored = np.load(shared_data / "stamps" / "ztf_dev.npz")
    rows = stored["drbversion"] == "d6_m7"
    images = {name: stored[name][rows] for name in braai.contract.inputs}
    negative = ~stored["isdiffpos"][rows]
    assert negative.sum() > 100
    images["difference"][negative] *= -1
    drb = braai.score(images, is_negative=negative).score
    assert np.median(np.abs(drb - stored["drb"][rows])) <= 1e-6
    np.testing.assert_array_equal(drb > 0.5, stored["drb"][rows] > 0.5)


def noise(size: int, border: int = 0, key: str = "s") -> Image:
    box = Box.factory[0:size, 0:size].padded(border)
    return Image(generator(1, "scoring-defects", key).normal(0, 5, box.shape).astype(np.float32), bbox=box)


@pytest.fixture(scope="module")
def images() -> dict[str, Image]:
    return {"science": noise(200), "template": noise(200, 20, "t"), "difference": noise(200, 0, "d")}


def test_defect_06_models_of_one_name_have_columns_of_their_own(images: dict[str, Image]) -> None:
    models = [make_classifier("nodia", "nodia", version, seed) for seed, version in enumerate("1223")]
    table = score_table([1], score_sources(models, images, [100.0], [100.0]))
    columns = [name for name in table.colnames if name.startswith("score_")]
    assert columns[:3] == ["score_nodia", "score_nodia_2", f"score_nodia_2_{models[2].content_hash[:8]}"]
    assert len(columns) == 4 and len(set(table[columns][0].values())) == 4
    with pytest.raises(InvalidInputError, match="nodia 1 is given twice"):
        score_table([1], score_sources([models[0], models[0]], images, [100.0], [100.0]))


def test_defect_06_a_second_model_without_a_score_sets_its_own_flag(images: dict[str, Image]) -> None:
    dia, nodia = make_classifier("dia"), make_classifier("nodia")
    difference = Image(images["difference"].array.copy())
    difference.array[:, 150:] = 0.0
    table = score_table(
        [1, 2],
        score_sources([nodia, dia], images | {"difference": difference}, [50.0, 178.0], [100.0, 100.0]),
    )
    assert table["flag_unscorable_dia"].tolist() == [False, True]
    assert np.isnan(table["score_dia"]).tolist() == [False, True]
    assert not table["flag_unscorable"].any()


def test_defect_08_a_template_of_two_units_is_refused() -> None:
    inputs = []
    for unit in (u.nJy, u.adu):
        image = Image(np.ones((8, 8), np.float32), unit=unit)
        variance = Image(np.ones((8, 8), np.float32), unit=unit**2)
        planes = Mask(schema=MaskSchema([MaskPlane("NO_DATA", "no data")]), bbox=image.bbox)
        masked = MaskedImage(image, mask=planes, variance=variance)
        inputs.append(CoaddInput(masked, np.ones((1, 1, 3, 3)), 1.0))
    place: Any = SimpleNamespace(id=7)
    with pytest.raises(ImageMismatchError, match="pixels in adu and in nJy"):
        assemble_coadd(inputs, place, place, band="r")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (RbClassifierConfig, "nodia_model_uri"),
        (RbClassifierNoDiaConfig, "nodia_model_uri"),
        (RbClassifierNoDiaConfig, "model_uri"),
    ],
)
def test_defect_06_a_model_that_wants_the_difference_is_refused(config: type, field: str) -> None:
    made = config()
    setattr(made, field, "package:dia-2")
    with pytest.raises(ValueError, match=r"package:dia-2.* difference image.*package:nodia"):
        made.validate()


def test_defect_13_every_source_without_a_score_has_one_reason(images: dict[str, Image]) -> None:
    dia = make_classifier("dia")
    template = Image(images["template"].array.copy(), bbox=images["template"].bbox)
    template.array[120:, 120:] = np.nan
    difference = Image(images["difference"].array.copy())
    difference.array[:60, :60] = 3.0
    given = images | {"template": template, "difference": difference}
    x, y = [100.0, 10.3, np.nan, 180.0, 30.0, 2.0], [100.0, -900.0, 5.0, 180.0, 30.0, 198.0]
    table = score_table(np.arange(6), score_sources([dia], given, x, y))
    assert table["flag_unscorable"].tolist() == [False, True, True, True, True, True]
    found = {reason.reason: reason for reason in explain_unscored(table, [dia.contract])}
    assert {name: reason.count for name, reason in found.items()} == {
        "off_image": 2,
        "no_template": 1,
        "degenerate": 1,
        "edge": 1,
    }
    assert "ra and dec are degrees" in found["off_image"].text
    assert "51 x 51 pixels and allows 50% missing" in found["edge"].text


def test_defect_13_small_constant_and_empty_stamps_are_told_apart() -> None:
    dia = make_classifier("dia")
    for change, reason in (
        (lambda a: a[:, 10:40, 10:40], "small_stamp"),
        (lambda a: np.where(np.indices(a.shape)[2] > 15, np.float32(np.nan), a), "no_data"),
        (lambda a: np.full_like(a, 7.0), "degenerate"),
        (lambda a: np.full_like(a, np.nan), "no_template"),
    ):
        drawn, _ = golden_stamps(51, 5)
        scores = dia.score({name: change(array[1:]) for name, array in drawn.items()})
        found = explain_unscored(score_table(np.arange(4), [SourceScores(dia, scores)]))
        assert [(r.reason, r.count) for r in found] == [(reason, 4)]


def test_defect_13_pixels_of_another_size_are_a_warning() -> None:
    contract = preset_contract("braai", "braai", "1")
    assert unfamiliar(contract, pixel_scale=1.0) == {} == unfamiliar(contract, pixel_scale=None)
    assert "0.22 arcsec" in unfamiliar(contract, pixel_scale=0.22)["pixel_scale"]


def test_defect_13_the_task_warns_of_pixels_of_another_size(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    contract = preset_contract("dia", "scaled", "1", pixel_scale=0.22)
    assert contract.architecture is not None
    path = tmp_path / "scaled.rbmodel"
    path.write_bytes(write_model(make_model(contract, initial_weights(contract.architecture))))
    box = Box.factory[0:200, 0:200]
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], np.array([-0.4, 0.4]) / 3600
    projection = SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=u.pix), pixel_bounds=box)
    images = {
        name: Image(noise(200, 0, name).array, bbox=box, sky_projection=projection)
        for name in ("science", "template", "difference")
    }
    sources = read_dia_sources({"diaSourceId": [1], "x": [100.0], "y": [100.0]})
    for resample, warned in ((False, 1), (True, 0)):
        caplog.clear()
        task = RbClassifierTask(config=RbClassifierConfig(resample=resample, model_uri=str(path)))
        task.run(sources, images)
        assert caplog.text.count("pixels of 0.4 arcsec") == warned


def test_defect_13_the_task_says_why(images: dict[str, Image], caplog: pytest.LogCaptureFixture) -> None:
    config = RbClassifierConfig()
    config.validate()
    task = RbClassifierTask(config=config)
    sources = read_dia_sources({"diaSourceId": [1, 2], "x": [9000.0, -900.0], "y": [5.0, 5.0]})
    with caplog.at_level("WARNING"):
        task.run(sources, images)
    assert "2 sources lie off the image" in caplog.text
    assert task.metadata["n_unscored_off_image"] == 2
