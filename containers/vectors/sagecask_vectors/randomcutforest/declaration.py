"""The public interface of Random Cut Forest bar its hyperparameters (randomcutforest.md, rcf-in-formats.md)."""

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

_RECORDIO = "application/x-recordio-protobuf"

CHANNELS = (
    ChannelDeclaration(
        name="train",
        required=True,
        content_types=(_RECORDIO, "text/csv;label_size=0"),
        default_content_type=_RECORDIO,
        input_modes=("File", "Pipe"),
        distribution=("ShardedByS3Key",),
        parameters=("label_size", "charset"),
        layout=(
            "rows of features, without header or label; at least as many as trees, and a file at least for each host; "
            "protobuf records hold them under `values`, dense or sparse"
        ),
    ),
    ChannelDeclaration(
        name="test",
        content_types=("text/csv;label_size=1", _RECORDIO),
        default_content_type=_RECORDIO,
        input_modes=("File", "Pipe"),
        distribution=("FullyReplicated",),
        parameters=("label_size", "charset"),
        layout=(
            "the label, 1 for an anomaly and 0 for a normal row, then the features; protobuf records hold the label "
            "under `values`"
        ),
    ),
)

INFERENCE = Inference(
    content_types=("text/csv", "application/json", "application/jsonlines", _RECORDIO),
    accept=("application/json", "application/jsonlines", _RECORDIO),
    default_accept="application/json",
    requests={
        "text/csv": "10844.0\n8127.0\n",
        "application/json": '{"instances": [{"features": [1.5, 16.0]}]}',
        "application/jsonlines": '{"features": [1.5, 16.0]}\n',
        _RECORDIO: "hex:0a23d7ce180000000a160a0676616c756573120c120a0a080000c03f00008041",
    },
    responses={
        "application/json": '{"scores": [{"score": 0.02}, {"score": 0.25}]}',
        "application/jsonlines": '{"score": 0.02}\n{"score": 0.25}\n',
        _RECORDIO: "hex:0a23d7ce15000000121312110a0573636f7265120812060a040000803e000000",
    },
    # measured: 3 with a hundred features, whose boxes are twice the points; 6 with one, which take room for four
    multi_model=MultiModelInference(load_factor=7.0),
)

DECLARATION = Declaration(
    name="randomcutforest",
    title="Random Cut Forest",
    family="vectors",
    learning="unsupervised",
    source=(
        "randomcutforest.md",
        "rcf_how-it-works.md",
        "rcf_hyperparameters.md",
        "random-cut-forest-tuning.md",
        "rcf-in-formats.md",
        "cdf-training.md",
        "cdf-inference.md",
    ),
    channels=CHANNELS,
    metrics=(
        Metric(
            "test:f1",
            "maximize",
            "F1 of anomalies, which are rows that score above mean + 3 standard deviations",
            pattern=quality_pattern("test", "f1", "score"),
            when="labelled test channel",
        ),
    ),
    tunable=(
        Tunable("num_samples_per_tree", "integer", 1, 2048),
        Tunable("num_trees", "integer", 50, 1000),
    ),
    inference=INFERENCE,
    training=Training(cpu=True, gpu="none", multi_host=True, incremental=False, checkpoints=False),
)
