"""The public interface of k-NN bar its hyperparameters (k-nearest-neighbors.md, kNN-tuning.md, cdf-inference.md)."""

from __future__ import annotations

from sagecask.algorithm import (
    ChannelDeclaration,
    Declaration,
    Inference,
    Metric,
    MultiModelInference,
    Training,
    Tunable,
)
from sagecask.report import quality_pattern

_TRAINING_TYPES = ("application/x-recordio-protobuf", "text/csv;label_size=1")
_INPUT_MODES = ("File", "Pipe")

CHANNELS = (
    ChannelDeclaration(
        name="train",
        required=True,
        content_types=_TRAINING_TYPES,
        default_content_type="application/x-recordio-protobuf",
        input_modes=_INPUT_MODES,
        distribution=("FullyReplicated", "ShardedByS3Key"),
        parameters=("label_size", "charset"),
        layout="CSV without header, label first; protobuf records hold features and label under the key values",
    ),
    ChannelDeclaration(
        name="test",
        content_types=_TRAINING_TYPES,
        default_content_type="application/x-recordio-protobuf",
        input_modes=_INPUT_MODES,
        parameters=("label_size", "charset"),
        layout="as train; scored against the finished index, scores go to the log",
    ),
)

METRICS = (
    Metric(
        "test:accuracy",
        "maximize",
        "share of test rows with the right label",
        pattern=quality_pattern("test", "accuracy", "score"),
        when="predictor_type is classifier and there is a test channel",
    ),
    Metric(
        "test:mse",
        "minimize",
        "mean squared error on the test rows",
        pattern=quality_pattern("test", "mse", "loss"),
        when="predictor_type is regressor and there is a test channel",
    ),
)

INFERENCE = Inference(
    content_types=(
        "application/json",
        "application/jsonlines",
        "text/csv",
        "application/x-recordio-protobuf",
    ),
    accept=(
        "application/json",
        "application/json; verbose=true",
        "application/jsonlines",
        "application/jsonlines; verbose=true",
        "application/x-recordio-protobuf",
        "application/x-recordio-protobuf; verbose=true",
    ),
    default_accept="application/json",
    requests={
        "application/json": (
            '{"instances": [{"data": {"features": {"values": [-3, -1, -4, 2]}}}, '
            '{"features": [3.0, 0.1, 0.04, 0.002]}]}'
        ),
        "application/jsonlines": (
            '{"features": [1.5, 16.0, 14.0, 23.0]}\n{"data": {"features": {"values": [1.5, 16.0, 14.0, 23.0]}}}\n'
        ),
        "text/csv": "1.2,1.3,9.6,20.3\n",
        "application/x-recordio-protobuf": (
            'Record{features: {"values": Float32Tensor{values: [-3, -1, -4, 2]}}, label: {}}'
        ),
    },
    responses={
        "application/json": '{"predictions": [{"predicted_label": 0.0}, {"predicted_label": 2.0}]}',
        "application/json; verbose=true": (
            '{"predictions": [{"predicted_label": 0.0, "distances": [3.11, 3.89, 6.32], "labels": [0.0, 1.0, 0.0]}]}'
        ),
        "application/jsonlines": '{"predicted_label": 0.0}\n{"predicted_label": 2.0}\n',
        "application/jsonlines; verbose=true": (
            '{"predicted_label": 0.0, "distances": [3.11, 3.89, 6.32], "labels": [0.0, 1.0, 0.0]}\n'
        ),
        "application/x-recordio-protobuf": (
            'one Record per row: Record{features: {}, label: {"predicted_label": Float32Tensor{values: [0.0]}}}'
        ),
        "application/x-recordio-protobuf; verbose=true": (
            'one Record per row: Record{features: {}, label: {"predicted_label": Float32Tensor{values: [0.0]}, '
            '"distances": Float32Tensor{values: [3.11, 3.89, 6.32]}, '
            '"labels": Float32Tensor{values: [0.0, 1.0, 0.0]}}}'
        ),
    },
    # the vectors are read straight into the array that is searched
    multi_model=MultiModelInference(load_factor=1.5),
)

DECLARATION = Declaration(
    name="knn",
    title="K-Nearest Neighbors",
    family="vectors",
    learning="supervised",
    source=(
        "k-nearest-neighbors.md",
        "kNN_how-it-works.md",
        "kNN_hyperparameters.md",
        "kNN-tuning.md",
        "kNN-in-formats.md",
        "kNN-inference-formats.md",
        "cdf-training.md",
        "cdf-inference.md",
    ),
    channels=CHANNELS,
    metrics=METRICS,
    tunable=(
        Tunable("k", "integer", 1, 1024),
        Tunable("sample_size", "integer", 256, 20_000_000),
    ),
    inference=INFERENCE,
    training=Training(cpu=True, gpu="single", multi_host=True, incremental=False, checkpoints=False),
)
