"""One description of a network gives the same answers in numpy, ONNX Runtime and Keras."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lsst.meas.realbogus.errors import InvalidInputError, ModelContractError, ModelFormatError
from lsst.meas.realbogus.model import (
    Architecture,
    Weights,
    architecture_from_keras,
    build_keras,
    initial_weights,
    named_architecture,
    weights_from_keras,
)
from lsst.meas.realbogus.model._architecture import (
    ActivationLayer,
    AverageMaxCentre2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Layer,
    MaxPooling2D,
    SpatialDropout2D,
    ZeroPadding2D,
)
from lsst.meas.realbogus.model._engines import make_engine
from lsst.meas.realbogus.model._graph import graph_shapes, to_onnx
from lsst.meas.realbogus.model._reference import forward
from lsst.meas.realbogus.model._weights import layer_weights_from_h5, read_weights, write_weights
from lsst.meas.realbogus.randomness import generator

pytestmark = pytest.mark.slow


def every_layer(head: Layer | None = None) -> Architecture:
    return Architecture(
        name="every",
        input_shape=(21, 20, 2),
        layers=(
            ZeroPadding2D(name="border", padding=((1, 0), (2, 3))),
            Conv2D(
                name="first", filters=4, kernel_size=(3, 2), padding="same", strides=(2, 1), use_bias=False
            ),
            BatchNormalization(name="scale"),
            ActivationLayer(name="relu", activation="relu"),
            MaxPooling2D(name="pool", pool_size=(2, 2), strides=(2, 2), padding="same"),
            DepthwiseConv2D(name="each", kernel_size=(2, 3), padding="same", activation="relu"),
            SpatialDropout2D(name="drop_channels", rate=0.1),
            Conv2D(name="second", filters=3, kernel_size=(3, 3), activation="tanh"),
            head or Flatten(name="flatten"),
            Dropout(name="drop", rate=0.3),
            Dense(name="hidden", units=5, activation="relu"),
            BatchNormalization(name="scale_again"),
            Dense(name="last", units=3, activation="softmax"),
        ),
    )


def varied_weights(architecture: Architecture) -> Weights:
    """Initial weights, a little away from neutral values."""
    rng = generator(5, "test-weights", architecture.name)
    return {
        key: (array + rng.uniform(-0.3, 0.3, array.shape) * (np.abs(array).mean() or 0.1)).astype(np.float32)
        for key, array in initial_weights(architecture, 3).items()
    }


NETWORKS = {
    "every layer": every_layer(),
    "average pooling": every_layer(GlobalAveragePooling2D(name="mean")),
    "max pooling": every_layer(GlobalMaxPooling2D(name="max")),
    "average, maximum, centre": every_layer(AverageMaxCentre2D(name="head", size=2)),
    **{name: named_architecture(name) for name in ("dia", "nodia", "braai")},
}


@pytest.mark.onnx
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_agrees_with_numpy(name: str) -> None:
    network = NETWORKS[name]
    weights = varied_weights(network)
    stamps = generator(1, "test-stamps").normal(0, 1, (6, *network.input_shape)).astype(np.float32)
    graph = to_onnx(network, weights)
    assert graph_shapes(graph) == (network.input_shape, network.output_shape[0])
    expected = forward(network, weights, stamps)
    assert np.ptp(expected, axis=0).max() > 1e-3
    found = make_engine("onnxruntime", graph, None, None).predict(stamps)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_the_published_sizes() -> None:
    sizes = {name: named_architecture(name).n_parameters for name in ("dia", "nodia", "braai")}
    assert sizes == {"dia": 126_050, "nodia": 45_908, "braai": 312_081}


def test_the_centre_is_the_central_pixel_of_a_stamp() -> None:
    for size, width in ((7, 3), (6, 3), (31, 1), (5, 5)):
        network = Architecture(
            name="head", input_shape=(size, size, 2), layers=(AverageMaxCentre2D(name="head", size=width),)
        )
        stamp = generator(2, "test-centre", size).normal(0, 1, (1, size, size, 2)).astype(np.float32)
        found = forward(network, {}, stamp)[0]
        np.testing.assert_allclose(found[:2], stamp[0].mean(axis=(0, 1)), atol=1e-6)
        np.testing.assert_array_equal(found[2:4], stamp[0].max(axis=(0, 1)))
        centre = found[4:].reshape(width, width, 2)
        np.testing.assert_array_equal(centre[width // 2, width // 2], stamp[0, size // 2, size // 2])


@pytest.mark.onnx
def test_graphs_and_weights_are_the_same_bytes_every_time() -> None:
    network = named_architecture("nodia")
    weights = initial_weights(network)
    assert to_onnx(network, weights) == to_onnx(network, dict(weights))
    content = write_weights(weights)
    assert content == write_weights(weights)
    again = read_weights(content, network)
    assert all(np.array_equal(again[key], weights[key]) for key in weights)


@pytest.mark.onnx
def test_wrong_weights_are_named() -> None:
    network = named_architecture("nodia")
    weights = dict(initial_weights(network))
    with pytest.raises(ModelFormatError, match="dense/kernel"):
        read_weights(write_weights({k: v for k, v in weights.items() if k != "dense/kernel"}), network)
    with pytest.raises(ModelFormatError, match=r"must be float32 \(1280, 32\)"):
        read_weights(write_weights(weights | {"dense/kernel": np.zeros((4, 4), np.float32)}), network)
    with pytest.raises(ModelFormatError, match="not finite"):
        read_weights(write_weights(weights | {"dense/bias": np.full(32, np.nan, np.float32)}), network)
    with pytest.raises(ModelContractError, match="shape"):
        to_onnx(network, weights | {"dense/bias": np.zeros(3, np.float32)})


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ((Conv2D(name="a", filters=1, kernel_size=(9, 9)),), "leaves shape"),
        ((Flatten(name="a"), Conv2D(name="b", filters=1, kernel_size=(1, 1))), "three axes"),
        ((AverageMaxCentre2D(name="a", size=6),), "central 6 x 6"),
        ((Flatten(name="a"), AverageMaxCentre2D(name="b")), "central 3 x 3"),
        ((Dense(name="a", units=1),), None),
    ],
)
def test_layers_that_do_not_fit_are_named(layers: tuple[Layer, ...], reason: str | None) -> None:
    if reason is None:
        with pytest.raises(ModelContractError, match="needs a vector"):
            Architecture(name="x", input_shape=(5, 5, 1), layers=layers).weight_shapes()
    else:
        with pytest.raises(ModelContractError, match=reason):
            Architecture(name="x", input_shape=(5, 5, 1), layers=layers)


@pytest.mark.onnx
def test_engines_that_cannot_run_a_model_say_so() -> None:
    network = named_architecture("nodia")
    graph = to_onnx(network, initial_weights(network))
    with pytest.raises(InvalidInputError, match="engine must be one of .*; got 'theano'"):
        make_engine("theano", graph, None, None)
    with pytest.raises(InvalidInputError, match="'torch' cannot run it"):
        make_engine("torch", graph, None, None)
    with pytest.raises(InvalidInputError, match="without layers"):
        make_engine("numpy", graph, None, None)
    with pytest.raises(InvalidInputError, match="device"):
        make_engine("onnxruntime", graph, None, None, device="tpu")
    with pytest.raises(ModelFormatError, match="refuses"):
        make_engine("onnxruntime", b"no graph", None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"class_name": "Functional"}, "Sequential"),
        ({"layer": "LSTM"}, "LSTM"),
        ({"dilation_rate": [2, 2]}, "dilation_rate"),
        ({"data_format": "channels_first"}, "data_format"),
        ({"activation": "swish"}, "swish"),
    ],
)
def test_keras_configurations_that_are_not_understood_are_refused(
    change: dict[str, object], reason: str
) -> None:
    options = {"name": "c", "filters": 2, "kernel_size": [3, 3], "batch_input_shape": [None, 9, 9, 1]}
    layer = {"class_name": change.pop("layer", "Conv2D"), "config": options}
    config = {
        "class_name": change.pop("class_name", "Sequential"),
        "config": {"name": "k", "layers": [layer]},
    }
    options.update(change)
    with pytest.raises(ModelFormatError, match=reason):
        architecture_from_keras(config)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_keras_round_trip_and_scores(tmp_path: object) -> None:
    """Build, save in every format, read back without Keras, and score alike."""
    pytest.importorskip("tensorflow")
    import zipfile
    from pathlib import Path

    import h5py

    folder = Path(str(tmp_path))
    network = every_layer(AverageMaxCentre2D(name="head", size=2))
    weights = varied_weights(network)
    model = build_keras(network, weights)
    again = weights_from_keras(model, network)
    assert all(np.array_equal(again[key], weights[key]) for key in weights)
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "model.weights.h5")
    with zipfile.ZipFile(folder / "model.keras") as archive:
        files = [archive.read("model.weights.h5")]
        assert architecture_from_keras(json.loads(archive.read("config.json")), "every") == network
    with h5py.File(folder / "model.h5") as file:
        assert architecture_from_keras(json.loads(file.attrs["model_config"]), "every") == network
    files += [(folder / name).read_bytes() for name in ("model.h5", "model.weights.h5")]
    for content in files:
        read = layer_weights_from_h5(content, network)
        assert all(np.array_equal(read[key], weights[key]) for key in weights)
    for name in ("every layer", "average, maximum, centre", "dia", "nodia"):
        network = NETWORKS[name]
        weights = varied_weights(network)
        stamps = generator(1, "test-stamps").normal(0, 1, (32, *network.input_shape)).astype(np.float32)
        graph = to_onnx(network, weights)
        answers = [
            make_engine(e, graph, network, weights).predict(stamps) for e in ("tensorflow", "onnxruntime")
        ]
        np.testing.assert_allclose(answers[0], answers[1], atol=5e-6)
