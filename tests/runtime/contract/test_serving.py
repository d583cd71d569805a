from __future__ import annotations

from pathlib import Path

import pytest

from sagecask.contract import MultiModelEndpoint, Paths, ServingJob, available_cpus
from sagecask.errors import UsageError


def read(tmp_path, **environ: str) -> ServingJob:
    return ServingJob.read(Paths(tmp_path), environ)


def test_defaults_are_those_of_the_documentation(tmp_path):
    assert read(tmp_path) == ServingJob(
        model_dir=tmp_path / "model",
        port=8080,
        workers=available_cpus(),
        timeout_seconds=60,
        max_body_bytes=6 * 1024 * 1024,
        default_accept=None,
        batch=False,
        batch_strategy="MULTI_RECORD",
        outputs=(),
        ensemble=True,
        threads=1,
    )


@pytest.mark.parametrize(
    ("environ", "attribute", "value"),
    [
        ({"SAGEMAKER_BIND_TO_PORT": "9000"}, "port", 9000),
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "7"}, "workers", 7),
        ({"MODEL_SERVER_WORKERS": "7"}, "workers", 7),
        ({"MODEL_SERVER_WORKERS": "7", "SAGEMAKER_MODEL_SERVER_WORKERS": "6"}, "workers", 6),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "5"}, "timeout_seconds", 5),
        (
            {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "5", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "6"},
            "timeout_seconds",
            6,
        ),
        ({"SAGEMAKER_BATCH": "true"}, "timeout_seconds", 600),
        ({"MAX_CONTENT_LENGTH": "0"}, "max_body_bytes", 0),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "2"}, "max_body_bytes", 2 * 1024 * 1024),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "2", "MAX_CONTENT_LENGTH": "5"}, "max_body_bytes", 5),
        ({"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}, "default_accept", "text/csv"),
        ({"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": ""}, "default_accept", None),
        ({"SAGEMAKER_BATCH": "True"}, "batch", True),
        ({"SAGEMAKER_BATCH": "true"}, "batch_strategy", "MULTI_RECORD"),
        ({"SAGEMAKER_BATCH": "True"}, "batch_strategy", "MultiRecord"),
        ({"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label, probability"}, "outputs", ("predicted_label", "probability")),
        ({"SAGEMAKER_INFERENCE_ENSEMBLE": "false"}, "ensemble", False),
        ({"OMP_NUM_THREADS": "4"}, "threads", 4),
        ({"PORT": "9001"}, "port", 9001),
        ({"PORT": "9001", "SAGEMAKER_BIND_TO_PORT": "9000"}, "port", 9000),
        ({"MODEL_NAME": "abalone"}, "model_name", "abalone"),
        ({"SAGECASK_METRICS_PORT": "9090"}, "metrics_port", 9090),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, "multi_model", MultiModelEndpoint(256 * 1024 * 1024, 0, evict=False)),
        ({"SAGEMAKER_MULTI_MODEL": "True"}, "multi_model", None),
        (
            {
                "SAGEMAKER_MULTI_MODEL": "true",
                "SAGECASK_MEMORY_RESERVE_MB": "1",
                "SAGECASK_MAX_MODELS": "2",
                "SAGECASK_EVICT_MODELS": "true",
            },
            "multi_model",
            MultiModelEndpoint(1024 * 1024, 2, evict=True),
        ),
    ],
)
def test_variable_is_read(tmp_path, environ, attribute, value):
    assert getattr(read(tmp_path, **environ), attribute) == value


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"SAGEMAKER_BIND_TO_PORT": "65536"},
            'environment: variable SAGEMAKER_BIND_TO_PORT must be an integer in [1, 65535]; got "65536"',
        ),
        (
            {"MAX_CONTENT_LENGTH": "6 MB"},
            'environment: variable MAX_CONTENT_LENGTH must be an integer of at least 0; got "6 MB"',
        ),
        (
            {"SAGEMAKER_BATCH": "yes"},
            'environment: variable SAGEMAKER_BATCH must be "true" or "false"; got "yes"',
        ),
    ],
)
def test_wrong_variable_is_a_usage_error(tmp_path, environ, message):
    with pytest.raises(UsageError) as error:
        read(tmp_path, **environ)
    assert str(error.value) == message


def test_model_lies_where_a_variable_says(tmp_path):
    (tmp_path / "model").mkdir()
    assert read(tmp_path, SAGECASK_MODEL_DIR="/mnt/elsewhere").model_dir == Path("/mnt/elsewhere")


def test_model_dir_of_other_servers_counts_where_the_platforms_folder_is_absent(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    assert read(tmp_path, MODEL_DIR=str(other)).model_dir == other
    (tmp_path / "model").mkdir()
    assert read(tmp_path, MODEL_DIR=str(other)).model_dir == tmp_path / "model"


def test_variables_that_are_set_are_kept_for_algorithms(tmp_path):
    assert read(tmp_path, A_CONFIG="{}", EMPTY=" ").environment == {"A_CONFIG": "{}"}
