import json
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import HyperparameterError
from sagecask.hyperparameters import Form, Hyperparameters, Json, hyperparameter, when


class Table(Hyperparameters):
    num_round: int = hyperparameter(minimum=1, meaning="rounds")
    num_class: int | None = hyperparameter(
        None, minimum=2, required_when=when("objective", "multi:softmax", "multi:softprob"), meaning="classes"
    )
    objective: Literal["reg:squarederror", "multi:softmax"] = hyperparameter("reg:squarederror", meaning="loss")
    eta: float = hyperparameter(0.3, minimum=0, maximum=1, aliases=("learning_rate",), meaning="step size")
    subsample: float = hyperparameter(1.0, above=0, maximum=1, meaning="share of rows")
    lambda_: float = hyperparameter(1.0, name="lambda", minimum=0, meaning="penalty")
    beta: float | Literal["auto"] = hyperparameter("auto", above=0, meaning="rate")
    flag: Literal["true", "false"] = hyperparameter("false", meaning="a flag as text")
    shuffle: bool = hyperparameter(default=True, meaning="a flag")
    metrics: tuple[str, ...] | None = hyperparameter(None, values=("auc", "error@t"), meaning="metrics")
    signs: tuple[int, ...] | None = hyperparameter(None, values=(-1, 0, 1), default_text="(0, 0)", meaning="signs")
    groups: Json | None = hyperparameter(None, applies_when="trees grow", meaning="nested list")

    def faults(self) -> Iterator[str]:
        if self.signs and self.groups:
            yield 'hyperparameter "signs" must be left out when "groups" is given; got both'


def parse(**texts: str) -> Table:
    return Table.parse({"num_round": "10", **texts}, owner="table")


def refusal(**texts: str) -> str:
    with pytest.raises(HyperparameterError) as caught:
        parse(**texts)
    return str(caught.value)


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=20), st.integers(0, 2))
def test_text_encoded_as_json_any_number_of_times_is_the_same_text(text: str, times: int) -> None:
    from sagecask.hyperparameters.text import unquote

    plain = unquote(text)
    encoded = plain
    for _ in range(times):
        encoded = json.dumps(encoded)
    assert unquote(encoded) == plain


@pytest.mark.parametrize("text", ["10", '"10"', '"\\"10\\""', " 10 "])
def test_plain_and_encoded_numbers_are_equal(text: str) -> None:
    assert parse(num_round=text).num_round == 10


@pytest.mark.parametrize("text", ["true", "True", "TRUE", '"true"'])
def test_booleans_come_in_any_case(text: str) -> None:
    values = parse(flag=text, shuffle=text)
    assert (values.flag, values.shuffle) == ("true", True)


@pytest.mark.parametrize("text", ["auc,error@0.7", '["auc", "error@0.7"]', "['auc', 'error@0.7']", " auc , error@0.7 "])
def test_lists_come_as_commas_as_json_and_as_python_prints_them(text: str) -> None:
    assert parse(metrics=text).metrics == ("auc", "error@0.7")


def test_tuple_text_becomes_numbers() -> None:
    assert parse(signs="(0, -1, 1)").signs == (0, -1, 1)


def test_json_and_exponents_are_read() -> None:
    values = parse(groups="[[1, 2], [3]]", eta="1e-07")
    assert (values.groups, values.eta) == ([[1, 2], [3]], 1e-07)


def test_none_as_python_prints_it_counts_as_not_given() -> None:
    values = parse(eta="None")
    assert (values.eta, values.given) == (0.3, frozenset({"num_round"}))


def test_given_and_public_use_public_names() -> None:
    values = parse(**{"lambda": "2", "learning_rate": "0.5"})
    assert values.given == {"num_round", "lambda", "eta"}
    assert (values.public("lambda"), values.public("eta")) == (2.0, 0.5)


def test_hidden_names_pass() -> None:
    values = parse(sagemaker_program="train.py", _tuning_objective_metric="validation:auc")
    assert values.given == {"num_round"}


def test_all_faults_come_in_one_message() -> None:
    with pytest.raises(HyperparameterError) as caught:
        Table.parse(
            {"eta": "2.5", "num_roud": "3", "objective": "multi", "signs": "2", "subsample": "0"}, owner="table"
        )
    assert str(caught.value) == (
        'table: hyperparameter "eta" must be a float in [0, 1]; got "2.5"\n'
        'table: hyperparameter "num_roud" is unknown; did you mean "num_round"?\n'
        'table: hyperparameter "objective" must be one of "reg:squarederror", "multi:softmax"; got "multi"\n'
        'table: hyperparameter "signs" must be a comma-separated list out of -1, 0, 1; got "2"\n'
        'table: hyperparameter "subsample" must be a float in (0, 1]; got "0"\n'
        'table: hyperparameter "num_round" is required: an integer of at least 1; it is missing'
    )


@pytest.mark.parametrize("text", ["10.5", "ten", "", "0", "-1", "9" * 5000, "nan"])
def test_integer_out_of_form_or_bounds_is_refused(text: str) -> None:
    assert refusal(num_round=text) == (
        f'table: hyperparameter "num_round" must be an integer of at least 1; got "{text}"'
    )


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "auto?"])
def test_auto_or_a_positive_float_is_asked_for(text: str) -> None:
    assert refusal(beta=text) == f'table: hyperparameter "beta" must be "auto" or a float above 0; got "{text}"'


