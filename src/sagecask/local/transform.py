"""Batch transform of files through an endpoint of this machine, as the platform does it (contract §12)."""

from __future__ import annotations

import gzip
import hashlib
import threading
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import click

import sagecask
from sagecask.errors import DataError, UsageError, UserError
from sagecask.local.data_processing import DataProcessing, Processor
from sagecask.local.endpoint import serving
from sagecask.local.process import on_stop
from sagecask.local.records import pieces
from sagecask.local.transform_client import Client
from sagecask.local.transform_journal import Journal, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sagecask.local.endpoint import EndpointDescription
    from sagecask.local.records import Piece, SplitType, Strategy
    from sagecask.local.run import Engine

MEGABYTE = 1024 * 1024
# API CreateTransformJob: MaxPayloadInMB, and that times MaxConcurrentTransforms
MAX_MB = 100
# the server's own limit follows a longer timeout of the job
DEFAULT_TIMEOUT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class TransformDescription:
    """What to send and how; a None is filled from /execution-parameters, then from the platform's default.

    source : a file, or a folder whose files are all sent
    output : folder that receives NAME.out for each input NAME
    max_payload_mb : 0 is no limit, with bodies sent in chunks
    compression : Gzip unpacks inputs before they are cut
    timeout_seconds, max_retries : of one request
    restart : begin anew where an earlier job was interrupted
    """

    source: Path
    output: Path
    content_type: str | None = None
    accept: str | None = None
    split_type: SplitType = "None"
    strategy: Strategy | None = None
    assemble_with: Literal["None", "Line"] = "None"
    max_payload_mb: int | None = None
    max_concurrent: int | None = None
    compression: Literal["None", "Gzip"] = "None"
    processing: DataProcessing = field(default_factory=DataProcessing)
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    max_retries: int = 3
    restart: bool = False


def transform(
    endpoint: EndpointDescription,
    description: TransformDescription,
    engine: Engine,
    environ: Mapping[str, str],
    *,
    terminal: bool,
) -> None:
    """Transform every input; an output file appears only when all requests of its input succeeded.

    What an interrupted job of the same settings, model and inputs has finished is not sent again.

    Raises
    ------
    UsageError : settings do not go together, or another job uses the output folder
    UserError : an input is missing or refused by the server; says which records
    PlatformError : the server does not start, or fails
    """
    processor = Processor(
        description.processing,
        description.content_type,
        description.accept,
        split=description.split_type,
        assemble=description.assemble_with,
    )
    inputs = _inputs(description.source)
    _check_size(description)
    environment = {**endpoint.environment, **_variables(description)}
    stopped = threading.Event()
    with (
        on_stop([stopped.set]),
        Journal(
            description.output, _fingerprint(endpoint, description, engine), restart=description.restart
        ) as journal,
        serving(replace(endpoint, environment=environment), engine, environ, _silent, stopped) as server,
    ):
        headers = {"Content-Type": description.content_type, "Accept": description.accept}
        client = Client(
            server.port,
            {name: value for name, value in headers.items() if value},
            stopped,
            description.timeout_seconds,
            description.max_retries,
            description.max_payload_mb == 0,
        )
        job = TransformJob(client, _filled(description, client.execution_parameters()), processor, journal)
        total = sum(path.stat().st_size for path in inputs.values())
        try:
            with click.progressbar(length=total, label="bytes", hidden=not terminal) as bar:
                for name, path in inputs.items():
                    job.transform(name, path, bar.update)
                    if not terminal:
                        click.echo(f"{path} -> {description.output / name}.out")
        except KeyboardInterrupt:
            click.echo("transform: stopped; the same command goes on from here", err=True)
            raise


def _silent(_line: str) -> None:
    """Drop a line of the server's log; an error shows the server's message, and a failed start the last lines."""


def _inputs(source: Path) -> dict[str, Path]:
    """Return name below the output folder to file, in the order of names."""
    if source.is_file():
        return {source.name: source}
    if not source.is_dir():
        raise UserError(f'transform: the input must be a file or folder; got "{source}", which does not exist')
    found = {path.relative_to(source).as_posix(): path for path in sorted(source.rglob("*")) if path.is_file()}
    if not found:
        raise UserError(f'transform: the input folder must hold files; got "{source}", which is empty')
    return found


def _check_size(description: TransformDescription) -> None:
    size, width = description.max_payload_mb or 0, description.max_concurrent or 1
    if size > MAX_MB:
        raise UsageError(f"transform: --max-payload must be at most {MAX_MB}; got {size}")
    if size * width > MAX_MB:
        raise UsageError(
            f"transform: --max-payload times --max-concurrent must be at most {MAX_MB}; got {size} times {width}"
        )


