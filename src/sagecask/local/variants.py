"""What an endpoint of several models consists of: production and shadow variants, pipelines, data capture.

Keys are those of the API's ProductionVariant, ContainerDefinition and DataCaptureConfig, in this project's spelling.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sagecask.errors import UsageError
from sagecask.local.description import yaml_mapping
from sagecask.local.endpoint import EndpointDescription

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# what the SDK calls the only variant of an endpoint
ONLY_VARIANT = "AllTraffic"
# contract 14.1
MAX_CONTAINERS = 15
MEGABYTE = 1024 * 1024

# API VariantName, EndpointName and ContainerHostname
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Container(_Part):
    """One server: a model, an image that brings its own, or both."""

    model: Path | None = None
    image: str | None = None
    algorithm: str | None = None
    hostname: Name | None = None
    environment: dict[str, str] = {}

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        if self.model is None and self.image is None:
            raise ValueError("model or image must be given")
        return self

    def description(self, folder: Path) -> EndpointDescription:
        """Return it as a server to start; a relative path of the model is relative to `folder`."""
        model = None if self.model is None else folder / self.model
        return EndpointDescription(model, self.algorithm, self.image, self.environment)


class Variant(Container):
    """Containers in series, or the one that the variant itself describes, in so many instances."""

    name: Name
    containers: Annotated[tuple[Container, ...], Field(min_length=2, max_length=MAX_CONTAINERS)] | None = None
    instances: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        own = self.model is not None or self.image is not None
        if own == bool(self.containers):
            raise ValueError("either model or image, or containers, must be given")
        return self

    @property
    def series(self) -> tuple[Container, ...]:
        return self.containers or (self,)


class ProductionVariant(Variant):
    """A variant that answers clients, for its share of the requests that name none."""

    initial_weight: Annotated[float, Field(ge=0)] = 1.0


class ShadowVariant(Variant):
    """A variant that is sent a copy of requests, and whose answers are captured and not returned."""

    sampling_percentage: Annotated[float, Field(ge=0, le=100)] = 100.0


class DataCapture(_Part):
    """Where and how much of requests and answers is kept."""

    folder: Path
    sampling_percentage: Annotated[float, Field(ge=0, le=100)] = 100.0
    capture: Annotated[tuple[Literal["Input", "Output"], ...], Field(min_length=1)] = ("Input", "Output")
    csv_content_types: tuple[str, ...] = ("text/csv",)
    json_content_types: tuple[str, ...] = ("application/json",)
    max_file_mb: Annotated[float, Field(gt=0)] = 100.0


class EndpointConfig(_Part):
    """An endpoint on this machine."""

    name: Name
    production_variants: Annotated[tuple[ProductionVariant, ...], Field(min_length=1)]
    shadow_variants: tuple[ShadowVariant, ...] = ()
    data_capture: DataCapture | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    # contract 10.5
    max_payload_mb: Annotated[int, Field(ge=1, le=1024)] = 6

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [each.name for each in self.variants]
        if len(set(names)) < len(names):
            raise ValueError("names of variants must differ")
        if not sum(each.initial_weight for each in self.production_variants):
            raise ValueError("a production variant must have a weight over 0")
        if self.shadow_variants and self.data_capture is None:
            raise ValueError("data_capture must say where the answers of shadow variants are kept")
        return self

    @property
    def variants(self) -> tuple[Variant, ...]:
        return (*self.production_variants, *self.shadow_variants)


def read_config(path: Path) -> EndpointConfig:
    """Read an endpoint from a YAML file; its name is the file's where it gives none.

    Raises
    ------
    UsageError : the file is no YAML, or a key or value of it cannot be
    """
    content = {"name": path.stem, **yaml_mapping(path)}
    try:
        config = EndpointConfig.model_validate(content)
    except ValidationError as error:
        raise UsageError("\n".join(_faults(path, error))) from error
    capture = config.data_capture
    if capture is not None:
        folder = (path.parent / capture.folder).resolve()
        config = config.model_copy(update={"data_capture": capture.model_copy(update={"folder": folder})})
    return config


def pipeline(models: Sequence[EndpointDescription], port: int) -> EndpointConfig:
    """Return the endpoint of one variant whose models answer in series.

    Raises
    ------
    UsageError : there are too many
    """
    if len(models) > MAX_CONTAINERS:
        raise UsageError(f"endpoint: a pipeline must have at most {MAX_CONTAINERS} models; got {len(models)}")
    containers = tuple(
        Container(model=each.model, image=each.image, algorithm=each.algorithm, environment=dict(each.environment))
        for each in models
    )
    variant = ProductionVariant(name=ONLY_VARIANT, containers=containers)
    return EndpointConfig(name="pipeline", production_variants=(variant,), port=port)


def _faults(path: Path, error: ValidationError) -> Iterator[str]:
    found = error.errors(include_url=False)
    for each in found:
        place = ".".join(map(str, each["loc"]))
        # a list whose entries are wrong is also said to be too short
        if each["type"] == "too_short" and any(other["loc"][: len(each["loc"])] == each["loc"] != other["loc"]
                                               for other in found):  # fmt: skip
            continue
        sentence = each["msg"].removeprefix("Value error, ").removesuffix(" after validation, not 0")
        sentence = sentence.replace("Tuple", "list").replace(" after validation, not", "; got")
        yield f"{path}{place and ', '}{place}: {sentence[:1].lower()}{sentence[1:]}"
