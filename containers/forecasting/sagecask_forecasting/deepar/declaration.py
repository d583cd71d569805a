"""The public interface of DeepAR bar its hyperparameters (deepar.md, deepar-in-formats.md, deepar-tuning.md)."""

from __future__ import annotations

from sagecask.algorithm import ChannelDeclaration, Declaration, Inference, Metric, Training, Tunable
from sagecask.report import quality_pattern

CONFIGURATION_VARIABLE = "DEEPAR_INFERENCE_CONFIG"
SEED_VARIABLE = "SAGECASK_FORECAST_SEED"
_TYPES = ("json", "application/jsonlines", "parquet")
_INSTANCE = (
    '{"start": "2021-03-01 00:00:00", "target": [4.0, "NaN", 6.5], "cat": [0, 2], "dynamic_feat": [[0, 0, 1, 1, 0]]}'
)
_ANSWER = '{"mean": [6.1, 6.4], "quantiles": {"0.1": [4.9, 5.0], "0.5": [6.1, 6.4], "0.9": [7.3, 7.9]}}'

CHANNELS = (
    ChannelDeclaration(
        name="train",
        required=True,
        content_types=_TYPES,
        default_content_type="json",
        layout=(
            "JSON Lines (.json, .json.gz) or Parquet (.parquet), a series a row: start, target and, of all series or "
            "of none, cat and dynamic_feat; the extension tells which, or else the content type"
        ),
    ),
    ChannelDeclaration(
        name="test",
        content_types=_TYPES,
        default_content_type="json",
        layout="as train, series in full length: the last prediction_length points are forecast and compared",
    ),
)

METRICS = (
    Metric(
        "test:RMSE",
        "minimize",
        "root mean squared error of the mean forecast over the last prediction_length points of all test series",
        quality_pattern("test", "RMSE", "loss"),
        "test channel given",
    ),
    Metric(
        "test:mean_wQuantileLoss",
        "minimize",
        "weighted quantile loss, mean over test_quantiles",
        quality_pattern("test", "mean_wQuantileLoss", "loss"),
        "test channel given",
    ),
    Metric(
        "train:final_loss",
        "minimize",
        "negative log-likelihood a point of the best epoch, whose weights are kept",
        quality_pattern("train", "final_loss", "loss"),
        "end of training",
    ),
    Metric(
        "train:loss",
        "minimize",
        "negative log-likelihood a point over an epoch",
        r"#quality_metric: host=\S+, epoch=\d+, train loss <loss>=(\S+)",
    ),
    Metric(
        "train:loss:batch",
        "minimize",
        "negative log-likelihood a point over a mini-batch",
        r"#quality_metric: host=\S+, epoch=\d+, batch=\d+ train loss <loss>=(\S+)",
    ),
    Metric("train:progress", None, "per cent of epochs done", r"#progress_metric: host=\S+, completed (\S+) %"),
    Metric(
        "train:throughput",
        None,
        "training windows a second",
        r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
    ),
)

TUNABLE = (
    Tunable("epochs", "integer", 1, 1000),
    Tunable("context_length", "integer", 1, 200),
    Tunable("mini_batch_size", "integer", 32, 1028),
    Tunable("learning_rate", "continuous", 1.0e-5, 0.1),
    Tunable("num_cells", "integer", 30, 200),
    Tunable("num_layers", "integer", 1, 8),
    Tunable("dropout_rate", "continuous", 0.0, 0.2),
    Tunable("embedding_dimension", "integer", 1, 50),
)

INFERENCE = Inference(
    content_types=("application/json", "application/jsonlines"),
    accept=("application/json", "application/jsonlines"),
    default_accept="application/json",
    records=True,
    # lines of an output belong to lines of the input, whatever was accepted
    batch_accept="application/jsonlines",
    requests={
        "application/json": (
            f'{{"instances": [{_INSTANCE}], "configuration": {{"num_samples": 50, '
            '"output_types": ["mean", "quantiles", "samples"], "quantiles": ["0.1", "0.9"]}}'
        ),
        "application/json (defaults)": ('{"instances": [{"start": "2021-03-01", "target": [4.0, 5.0, 6.5]}]}'),
        "application/json (cold start)": (
            '{"instances": [{"start": "2021-03-01 00:00:00", "target": [], "cat": [1]}], '
            '"configuration": {"num_samples": 100, "output_types": ["quantiles"], "quantiles": ["0.5"]}}'
        ),
        "application/jsonlines": f"{_INSTANCE}\n",
    },
    responses={
        "application/json": (
            '{"predictions": [{"mean": [6.1, 6.4], "quantiles": {"0.1": [4.9, 5.0], "0.9": [7.3, 7.9]}, '
            '"samples": [[6.0, 6.3], [6.2, 6.6]]}]}'
        ),
        "application/json (defaults)": f'{{"predictions": [{_ANSWER}]}}',
        "application/jsonlines": f"{_ANSWER}\n",
    },
    environment={
        CONFIGURATION_VARIABLE: (
            'JSON such as {"num_samples": 200, "output_types": ["quantiles"], "quantiles": ["0.5"]}: what an answer '
            "holds where its request does not say, as lines of a batch transform cannot; by default 100 samples, mean "
            "and quantiles, and the quantiles 0.1 to 0.9"
        ),
        SEED_VARIABLE: "a whole number: equal requests get equal answers; without it draws differ each time",
    },
)

DECLARATION = Declaration(
    name="forecasting-deepar",
    title="DeepAR Forecasting",
    family="forecasting",
    learning="supervised",
    source=(
        "deepar.md",
        "deepar_how-it-works.md",
        "deepar_hyperparameters.md",
        "deepar-tuning.md",
        "deepar-in-formats.md",
        "cdf-training.md",
        "common-info-all-im-models.md",
    ),
    channels=CHANNELS,
    metrics=METRICS,
    tunable=TUNABLE,
    inference=INFERENCE,
    training=Training(cpu=True, gpu="multi", multi_host=True, incremental=False, checkpoints=False),
)
