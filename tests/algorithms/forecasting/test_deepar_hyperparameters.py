"""Texts of DeepAR's hyperparameters, in every form that jobs send."""

from __future__ import annotations

import pytest
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.hyperparameters import DeepARHyperparameters

from sagecask.errors import HyperparameterError

REQUIRED = {"context_length": "14", "epochs": "20", "prediction_length": "7", "time_freq": "D"}


def parse(**texts: str) -> DeepARHyperparameters:
    return DeepARHyperparameters.parse(REQUIRED | texts, owner="forecasting-deepar")


def fault(**texts: str) -> str:
    with pytest.raises(HyperparameterError) as caught:
        parse(**texts)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("auto", "auto"),
        ("ignore", "ignore"),
        ("", "ignore"),
        ('""', "ignore"),
        ("[3]", (3,)),
        ("[3, 12]", (3, 12)),
        ('"[3, 12]"', (3, 12)),
        ("(3, 12)", (3, 12)),
        ("3", (3,)),
        ("None", "auto"),
    ],
)
def test_cardinality_is_read_in_every_form(text: str, value: object) -> None:
    assert parse(cardinality=text).cardinality == value


@pytest.mark.parametrize("text", ["[]", "[0]", "[2, -1]", "[2.5]", "[true]", '["a"]', "some", "{}"])
def test_cardinality_of_another_form_is_refused(text: str) -> None:
    assert fault(cardinality=text) == (
        'forecasting-deepar: hyperparameter "cardinality" must be "auto", "ignore", "" or an array of positive '
        f'integers, such as [3, 12]; got "{text}"'
    )


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("ignore", "ignore"), ("", "ignore"), ("2", 2)])
def test_number_of_dynamic_features_is_read_in_every_form(text: str, value: object) -> None:
    assert parse(num_dynamic_feat=text).num_dynamic_feat == value


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two"])
def test_number_of_dynamic_features_of_another_form_is_refused(text: str) -> None:
    assert fault(num_dynamic_feat=text) == (
        'forecasting-deepar: hyperparameter "num_dynamic_feat" must be "auto", "ignore", "" or a positive integer; '
        f'got "{text}"'
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("student-t", "student-T"), ("Student-T", "student-T"), ("deterministic-l1", "deterministic-L1")],
)
def test_likelihood_is_read_in_either_case(text: str, value: str) -> None:
    assert parse(likelihood=text).likelihood == value


def test_likelihood_that_is_none_is_refused_with_those_that_are() -> None:
    assert fault(likelihood="normal") == (
        'forecasting-deepar: hyperparameter "likelihood" must be one of "gaussian", "beta", "negative-binomial", '
        '"student-T", "deterministic-L1"; got "normal"'
    )


@pytest.mark.parametrize(
    ("text", "value"), [("D", (1, "D")), ("5min", (5, "min")), ("2H", (2, "H")), ('"M"', (1, "M"))]
)
def test_frequency_is_a_unit_and_a_multiple(text: str, value: tuple[int, str]) -> None:
    assert parse(time_freq=text).time_freq == Frequency(*value)


@pytest.mark.parametrize("text", ["Q", "0D", "d", "1.5H", "day", "min5"])
def test_frequency_of_another_form_is_refused(text: str) -> None:
    assert fault(time_freq=text) == (
        'forecasting-deepar: hyperparameter "time_freq" must be a whole number or none, then M, W, D, H or min, such '
        f'as "H" or "5min"; got "{text}"'
    )


@pytest.mark.parametrize("text", ["[0.1, 0.5]", '["0.1", "0.5"]', "0.1,0.5", '"[0.1, 0.5]"'])
def test_quantiles_are_a_list_of_numbers(text: str) -> None:
    assert parse(test_quantiles=text).test_quantiles == (0.1, 0.5)


def test_quantile_outside_of_its_range_is_refused() -> None:
    assert fault(test_quantiles="[0.5, 1]") == (
        'forecasting-deepar: hyperparameter "test_quantiles" must be a list of numbers in (0, 1); got "0.5, 1"'
    )


def test_share_of_dropout_outside_of_its_range_is_refused() -> None:
    assert fault(dropout_rate="1.5") == (
        'forecasting-deepar: hyperparameter "dropout_rate" must be a float in [0, 1]; got "1.5"'
    )


def test_hidden_keys_of_the_original_pass() -> None:
    hidden = {"_kvstore": "auto", "_num_gpus": "auto", "_num_kv_servers": "auto", "_tuning_objective_metric": ""}
    assert parse(**hidden).hidden == frozenset(hidden)