def test_auto_is_taken() -> None:
    assert parse(beta="auto").beta == "auto"


def test_conditional_requirement_names_its_condition() -> None:
    assert refusal(objective="multi:softmax") == (
        'table: hyperparameter "num_class" is required when objective is multi:softmax or multi:softprob; it is missing'
    )


def test_rule_between_hyperparameters_is_reported() -> None:
    assert refusal(signs="(1)", groups="[[1]]") == (
        'table: hyperparameter "signs" must be left out when "groups" is given; got both'
    )


def test_alias_beside_its_name_is_refused() -> None:
    assert refusal(eta="0.1", learning_rate="0.2") == (
        'table: hyperparameter "eta" must be given once; got an alias too'
    )


def test_table_has_the_form_of_the_specification() -> None:
    rows = {row["name"]: row for row in Table.table()}
    assert rows["num_round"] == {
        "name": "num_round", "type": "integer", "required": True, "range": {"min": 1}, "meaning": "rounds",
    }  # fmt: skip
    assert rows["beta"] == {
        "name": "beta", "type": "float", "required": False, "default": "auto", "auto": True,
        "range": {"min": 0, "min_exclusive": True}, "meaning": "rate",
    }  # fmt: skip
    assert rows["signs"]["default"] == "(0, 0)"
    assert rows["groups"] == {
        "name": "groups", "type": "json", "required": False, "applies_when": "trees grow", "meaning": "nested list",
    }  # fmt: skip
    assert rows["num_class"]["required_when"] == "objective is multi:softmax or multi:softprob"


@given(st.dictionaries(st.sampled_from(sorted(Table.model_fields)), st.text(max_size=12)))
def test_any_text_is_parsed_or_refused_by_name(texts: dict[str, str]) -> None:
    try:
        Table.parse(texts, owner="table")
    except HyperparameterError as error:
        assert all(line.startswith('table: hyperparameter "') for line in str(error).split("\ntable:")[:1])


class Reduced(Hyperparameters):
    kind: Literal["sign", "fjlt"] | None = hyperparameter(None, meaning="projection")
    target: int | None = hyperparameter(None, minimum=1, required_when=when("kind"), meaning="dimensions")


def test_value_is_required_once_another_is_set() -> None:
    assert Reduced.parse({}, owner="table").target is None
    assert Reduced.parse({"kind": "sign", "target": "2"}, owner="table").target == 2
    with pytest.raises(HyperparameterError) as caught:
        Reduced.parse({"kind": "sign"}, owner="table")
    assert str(caught.value) == 'table: hyperparameter "target" is required when kind is set; it is missing'


class Hiding(Hyperparameters):
    hidden_prefix = "_"
    weight: float | Literal["auto", "balanced"] = hyperparameter(1.0, above=0, meaning="weight")


def test_names_of_the_hidden_prefix_pass_and_are_remembered() -> None:
    values = Hiding.parse({"_kvstore": "dist", "_tuning_objective_metric": "a:b", "weight": "2"}, owner="hiding")
    assert (values.weight, values.hidden) == (2.0, frozenset({"_kvstore", "_tuning_objective_metric"}))


def test_words_stand_beside_numbers() -> None:
    assert [Hiding.parse({"weight": text}, owner="hiding").weight for text in ("auto", "balanced")] == [
        "auto",
        "balanced",
    ]
    with pytest.raises(HyperparameterError) as caught:
        Hiding.parse({"weight": "heavy"}, owner="hiding")
    assert str(caught.value) == (
        'hiding: hyperparameter "weight" must be "auto", "balanced" or a float above 0; got "heavy"'
    )
    assert Hiding.table()[0]["auto"] is True


def counts(text: str) -> tuple[int, ...] | str:
    return text if text == "auto" else tuple(map(int, text.split("+")))


class Formed(Hyperparameters):
    counts: tuple[int, ...] | Literal["auto"] = hyperparameter(
        "auto", values=("auto", "sum"), meaning="counts", form=Form("json", '"auto" or numbers with + between', counts)
    )
    noise: Literal["Low", "High"] = hyperparameter(
        "Low", meaning="noise", form=Form("categorical", "one of Low, High in any case", str.capitalize)
    )


def test_form_reads_a_text_in_place_of_its_annotation() -> None:
    values = Formed.parse({"counts": " 3+4 ", "noise": "hIGH"}, owner="formed")
    assert (values.counts, values.noise) == ((3, 4), "High")


def test_text_that_a_form_does_not_read_is_refused_in_its_words() -> None:
    with pytest.raises(HyperparameterError) as caught:
        Formed.parse({"counts": "3,4"}, owner="formed")
    assert str(caught.value) == 'formed: hyperparameter "counts" must be "auto" or numbers with + between; got "3,4"'


def test_reference_has_the_kind_and_values_of_a_form() -> None:
    counted, noise = Formed.table()
    assert (counted["type"], counted["auto"], counted["range"]) == ("json", True, {"values": ["auto", "sum"]})
    assert (noise["type"], noise["range"]) == ("categorical", {"values": ["Low", "High"]})
