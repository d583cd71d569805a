"""The public interface of PCA bar its hyperparameters (pca.md, PCA-reference.md, PCA-in-formats.md)."""

from __future__ import annotations

from sagecask.algorithm import ChannelDeclaration, Declaration, Inference, Training

_TYPES = ("application/x-recordio-protobuf", "text/csv;label_size=0")

CHANNELS = (
    ChannelDeclaration(
        name="train",
        required=True,
        content_types=_TYPES,
        default_content_type=_TYPES[0],
        input_modes=("File", "Pipe"),
        distribution=("FullyReplicated", "ShardedByS3Key"),
        parameters=("label_size", "charset"),
        layout=(
            "rows of features, dense or sparse, a record's under the key values; CSV has no header row and, with "
            "label_size=0, no label; labels are not used"
        ),
    ),
    ChannelDeclaration(
        name="test",
        content_types=_TYPES,
        default_content_type=_TYPES[0],
        input_modes=("File", "Pipe"),
        parameters=("label_size", "charset"),
        layout="as train; scored with the final model",
    ),
)

INFERENCE = Inference(
    content_types=("text/csv", "application/json", "application/jsonlines", "application/x-recordio-protobuf"),
    accept=("application/json", "application/jsonlines", "application/x-recordio-protobuf"),
    default_accept="application/json",
    requests={
        "application/json": '{"instances": [{"features": [1.5, 16.0, 14.0, 23.0]}]}',
        "application/jsonlines": '{"features": [1.5, 16.0, 14.0, 23.0]}\n',
        "text/csv": "1.5,16.0,14.0,23.0\n",
    },
    responses={
        "application/json": '{"projections": [{"projection": [1.0, 2.0, 3.0]}]}',
        "application/jsonlines": '{"projection": [1.0, 2.0, 3.0]}\n',
    },
)

DECLARATION = Declaration(
    name="pca",
    title="Principal Component Analysis",
    family="vectors",
    learning="unsupervised",
    source=(
        "pca.md",
        "how-pca-works.md",
        "PCA-reference.md",
        "PCA-in-formats.md",
        "cdf-training.md",
        "cdf-inference.md",
    ),
    channels=CHANNELS,
    metrics=(),
    tunable=(),
    inference=INFERENCE,
    training=Training(cpu=True, gpu="single", multi_host=True, incremental=False, checkpoints=False),
)
