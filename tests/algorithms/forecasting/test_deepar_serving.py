"""Requests to a DeepAR model: what they may ask for, what is refused, by how much answers differ."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sagecask_forecasting.deepar.loading import load

from sagecask.algorithm import InferenceSettings
from sagecask.errors import DataError, UsageError
from sagecask.testing.server import launched, serving

ONE = {"start": "2024-03-01 00:00:00", "target": [5.0, 6.0, "NaN", 7.0, 5.5, 6.5, 6.0, 7.0], "cat": [0]}
TENTHS = ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]


def loaded(folder, **environment):
    return load(folder, InferenceSettings(environment=environment))


@pytest.fixture(scope="module")
def model(small):
    return loaded(small, SAGECASK_FORECAST_SEED="3")


def refusal(jobs, model, *instances, **configuration):
    with pytest.raises(DataError) as caught:
        jobs.ask(model, *(instances or [ONE]), **configuration)
    return str(caught.value)


def test_request_without_settings_gets_mean_and_nine_quantiles_of_a_hundred_paths(jobs, model):
    answer = jobs.ask(model, ONE)
    assert list(answer) == ["mean", "quantiles"]
    assert list(answer["quantiles"][0]) == TENTHS
    paths = jobs.ask(model, ONE, output_types=["samples"])["samples"]
    assert paths.shape == (1, 100, 3)
    np.testing.assert_allclose(answer["mean"], paths.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(answer["quantiles"][0]["0.5"], np.median(paths[0], axis=0), rtol=1e-5)


@pytest.mark.parametrize("wanted", [["mean"], ["samples", "mean"], ["quantiles"], ["samples", "quantiles", "mean"]])
def test_answer_holds_what_is_asked_for_and_no_more(wanted, jobs, model):
    answer = jobs.ask(model, ONE, output_types=wanted, num_samples=5)
    assert list(answer) == [name for name in ("mean", "quantiles", "samples") if name in wanted]


def test_quantiles_come_back_under_the_texts_of_the_request(jobs, model):
    texts = ["0.09999999999999998", "0.50", "9e-1"]
    assert list(jobs.ask(model, ONE, quantiles=[*texts, 0.25])["quantiles"][0]) == [*texts, "0.25"]


def test_numbers_have_as_few_digits_as_a_float32_needs(jobs, model):
    assert max(len(repr(number)) for number in jobs.ask(model, ONE)["mean"][0].tolist()) < 14


def test_answers_to_the_largest_values_are_numbers(jobs, model):
    answer = jobs.ask(model, {**ONE, "target": [3e38, -3e38] * 4}, output_types=["mean", "samples"])
    assert all(np.isfinite(column).all() for column in answer.values())


def test_instances_of_a_request_keep_their_order(jobs, model):
    small, large = ({**ONE, "target": [level] * 8} for level in (1.0, 1000.0))
    sizes = np.abs(jobs.ask(model, small, large, small)["mean"]).mean(axis=1)
    assert sizes[1] > 100 * max(sizes[0], sizes[2])


def test_cold_start_is_forecast_from_category_and_time(jobs, model):
    empty = {**ONE, "target": []}
    assert np.isfinite(jobs.ask(model, empty)["mean"]).all()


def test_draws_differ_from_call_to_call_unless_they_are_seeded(jobs, small, model):
    free = loaded(small)
    assert not np.array_equal(jobs.ask(free, ONE)["mean"], jobs.ask(free, ONE)["mean"])
    assert np.array_equal(jobs.ask(model, ONE)["mean"], jobs.ask(model, ONE)["mean"])


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"num_samples": 0}, "num_samples: an integer of at least 1 is needed; got 0"),
        ({"num_samples": "many"}, 'num_samples: an integer of at least 1 is needed; got "many"'),
        ({"num_samples": True}, "num_samples: an integer of at least 1 is needed; got true"),
        ({"output_types": "mean"}, 'output_types: a list out of mean, quantiles, samples is needed; got "mean"'),
        (
            {"output_types": ["mean", "median"]},
            'output_types: a list out of mean, quantiles, samples is needed; got "median" in it',
        ),
        ({"output_types": []}, "output_types: a list out of mean, quantiles, samples is needed; got []"),
        ({"quantiles": "0.5"}, 'quantiles: a list of texts such as "0.5" is needed; got "0.5"'),
        ({"quantiles": ["0.5", "1.0"]}, 'quantiles: numbers above 0 and below 1 are needed; got "1.0"'),
        ({"quantiles": [0]}, "quantiles: numbers above 0 and below 1 are needed; got 0"),
        ({"quantiles": ["half"]}, 'quantiles: numbers above 0 and below 1 are needed; got "half"'),
        ({"quantiles": [None]}, "quantiles: numbers above 0 and below 1 are needed; got null"),
        (
            {"num_samples": 10**9},
            "num_samples: at most 11184810 are needed for 1 instance of 3 points, for memory's sake; "
            "got 1000000000",
        ),
    ],
)  # fmt: skip
def test_setting_that_cannot_be_is_refused(configuration, message, jobs, model):
    assert refusal(jobs, model, **configuration) == f"request body, configuration, {message}"


def test_setting_that_is_unknown_is_refused_with_the_nearest(jobs, model):
    assert refusal(jobs, model, num_sample=3) == (
        "request body, configuration: keys out of num_samples, output_types, quantiles are needed; got "
        '"num_sample"; did you mean "num_samples"?'
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cat": [3]}, "cat, value 1: a whole number from 0 to 2 is needed, as in training; got 3"),
        ({"cat": [1]}, "cat, value 1: a value that occurred in training is needed; got 1"),
        ({"cat": None}, "cat: 1 value is needed, as in training; got none"),
        ({"dynamic_feat": [[0] * 11]}, "dynamic_feat: no feature is needed, as in training; got 1"),
    ],
)
def test_instance_that_does_not_fit_the_model_is_refused_with_its_place(changes, message, jobs, model):
    assert refusal(jobs, model, ONE, {**ONE, **changes}) == f"request body, instance 2: {message}"


def test_variable_says_what_requests_get_that_do_not(jobs, small):
    config = {"num_samples": 7, "output_types": ["samples", "quantiles"], "quantiles": ["0.5"]}
    model = loaded(small, DEEPAR_INFERENCE_CONFIG=json.dumps(config))
    answer = jobs.ask(model, ONE)
    assert (answer["samples"].shape, list(answer["quantiles"][0])) == ((1, 7, 3), ["0.5"])
    assert jobs.ask(model, ONE, num_samples=2)["samples"].shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DEEPAR_INFERENCE_CONFIG": "{"},
         "DEEPAR_INFERENCE_CONFIG: a JSON object is needed; got Expecting property name enclosed in double quotes: "
         "line 1 column 2 (char 1)"),
        ({"DEEPAR_INFERENCE_CONFIG": "[1]"}, "DEEPAR_INFERENCE_CONFIG: a JSON object is needed; got [1]"),
        ({"DEEPAR_INFERENCE_CONFIG": '{"num_samples": 0}'},
         "DEEPAR_INFERENCE_CONFIG, num_samples: an integer of at least 1 is needed; got 0"),
        ({"SAGECASK_FORECAST_SEED": "x"}, 'SAGECASK_FORECAST_SEED must be an integer of at least 0; got "x"'),
    ],
)  # fmt: skip
def test_variable_with_another_value_is_refused(environment, message, small):
    with pytest.raises(UsageError) as caught:
        loaded(small, **environment)
    assert str(caught.value) == f"environment: variable {message}"


def test_server_with_a_wrong_variable_does_not_start(small, tmp_path):
    shutil.copytree(small, tmp_path / "model")
    with launched(tmp_path, {"DEEPAR_INFERENCE_CONFIG": '{"samples": 3}'}) as server:
        assert server.wait() == 2
        assert server.log().rstrip().endswith(
            "environment: variable DEEPAR_INFERENCE_CONFIG: keys out of num_samples, output_types, quantiles are "
            'needed; got "samples"; did you mean "num_samples"?'
        )  # fmt: skip


def test_lines_of_a_batch_transform_are_answered_by_lines(small, tmp_path):
    shutil.copytree(small, tmp_path / "model")
    variables = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "DEEPAR_INFERENCE_CONFIG": '{"num_samples": 9, "output_types": ["quantiles"], "quantiles": ["0.5"]}',
    }
    with serving(tmp_path, variables) as server:
        answer = server.invoke(json.dumps(ONE).encode() + b"\n", "application/jsonlines")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jsonlines")
    assert answer.body.count(b"\n") == 1
    assert len(json.loads(answer.body)["quantiles"]["0.5"]) == 3


def test_request_is_answered_without_torch_and_pydantic(small):
    program = (
        "import json, sys; from pathlib import Path\n"
        "from sagecask import registry; from sagecask.algorithm import InferenceSettings\n"
        "from sagecask.formats import Layout, MediaType, codec_for\n"
        "kind = MediaType.parse('application/json')\n"
        "model = registry.load('forecasting-deepar').load(Path(sys.argv[1]), InferenceSettings())\n"
        "request = codec_for(kind).records(sys.argv[2].encode(), Layout())\n"
        "answer = codec_for(kind).encode(model.predict(request, kind))\n"
        "assert json.loads(answer)['predictions'][0]['mean']\n"
        "print(sorted({'torch', 'pydantic', 'pyarrow', 'scipy'} & set(sys.modules)))\n"
    )
    arguments = [str(small), json.dumps({"instances": [ONE]})]
    done = subprocess.run([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "[]\n"
