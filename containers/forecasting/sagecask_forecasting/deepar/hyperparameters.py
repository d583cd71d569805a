"""The hyperparameters of DeepAR (deepar_hyperparameters.md, deepar-tuning.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from sagecask.hyperparameters import Form, Hyperparameters, hyperparameter
from sagecask.hyperparameters.text import typed
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.shape import LikelihoodName

if TYPE_CHECKING:
    from collections.abc import Iterator

Unused = Literal["auto", "ignore"]
_QUANTILES = tuple(tenth / 10 for tenth in range(1, 10))


def _frequency(text: str) -> Frequency:
    frequency = Frequency.parse(text)
    if frequency is None:
        raise ValueError("no frequency")
    return frequency


def _likelihood(text: str) -> str:
    # the original's own default configuration spells student-t
    names: dict[str, str] = {name.lower(): name for name in get_args(LikelihoodName)}
    if text.lower() not in names:
        raise ValueError("no likelihood")
    return names[text.lower()]


def _cardinality(text: str) -> tuple[int, ...] | str:
    if text in {"auto", "ignore", ""}:
        return text or "ignore"
    value = typed(text, "json")
    sizes = value if isinstance(value, list | tuple) else [value]
    # JSON's true is one of Python's numbers
    if not sizes or any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError("no array of positive integers")
    return tuple(sizes)


def _num_dynamic_feat(text: str) -> int | str:
    if text in {"auto", "ignore", ""}:
        return text or "ignore"
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError("no positive integer")
    return int(text)


FREQUENCY = Form("string", 'a whole number or none, then M, W, D, H or min, such as "H" or "5min"', _frequency)
LIKELIHOOD = Form("categorical", "one of " + ", ".join(f'"{name}"' for name in get_args(LikelihoodName)), _likelihood)
CARDINALITY = Form("json", '"auto", "ignore", "" or an array of positive integers, such as [3, 12]', _cardinality)
NUM_DYNAMIC_FEAT = Form("string", '"auto", "ignore", "" or a positive integer', _num_dynamic_feat)


class DeepARHyperparameters(Hyperparameters):
    """What a training job may set."""

    hidden_prefix: ClassVar[str | None] = "_"

    context_length: int = hyperparameter(
        minimum=1,
        meaning="points that the network reads before it forecasts; about prediction_length, lags reach further",
    )
    epochs: int = hyperparameter(minimum=1, meaning="most passes over the training data; 10 to 1000 are usual")
    prediction_length: int = hyperparameter(minimum=1, meaning="points that are forecast, fixed once trained")
    time_freq: Frequency = hyperparameter(
        form=FREQUENCY,
        meaning="time between two points: M (month), W (week), D (day), H (hour) or min (minute), with a whole number "
        "before it for several of them, such as 5min",
    )
    cardinality: tuple[int, ...] | Unused = hyperparameter(
        "auto",
        form=CARDINALITY,
        values=("auto", "ignore", "", "array of positive integers"),
        meaning="values of each category in cat: auto counts them in the data, ignore or an empty text leaves cat out, "
        "an array is what the data must keep to",
    )
    dropout_rate: float = hyperparameter(
        0.1, meaning="share of recurrent units that keep their state in a step of training (zoneout)"
    )
    early_stopping_patience: int | None = hyperparameter(
        None, minimum=1, meaning="epochs without a lower training loss before training ends; unset runs all epochs"
    )
    embedding_dimension: int = hyperparameter(
        10, minimum=1, applies_when="cat is used", meaning="numbers that stand for a value of a category"
    )
    learning_rate: float = hyperparameter(0.001, above=0, meaning="step size of Adam; 1e-4 to 1e-1 are usual")
    likelihood: LikelihoodName = hyperparameter(
        "student-T",
        form=LIKELIHOOD,
        meaning="noise model: gaussian for real values, beta for those from 0 to 1, negative-binomial for counts, "
        "student-T for bursts, deterministic-L1 for a point forecast; upper and lower case alike",
    )
    mini_batch_size: int = hyperparameter(128, minimum=1, meaning="windows of a gradient step; 32 to 512 are usual")
    num_cells: int = hyperparameter(40, minimum=1, meaning="units of each recurrent layer")
    num_dynamic_feat: int | Unused = hyperparameter(
        "auto",
        form=NUM_DYNAMIC_FEAT,
        values=("auto", "ignore", "", "positive integer"),
        meaning="features in dynamic_feat: auto counts them in the data, ignore or an empty text leaves them out, "
        "a number is what the data must keep to",
    )
    num_eval_samples: int = hyperparameter(
        100,
        minimum=1,
        meaning="sample paths of each test series behind the test metrics; the model does not depend on it",
    )
    num_layers: int = hyperparameter(2, minimum=1, meaning="recurrent layers")
    test_quantiles: tuple[float, ...] = hyperparameter(
        _QUANTILES, meaning="levels of the quantile loss on the test channel, each above 0 and below 1"
    )

    def faults(self) -> Iterator[str]:
        if not 0 <= self.dropout_rate <= 1:
            yield f'hyperparameter "dropout_rate" must be a float in [0, 1]; got "{self.dropout_rate}"'
        if not all(0 < level < 1 for level in self.test_quantiles):
            levels = ", ".join(f"{level:g}" for level in self.test_quantiles)
            yield f'hyperparameter "test_quantiles" must be a list of numbers in (0, 1); got "{levels}"'
