"""The table of hyperparameters and the rules between them."""

from __future__ import annotations

import re

import pytest
from sagecask_boosting.xgboost.hyperparameters import XGBoostHyperparameters

from sagecask.errors import HyperparameterError


def parse(**texts):
    return XGBoostHyperparameters.parse({"num_round": "2"} | texts, owner="xgboost")


@pytest.mark.parametrize(
    ("alias", "name"),
    [("learning_rate", "eta"), ("min_split_loss", "gamma"), ("reg_lambda", "lambda"), ("reg_alpha", "alpha")],
)
def test_alias_sets_the_hyperparameter(alias, name):
    given = parse(**{alias: "0.5"})
    assert given.public(name) == 0.5
    assert given.given == {"num_round", name}


FAULTS = {
    "num_class missing": (
        {"objective": "multi:softmax"},
        'hyperparameter "num_class" is required when objective is multi:softmax or multi:softprob; it is missing',
    ),
    "auc": (
        {"eval_metric": "auc", "objective": "reg:squarederror"},
        'metric "auc" needs an objective of binary:* or rank:*; got objective "reg:squarederror"',
    ),
    "auc without objective": (
        {"eval_metric": "auc"},
        'metric "auc" needs an objective of binary:* or rank:*; got objective "reg:squarederror"',
    ),
    "auc of tuning": (
        {"_tuning_objective_metric": "validation:auc", "objective": "reg:logistic"},
        'metric "auc" needs an objective of binary:* or rank:*; got objective "reg:logistic"',
    ),
    "aft-nloglik": (
        {"eval_metric": "aft-nloglik"},
        'metric "aft-nloglik" needs objective survival:aft; got objective "reg:squarederror"',
    ),
    "monotone": (
        {"monotone_constraints": "(0, 1)", "tree_method": "approx"},
        'hyperparameter "monotone_constraints" needs tree_method exact or hist; got "approx"',
    ),
    "interaction": (
        {"interaction_constraints": "[[1, 2]]"},
        'hyperparameter "interaction_constraints" needs tree_method exact or hist or approx; got "auto"',
    ),
    "interaction form": (
        {"interaction_constraints": "[1, 2]", "tree_method": "hist"},
        'hyperparameter "interaction_constraints" must be a list of lists of feature numbers; got "[1, 2]"',
    ),
    "two growers": (
        {"updater": "grow_colmaker,grow_histmaker"},
        'hyperparameter "updater" must hold at most one that grows trees; got "grow_colmaker,grow_histmaker"',
    ),
    "linear updater": (
        {"updater": "shotgun,coord_descent", "booster": "gblinear"},
        'hyperparameter "updater" must be exactly one of shotgun, coord_descent with booster gblinear; '
        'got "shotgun,coord_descent"',
    ),
    "linear updater of trees": (
        {"updater": "shotgun"},
        'hyperparameter "updater" must name tree updaters with booster gbtree; got "shotgun"',
    ),
    "update": (
        {"updater": "grow_colmaker", "process_type": "update"},
        'hyperparameter "updater" must hold only refresh and prune with process_type update; got "grow_colmaker"',
    ),
    "flag case": (
        {"csv_weights": "true"},
        'hyperparameter "csv_weights" must be an integer in [0, 1]; got "true"',
    ),
    "whole number": ({"max_depth": "10.5"}, 'hyperparameter "max_depth" must be an integer of at least 0; got "10.5"'),
    "open bound": ({"subsample": "0"}, 'hyperparameter "subsample" must be a float in (0, 1]; got "0"'),
}


@pytest.mark.parametrize("case", FAULTS)
def test_fault_is_named(case):
    texts, fault = FAULTS[case]
    with pytest.raises(HyperparameterError, match=f"^{re.escape('xgboost: ' + fault)}$"):
        parse(**texts)


@pytest.mark.parametrize("name", ["silent", "device", "max_detph"])
def test_unknown_name_is_refused(name):
    with pytest.raises(HyperparameterError, match=f'^xgboost: hyperparameter "{name}" is unknown; '):
        parse(**{name: "1"})


def test_missing_num_round_is_refused():
    message = 'xgboost: hyperparameter "num_round" is required: an integer of at least 1; it is missing'
    with pytest.raises(HyperparameterError, match=f"^{re.escape(message)}$"):
        XGBoostHyperparameters.parse({}, owner="xgboost")


@pytest.mark.parametrize(
    "texts",
    [
        {"num_class": "3"},
        {"eval_metric": "error@0.7,ndcg@5,map@3"},
        {"eval_metric": '["auc", "logloss"]', "objective": "binary:logistic"},
        {"interaction_constraints": "[[0, 2], [1, 3]]", "tree_method": "hist"},
        {"monotone_constraints": "(0, 1, -1)", "tree_method": "gpu_hist"},
        {"updater": "refresh,prune", "process_type": "update"},
        {"updater": "coord_descent", "booster": "gblinear"},
        {"max_delta_step": "1.5", "seed": "-5"},
        {"save_model_on_termination": "true", "_kfold": "5", "_num_cv_round": "3"},
        {"sagemaker_program": "x"},
    ],
    ids=lambda texts: next(iter(texts)),
)
def test_allowed_combination_passes(texts):
    assert parse(**texts).num_round == 2


def test_all_faults_come_in_one_message():
    with pytest.raises(HyperparameterError) as caught:
        parse(eta="2", subsample="0", objectiv="x")
    assert len(str(caught.value).splitlines()) == 3