def _variables(description: TransformDescription) -> dict[str, str]:
    """Return the variables of contract 12.2; all but the first only where the job sets them."""
    variables = {"SAGEMAKER_BATCH": "true"}
    if description.max_payload_mb is not None:
        variables["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(description.max_payload_mb)
    if description.strategy is not None:
        variables["SAGEMAKER_BATCH_STRATEGY"] = description.strategy
    if description.max_concurrent:
        variables["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(description.max_concurrent)
    if description.timeout_seconds > DEFAULT_TIMEOUT_SECONDS:
        variables["SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS"] = str(description.timeout_seconds)
    return variables


def _filled(description: TransformDescription, answer: Mapping[str, Any]) -> TransformDescription:
    """Fill what is None: the request comes first, then the container's answer, then 1, MULTI_RECORD and 6."""
    strategy: Strategy = (
        "SINGLE_RECORD" if answer.get("BatchStrategy") in {"SINGLE_RECORD", "SingleRecord"} else "MULTI_RECORD"
    )
    size = description.max_payload_mb
    if size is None:
        size = min(_positive(answer, "MaxPayloadInMB", 6), MAX_MB)
    width = description.max_concurrent or min(
        _positive(answer, "MaxConcurrentTransforms", 1), max(1, MAX_MB // max(1, size))
    )
    return replace(description, strategy=description.strategy or strategy, max_payload_mb=size, max_concurrent=width)


def _positive(answer: Mapping[str, Any], key: str, default: int) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and value > 0 else default


def _fingerprint(endpoint: EndpointDescription, description: TransformDescription, engine: Engine) -> str:
    """Return what must be equal for the outputs of two jobs to be parts of one."""
    digest = hashlib.sha256()
    model = endpoint.model
    if model is not None and model.exists():
        files = sorted(each for each in model.rglob("*") if each.is_file()) if model.is_dir() else [model]
        for file in files:
            with file.open("rb") as stream:
                digest.update(
                    f"{file.relative_to(model)} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode()
                )
    settings = asdict(description)
    # these change how fast outputs come, not what they are
    for name in ("source", "output", "max_concurrent", "timeout_seconds", "max_retries", "restart"):
        del settings[name]
    about = (sagecask.__version__, engine, endpoint.algorithm, endpoint.image, dict(endpoint.environment), settings)
    digest.update(repr(about).encode())
    return digest.hexdigest()


class TransformJob:
    """Inputs cut, sent and answered, with every finished request in the journal."""

    def __init__(
        self, client: Client, description: TransformDescription, processor: Processor, journal: Journal
    ) -> None:
        self._client = client
        self._description = description
        self._processor = processor
        self._journal = journal

    def transform(self, name: str, source: Path, advance: Callable[[int], None]) -> None:
        """Write the answers to `source` to the output folder once all of them are there."""
        about = source.stat()
        stamp = f"{about.st_size} {about.st_mtime_ns} {about.st_ino}"
        output = self._description.output / f"{name}.out"
        unfinished = output.with_name(f".{output.name}.part")
        if self._journal.done(name, stamp) and (output.is_file() or unfinished.is_file()):
            if unfinished.is_file():
                unfinished.replace(output)
            advance(about.st_size)
            return
        output.parent.mkdir(parents=True, exist_ok=True)
        progress = self._journal.begin(name, stamp)
        if progress.read and unfinished.is_file() and unfinished.stat().st_size >= progress.written:
            click.echo(f"{source}: goes on after record {progress.records}", err=True)
        else:
            progress = Progress()
        try:
            self._write(source, unfinished, progress, advance)
        except UserError:
            # the same request would be refused again
            self._journal.drop()
            unfinished.unlink(missing_ok=True)
            raise
        self._journal.end()
        unfinished.replace(output)

    def _write(self, source: Path, unfinished: Path, progress: Progress, advance: Callable[[int], None]) -> None:
        place = 0
        packed = self._description.compression == "Gzip"
        with (
            source.open("rb") as raw,
            unfinished.open("r+b" if progress.written else "wb") as file,
        ):
            file.truncate(progress.written)
            file.seek(progress.written)
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
            stream.seek(progress.read)
            for piece, answer in self._results(source, stream, progress.records + 1):
                file.write(answer)
                if self._description.assemble_with == "Line" and not answer.endswith(b"\n"):
                    file.write(b"\n")
                file.flush()
                progress = Progress(progress.read + piece.covered, piece.last, file.tell())
                self._journal.step(progress)
                # of a compressed file, what has been read of it so far
                now = raw.tell() if packed else progress.read
                advance(now - place)
                place = now

    def _results(self, source: Path, stream: BinaryIO, first: int) -> Iterator[tuple[Piece, bytes]]:
        about, where = self._description, f"transform: {source}"
        limit = about.max_payload_mb * MEGABYTE if about.max_payload_mb else None
        cut = pieces(stream, about.split_type, about.strategy or "MULTI_RECORD", limit, first)
        try:
            requests = ((piece, self._processor.request(piece.body, piece.first)) for piece in cut)
            for piece, answer in self._client.answers(requests, where, about.max_concurrent or 1):
                yield piece, self._processor.result(piece.body, answer.body, answer.content_type, piece.first)
        except (DataError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f"{where}: {error}") from error
