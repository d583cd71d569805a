"""The public interface of factorization machines bar its hyperparameters (fact-machines.md, fm-tuning.md)."""

from __future__ import annotations

from sagecask.algorithm import ChannelDeclaration, Declaration, Inference, Metric, Training, Tunable
from sagecask.report import quality_pattern

_RECORDIO = "application/x-recordio-protobuf"
_LOW, _HIGH = 1e-8, 512

CHANNELS = (
    ChannelDeclaration(
        name="train",
        required=True,
        content_types=(_RECORDIO,),
        default_content_type=_RECORDIO,
        input_modes=("File", "Pipe"),
        distribution=("FullyReplicated", "ShardedByS3Key"),
        layout=(
            "protobuf records of float32 tensors: features under the key `values`, sparse (values, keys and shape) or "
            "dense, and one label under `values`, 0 or 1 for a binary_classifier"
        ),
    ),
    ChannelDeclaration(
        name="test",
        content_types=(_RECORDIO,),
        default_content_type=_RECORDIO,
        input_modes=("File", "Pipe"),
        layout="as train; scored with the final model",
    ),
)

METRICS = (
    Metric(
        "test:rmse", "minimize", "root mean squared error",
        quality_pattern("test", "rmse", "loss"), "regressor with a test channel",
    ),
    Metric(
        "test:binary_classification_accuracy", "maximize", "share of right labels, cut at 0.5",
        quality_pattern("test", "binary_classification_accuracy", "score"), "binary_classifier with a test channel",
    ),
    Metric(
        "test:binary_classification_cross_entropy", "minimize", "mean log loss",
        quality_pattern("test", "binary_classification_cross_entropy", "loss"),
        "binary_classifier with a test channel",
    ),
    Metric(
        "test:binary_f_beta", "maximize", "F1, cut at 0.5",
        quality_pattern("test", r"binary_f_\S+", "score"), "binary_classifier with a test channel",
    ),
)  # fmt: skip

_TUNED_FLOATS = (
    "bias_init_scale", "bias_init_sigma", "bias_init_value", "bias_lr", "bias_wd", "factors_init_scale",
    "factors_init_sigma", "factors_init_value", "factors_lr", "factors_wd", "linear_init_scale", "linear_init_sigma",
    "linear_init_value", "linear_lr", "linear_wd",
)  # fmt: skip

TUNABLE = (
    *(Tunable(name, "continuous", _LOW, _HIGH) for name in _TUNED_FLOATS),
    Tunable("epochs", "integer", 1, 1000),
    Tunable("mini_batch_size", "integer", 100, 10000),
)

INFERENCE = Inference(
    content_types=("application/json", "application/jsonlines", _RECORDIO),
    accept=("application/json", "application/jsonlines", _RECORDIO),
    default_accept="application/json",
    requests={
        "application/json": '{"instances": [{"features": [1.5, 16.0, 14.0, 23.0]}]}',
        "application/jsonlines": (
            '{"data": {"features": {"keys": [26, 182, 232], "shape": [2000], "values": [1, 1, 4]}}}\n'
        ),
        _RECORDIO: "hex:0a23d7ce180000000a160a0676616c756573120c120a0a080000003f00000040",
    },
    responses={
        "application/json": '{"predictions": [{"score": 0.4, "predicted_label": 0}]}',
        "application/jsonlines": '{"score": 0.4, "predicted_label": 0}\n',
    },
)

DECLARATION = Declaration(
    name="factorization-machines",
    title="Factorization Machines",
    family="vectors",
    learning="supervised",
    source=(
        "fact-machines.md",
        "fact-machines-howitworks.md",
        "fact-machines-hyperparameters.md",
        "fm-tuning.md",
        "fm-in-formats.md",
        "cdf-training.md",
        "cdf-inference.md",
        "SageMaker Python SDK v2 sagemaker/amazon/factorization_machines.py",
        "public example notebooks (MNIST, retail recommendation) and their job logs",
    ),
    channels=CHANNELS,
    metrics=METRICS,
    tunable=TUNABLE,
    inference=INFERENCE,
    training=Training(cpu=True, gpu="multi", multi_host=True, incremental=False, checkpoints=False),
)
