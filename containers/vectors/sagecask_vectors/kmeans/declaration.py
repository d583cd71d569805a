"""The public interface of k-means bar its hyperparameters (k-means.md, k-means-tuning.md, km-in-formats.md)."""

from __future__ import annotations

from sagecask.algorithm import ChannelDeclaration, Declaration, Inference, Metric, Training, Tunable
from sagecask.report import quality_pattern

_TYPES = ("application/x-recordio-protobuf", "text/csv;label_size=0")

CHANNELS = (
    ChannelDeclaration(
        name="train",
        required=True,
        content_types=_TYPES,
        default_content_type=_TYPES[0],
        input_modes=("File", "Pipe"),
        distribution=("ShardedByS3Key", "FullyReplicated"),
        parameters=("label_size", "charset"),
        layout=(
            "rows of features, dense or sparse, a record's under the key values; CSV has no header row and, with "
            "label_size=0, no label; labels are not used; hosts are best given different rows (ShardedByS3Key)"
        ),
    ),
    ChannelDeclaration(
        name="test",
        content_types=_TYPES,
        default_content_type=_TYPES[0],
        input_modes=("File", "Pipe"),
        distribution=("FullyReplicated",),
        parameters=("label_size", "charset"),
        layout="as train; scored with the final centers in every metric of eval_metrics",
    ),
)

METRICS = (
    Metric(
        "test:msd",
        "minimize",
        "mean squared distance of test rows to their closest center",
        quality_pattern("test", "msd", "loss"),
        when="test channel given and msd in eval_metrics",
    ),
    Metric(
        "test:ssd",
        "minimize",
        "sum of squared distances of test rows to their closest center",
        quality_pattern("test", "ssd", "loss"),
        when="test channel given and ssd in eval_metrics",
    ),
)

INFERENCE = Inference(
    content_types=("text/csv", "application/json", "application/jsonlines", "application/x-recordio-protobuf"),
    accept=("application/json", "application/jsonlines", "application/x-recordio-protobuf", "text/csv"),
    default_accept="application/json",
    requests={
        "application/json": '{"instances": [{"features": [1.5, 16.0, 14.0, 23.0]}]}',
        "application/jsonlines": '{"features": [1.5, 16.0, 14.0, 23.0]}\n',
        "text/csv": "1.5,16.0,14.0,23.0\n",
    },
    responses={
        "application/json": '{"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 3.0}]}',
        "application/jsonlines": '{"closest_cluster": 1.0, "distance_to_cluster": 3.0}\n',
        "text/csv": "1.0,3.0\n",
    },
)

DECLARATION = Declaration(
    name="kmeans",
    title="K-Means",
    family="vectors",
    learning="unsupervised",
    source=(
        "k-means.md",
        "algo-kmeans-tech-notes.md",
        "k-means-api-config.md",
        "k-means-tuning.md",
        "km-in-formats.md",
        "cdf-training.md",
        "cdf-inference.md",
    ),
    channels=CHANNELS,
    metrics=METRICS,
    tunable=(
        Tunable("epochs", "integer", 1, 10),
        Tunable("extra_center_factor", "integer", 4, 10),
        Tunable("init_method", "categorical", values=("kmeans++", "random")),
        Tunable("mini_batch_size", "integer", 3000, 15000),
    ),
    inference=INFERENCE,
    training=Training(cpu=True, gpu="single", multi_host=True, incremental=False, checkpoints=False),
)
