"""The interface between the runtime and an algorithm: what it declares, what it is given, what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sagecask.channels import Channel
    from sagecask.checkpoints import Checkpoints
    from sagecask.cluster import Cluster
    from sagecask.formats import Batch, MediaType, Predictions, Records
    from sagecask.hyperparameters import Hyperparameters
    from sagecask.report import Report

H = TypeVar("H", bound="Hyperparameters")
Rows = TypeVar("Rows", bound="Batch | Records")


# --- what an algorithm declares: the keys are those of the specification files -----------------------------


@dataclass(frozen=True, slots=True)
class ChannelDeclaration:
    """One input channel.

    parameters : those that its content type may carry, such as `label_size`
    read_as : the channel whose content type this one's files have, whatever its own says
    file_only : content types that Pipe mode does not take, where it is among the input modes
    """

    name: str
    content_types: tuple[str, ...]
    layout: str
    required: bool = False
    default_content_type: str | None = None
    input_modes: tuple[str, ...] = ("File",)
    distribution: tuple[str, ...] = ("FullyReplicated",)
    parameters: tuple[str, ...] = ()
    read_as: str | None = None
    file_only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric line; `pattern` is the regular expression whose first group is the value.

    direction : None where neither is better, as of a speed that is only reported
    """

    name: str
    direction: Literal["minimize", "maximize"] | None
    meaning: str
    pattern: str
    when: str | None = None


@dataclass(frozen=True, slots=True)
class Tunable:
    """A range that tuning jobs may search."""

    name: str
    type: Literal["continuous", "integer", "categorical"]
    min: float | None = None
    max: float | None = None
    scaling: str | None = None
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MultiModelInference:
    """What differs on multi-model endpoints.

    accept : answer types unless outputs were selected; None takes those of other endpoints
    unacceptable_status : what an Accept that names none of them is answered with
    max_body_bytes : what no setting raises the limit of the body above; None is no such ceiling
    load_factor : memory that a model takes while it is read, in sizes of its files
    """

    accept: tuple[str, ...] | None = None
    unacceptable_status: int = 406
    max_body_bytes: int | None = None
    load_factor: float = 3.0


@dataclass(frozen=True, slots=True)
class Inference:
    """Requests and answers.

    records : whether instances are JSON values of the algorithm's own form, and the model one of Records; else they are
        rows of numbers
    malformed_status : what a body that its codec cannot read is answered with
    batch_accept : answer type of batch transform jobs whatever they accept, unless outputs were selected
    environment : the algorithm's own variables of the hosting container, by name, and what each means
    """

    content_types: tuple[str, ...]
    accept: tuple[str, ...]
    default_accept: str
    default_content_type: str | None = None
    requests: Mapping[str, str] = field(default_factory=dict)
    responses: Mapping[str, str] = field(default_factory=dict)
    records: bool = False
    malformed_status: int = 400
    batch_accept: str | None = None
    multi_model: MultiModelInference = field(default_factory=MultiModelInference)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Training:
    """What kind of machines a training job may use."""

    cpu: bool = True
    gpu: Literal["none", "single", "multi"] = "none"
    multi_host: bool = False
    incremental: bool = False
    checkpoints: bool = False


@dataclass(frozen=True, slots=True)
class Declaration:
    """The public interface of an algorithm, bar its hyperparameters."""

    name: str
    title: str
    family: str
    learning: Literal["supervised", "unsupervised", "reinforcement"]
    source: tuple[str, ...]
    channels: tuple[ChannelDeclaration, ...]
    metrics: tuple[Metric, ...]
    tunable: tuple[Tunable, ...]
    inference: Inference
    training: Training

    def channel(self, name: str) -> ChannelDeclaration | None:
        """Return the declared channel of that name, or None."""
        return next((channel for channel in self.channels if channel.name == name), None)


# --- what an algorithm is given -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job(Generic[H]):
    """One training job as an algorithm sees it.

    channels : name to Channel, only those that the job has
    output_data : folder for artifacts other than the model
    stop_requested : True once SIGTERM has come; iterative algorithms ask after each step and return what they have
    save : writes a model to the model folder before the end, replacing what an earlier call wrote
    available_memory : bytes that this process may still take, None where neither machine nor container tells
    """

    hyperparameters: H
    channels: Mapping[str, Channel]
    cluster: Cluster
    checkpoints: Checkpoints
    report: Report
    output_data: Path
    gpus: int
    stop_requested: Callable[[], bool]
    save: Callable[[AnyModel], None]
    available_memory: Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """What the hosting side asks of a model when it is loaded.

    outputs : selectable inference, the keys asked for in their order; empty for the algorithm's plain answer
    ensemble : whether all models of a folder answer together
    batch : whether a batch transform job is served: one answer a line
    multi_model : whether the model is one of several behind a multi-model endpoint
    threads : threads that one prediction may use
    environment : those of the declared variables that are set and not empty
    """

    outputs: tuple[str, ...] = ()
    ensemble: bool = True
    batch: bool = False
    threads: int = 1
    multi_model: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


# --- what an algorithm is -----------------------------------------------------------------------------------


class Model(ABC, Generic[Rows]):
    """What was learned, asked with batches of numbers or with records, as its algorithm declares.

    width : features of a row, where the model fixes their number
    """

    @property
    def width(self) -> int | None:
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's files into an existing, empty folder."""

    @abstractmethod
    def predict(self, batch: Rows, accept: MediaType) -> Predictions:
        """Return a row of predictions per row of `batch`; `accept` is the answer's type with its parameters.

        Raises
        ------
        DataError : the rows do not fit the model (status 400)
        """


AnyModel: TypeAlias = "Model[Batch] | Model[Records]"


class Algorithm(ABC):
    """One algorithm: its declaration, and the way from a job to a model and from a folder to a model."""

    declaration: ClassVar[Declaration]

    @classmethod
    @abstractmethod
    def hyperparameters(cls) -> type[Hyperparameters]:
        """Return the table of hyperparameters; imported here so that serving does without it."""

    @abstractmethod
    def fit(self, job: Job[Any]) -> AnyModel:
        """Train. The caller saves what is returned.

        Raises
        ------
        UserError : the data or hyperparameters do not allow it
        AlgorithmError : the library failed
        """

    @abstractmethod
    def load(self, folder: Path, settings: InferenceSettings) -> AnyModel:
        """Read a model that `Model.save`, or the original container, wrote into `folder`; it may be read-only.

        Raises
        ------
        ModelDataError : a file is missing, damaged or of another algorithm
        UsageError : a variable of `settings.environment` has a value that it cannot have
        """
