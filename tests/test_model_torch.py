"""PyTorch gives the scores that ONNX Runtime and numpy give, and leaves the process as it was."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lsst.meas.realbogus.errors import MissingDependencyError
from lsst.meas.realbogus.model import (
    TOLERANCE,
    Architecture,
    Classifier,
    Model,
    check_golden,
    packaged_models,
    read_model,
    read_model_file,
)
from lsst.meas.realbogus.model._engines import make_engine
from lsst.meas.realbogus.model._networks import NETWORKS as NAMED
from lsst.meas.realbogus.model._networks import named_architecture
from lsst.meas.realbogus.model._reference import forward
from lsst.meas.realbogus.randomness import generator
from test_model_network import NETWORKS, varied_weights

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed (the extra torch)", exc_type=ImportError
)

pytestmark = pytest.mark.slow

EVERY = NETWORKS | {name: named_architecture(name) for name in NAMED}
PACKAGED = sorted(packaged_models())


def stamps_of(network: Architecture, n: int = 6) -> npt.NDArray[np.float32]:
    return generator(1, "test-stamps").normal(0, 1, (n, *network.input_shape)).astype(np.float32)


@pytest.mark.parametrize("name", EVERY)
def test_every_network_agrees_with_numpy_and_onnx_runtime(name: str) -> None:
    network = EVERY[name]
    weights, stamps = varied_weights(network), stamps_of(network)
    expected = forward(network, weights, stamps)
    assert np.ptp(expected, axis=0).max() > 1e-3
    found = make_engine("torch", None, network, weights).predict(stamps)
    assert found.dtype == np.float32 and found.shape == (len(stamps), *network.output_shape)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    np.testing.assert_allclose(
        found, make_engine("onnxruntime", None, network, weights).predict(stamps), atol=TOLERANCE
    )


def packaged(name: str) -> Model:
    return read_model(read_model_file(f"package:{name}"))


def hard_scores(classifier: Classifier) -> npt.NDArray[np.float32]:
    """Score stamps with missing pixels, some of them negative, with and without a known PSF."""
    size, n = classifier.contract.stamp_size, 32
    rng = generator(4, "test-torch", size)
    row, column = np.mgrid[:size, :size] - size // 2
    source = np.exp(-(row**2 + column**2) / 8)
    stamps = {
        role: (rng.normal(0, 20, (n, size, size)) + source * rng.normal(0, 300, (n, 1, 1))).astype(np.float32)
        for role in ("difference", "science", "template")
    }
    fraction = 0.1 * (np.arange(n) % 3)[:, None, None]
    missing = {role: rng.uniform(size=(n, size, size)) < fraction for role in stamps}
    fwhm = np.where(np.arange(n) % 5 == 0, np.nan, rng.uniform(2, 6, n))
    scores = classifier.score(stamps, missing, np.arange(n) % 4 == 1, psf_fwhm=fwhm)
    assert not scores.flag_unscorable.all()
    return scores.score


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_models_give_the_same_scores(name: str) -> None:
    model = packaged(name)
    classifier = model.classifier("torch")
    assert classifier.engine.name == "torch" and classifier.engine.version == torch.__version__
    assert check_golden(classifier, model.golden) <= TOLERANCE
    scores = hard_scores(classifier)
    assert np.nanstd(scores) > 0.01
    np.testing.assert_allclose(scores, hard_scores(model.classifier("numpy")), atol=TOLERANCE)
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    np.testing.assert_allclose(scores, hard_scores(model.classifier("onnxruntime")), atol=TOLERANCE)


def test_scores_do_not_depend_on_the_batch_the_threads_or_the_precision_of_the_process() -> None:
    network = named_architecture("compact")
    weights, stamps = varied_weights(network), stamps_of(network, 65)
    engine = make_engine("torch", None, network, weights)
    expected = engine.predict(stamps)
    assert engine.predict(stamps).tobytes() == expected.tobytes()
    np.testing.assert_allclose(np.concatenate([engine.predict(stamps[:1]), engine.predict(stamps[1:])]),
                               expected, atol=1e-6)  # fmt: skip
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    try:
        torch.set_num_threads(2)
        torch.set_float32_matmul_precision("medium")
        assert engine.predict(stamps).tobytes() == expected.tobytes()
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (2, "medium")
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
    assert torch.is_grad_enabled()


def test_a_gpu_that_is_not_there_is_asked_for() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    network = named_architecture("nodia")
    weights = varied_weights(network)
    with pytest.raises(MissingDependencyError, match="finds no GPU"):
        make_engine("torch", None, network, weights, "cuda")
    assert make_engine("torch", None, network, weights, "auto").device == "cpu"


def test_a_gpu_gives_the_same_scores() -> None:
    if not torch.cuda.is_available():
        pytest.skip("PyTorch finds no GPU")
    for name in PACKAGED:
        model = packaged(name)
        classifier = model.classifier("torch", "auto")
        assert classifier.engine.device == "cuda"
        scores = hard_scores(classifier)
        assert hard_scores(classifier).tobytes() == scores.tobytes()
        np.testing.assert_allclose(scores, hard_scores(model.classifier("numpy")), atol=TOLERANCE)
