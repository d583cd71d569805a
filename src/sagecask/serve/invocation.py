"""A request's way from bytes to bytes: types settled, body decoded, model asked, answer encoded. No HTTP in here."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sagecask.errors import DataError, MalformedBody, NotAcceptable, UnsupportedMediaType, UsageError
from sagecask.formats import Layout, MediaType, codec_for, negotiate

if TYPE_CHECKING:
    from sagecask.algorithm import AnyModel, Inference, Model
    from sagecask.contract import ServingJob
    from sagecask.formats import Batch, Codec, Predictions, Records

# pairs of headers whose types stay settled; clients send few, and one that sends many must not fill the memory
SETTLED = 128


@dataclass(frozen=True, slots=True)
class Exchange:
    """The types of one request and its answer, with their codecs, before the body is looked at."""

    reader: Codec
    layout: Layout
    writer: Codec
    accept: MediaType


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model's requests are refused by.

    max_body_bytes : larger bodies are refused; 0 is no limit
    malformed_status : what a body that its codec cannot read is answered with
    unacceptable_status : what an Accept that names none of `accepts` is answered with
    """

    content_types: tuple[str, ...]
    accepts: tuple[str, ...]
    max_body_bytes: int
    malformed_status: int
    unacceptable_status: int

    @classmethod
    def of(cls, job: ServingJob, inference: Inference) -> Terms:
        """Return what the algorithm declares, for multi-model endpoints or for others."""
        accepts, unacceptable, limit = inference.accept, 406, job.max_body_bytes
        if job.multi_model is not None:
            special = inference.multi_model
            accepts = special.accept if special.accept and not job.outputs else accepts
            unacceptable, ceiling = special.unacceptable_status, special.max_body_bytes
            limit = min(limit or ceiling, ceiling) if ceiling else limit
        return cls(inference.content_types, accepts, limit, inference.malformed_status, unacceptable)


class Invocations:
    """Answers requests with one model.

    records : whether the model is asked with records

    Raises
    ------
    UsageError : the answer type that the environment names is none of the algorithm's
    """

    def __init__(self, job: ServingJob, inference: Inference, model: AnyModel) -> None:
        self.terms = Terms.of(job, inference)
        self.content_types, self.accepts = self.terms.content_types, self.terms.accepts
        self.model = model
        self.records = inference.records
        self._inference = inference
        self._forced = inference.batch_accept if job.batch and not job.outputs else None
        self._default_accept = job.default_accept or inference.default_accept
        if negotiate(self._default_accept, self.accepts, inference.default_accept) is None:
            raise UsageError(
                "environment: variable SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT must be one of "
                f'{", ".join(self.accepts)}; got "{self._default_accept}"'
            )
        self._settled: dict[tuple[str | None, str | None], Exchange] = {}

    def settle(self, content_type: str | None, accept: str | None) -> Exchange:
        """Choose codecs by the two headers; None and blank stand for an absent one.

        Raises
        ------
        UnsupportedMediaType : the content type, or one of its parameters, cannot be read
        NotAcceptable : Accept names no type that can be written
        """
        exchange = self._settled.get((content_type, accept))
        if exchange is None:
            exchange = self._choose(content_type, accept)
            if len(self._settled) >= SETTLED:
                self._settled.clear()
            self._settled[content_type, accept] = exchange
        return exchange

    def _choose(self, content_type: str | None, accept: str | None) -> Exchange:
        media_type = self._content_type(content_type)
        wanted = self._forced or accept
        answer = negotiate(wanted, self.accepts, self._default_accept)
        if answer is None:
            raise NotAcceptable(f'accept: at least one of {", ".join(self.accepts)}; got "{wanted}"')
        return Exchange(
            reader=codec_for(media_type, self.content_types),
            layout=_layout(media_type),
            writer=codec_for(answer, self.accepts),
            accept=answer,
        )

    def answer(self, exchange: Exchange, body: bytes) -> bytes:
        """Decode, predict, encode.

        Raises
        ------
        MalformedBody : the body cannot be read as its content type
        DataError : its rows do not fit the model
        UnsupportedMediaType, NotAcceptable : a codec cannot do what only the body or the answer tells
        """
        ask = self._ask_with_records if self.records else self._ask_with_rows
        return exchange.writer.encode(ask(exchange, body))

    def _ask_with_rows(self, exchange: Exchange, body: bytes) -> Predictions:
        try:
            batch = exchange.reader.decode(body, exchange.layout)
        except DataError as error:
            raise MalformedBody(str(error)) from error
        return cast("Model[Batch]", self.model).predict(batch, exchange.accept)

    def _ask_with_records(self, exchange: Exchange, body: bytes) -> Predictions:
        try:
            records = exchange.reader.records(body, exchange.layout)
        except DataError as error:
            raise MalformedBody(str(error)) from error
        return cast("Model[Records]", self.model).predict(records, exchange.accept)

    def _content_type(self, header: str | None) -> MediaType:
        text = (header or "").strip() or self._inference.default_content_type
        if text is None:
            raise UnsupportedMediaType(f"content type: one of {', '.join(self.content_types)}; got none")
        return MediaType.parse(text)


def _layout(media_type: MediaType) -> Layout:
    """Return how rows are laid out: no label unless `label_size` says so, delimiter taken from the first line."""
    size = media_type.parameters.get("label_size", "0")
    if not (size.isascii() and size.isdigit() and len(size) < 4):
        raise UnsupportedMediaType(f'content type: parameter label_size must be an integer in [0, 999]; got "{size}"')
    charset = media_type.parameters.get("charset") or media_type.parameters.get("encoding") or "utf-8"
    try:
        # finds codecs of bytes to bytes too, which encoding refuses
        " ".encode(codecs.lookup(charset).name)
    except (LookupError, ValueError) as error:
        raise UnsupportedMediaType(
            f'content type: parameter charset must name a character set; got "{charset}"'
        ) from error
    return Layout(label_size=int(size), delimiter=None, charset=charset)
