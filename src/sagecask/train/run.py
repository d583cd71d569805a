"""One training job: read the contract, check what was given, fit, save, and say how it ended."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagecask import artifact, logs, registry
from sagecask.algorithm import Job
from sagecask.checkpoints import Checkpoints
from sagecask.cluster import Cluster
from sagecask.contract import Paths, TrainingJob, available_memory, write_failure
from sagecask.errors import AlgorithmError, PlatformError, SagecaskError, TrainingStopped, UsageError
from sagecask.report import Report
from sagecask.train.inputs import open_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from sagecask.algorithm import Algorithm, AnyModel

# run as a program, the module is called __main__
_log = logging.getLogger("sagecask.train.run")


class StopSignal:
    """Remembers SIGTERM and SIGINT; calling it tells whether one has come."""

    def __init__(self) -> None:
        self._received = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def __call__(self) -> bool:
        return self._received

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self._received = True


def main(root: Path, algorithm: str | None, environ: Mapping[str, str]) -> int:
    """Train and return the exit code: 0; 1 the user's fault; 2 usage; 3 ours. A failure is written before it ends."""
    stop = StopSignal()
    paths = Paths(root)
    try:
        logs.configure(environ)
        # a folder that is used again must not keep the failure of the job before
        paths.failure.unlink(missing_ok=True)
        train(paths, algorithm, environ, stop)
    except TrainingStopped:
        _log.info("training stopped on request before there was anything to save")
        return 0
    except SagecaskError as error:
        return _fail(paths, error)
    except OSError as error:
        return _fail(
            paths, PlatformError(f"{error.filename or 'disk'}: files must be readable and writable; got {error}")
        )
    except Exception as error:  # noqa: BLE001 - the last resort of a job, which must end with a failure file
        return _fail(paths, AlgorithmError(f"unexpected {type(error).__name__}: {error}"))
    return 0


def _fail(paths: Paths, error: SagecaskError) -> int:
    """Log the error that is being handled, write the failure file, and return the exit code."""
    ours = error.exit_code == SagecaskError.exit_code
    _log.error("%s: %s", error.kind, error, exc_info=ours)
    try:
        write_failure(paths, error.kind, str(error), traceback.format_exc() if ours else "")
    except OSError as problem:
        _log.error("%s: the failure file must be writable; got %s", paths.failure, problem)
    return error.exit_code


def train(paths: Paths, name: str | None, environ: Mapping[str, str], stop: Callable[[], bool]) -> None:
    """Run the job below `paths` with the named algorithm, or with the only one installed.

    Raises
    ------
    SagecaskError : the job cannot be run as described
    TrainingStopped : a stop signal came before there was anything to save
    """
    algorithm = registry.load(name or _only())
    description = TrainingJob.read(paths, environ)
    job = prepare(algorithm, description, stop)
    _log.info(
        "%s: %d hyperparameters given, channels %s, %d host(s), %d GPU(s)",
        algorithm.declaration.name, len(description.hyperparameters), ", ".join(job.channels) or "none",
        len(description.hosts), description.gpus,
    )  # fmt: skip
    try:
        model = algorithm.fit(job)
        job.save(model)
        job.cluster.leave()
    finally:
        job.cluster.abandon()
    if job.cluster.is_master:
        _log.info("model written to %s", paths.model)


def _only() -> str:
    name = registry.only()
    if name is None:
        installed = ", ".join(registry.names()) or "none"
        raise UsageError(
            f"algorithm: --algorithm or SAGECASK_ALGORITHM must name one of those installed ({installed}); got none"
        )
    return name


def prepare(algorithm: Algorithm, description: TrainingJob, stop: Callable[[], bool]) -> Job[Any]:
    """Return the job as the algorithm sees it: hyperparameters and channels checked, folders there.

    Raises
    ------
    UserError : hyperparameters or channels are not what the algorithm declares
    """
    declaration = algorithm.declaration
    paths = description.paths
    hyperparameters = algorithm.hyperparameters().parse(description.hyperparameters, owner=declaration.name)
    cluster = Cluster(
        description.hosts,
        description.current_host,
        description.network_interface,
        description.rendezvous_port,
        description.rendezvous_timeout_seconds,
    )

    def save(model: AnyModel) -> None:
        if not cluster.is_master:
            return
        try:
            artifact.save(model, paths.model, declaration)
        except OSError as error:
            # a full disk does not say which file it was
            raise PlatformError(f"{paths.model}: space and leave to write the model; got {error.strerror}") from error

    paths.output_data.mkdir(parents=True, exist_ok=True)
    return Job(
        hyperparameters=hyperparameters,
        channels=open_channels(declaration, description, stop),
        cluster=cluster,
        checkpoints=Checkpoints(description.checkpoint_dir),
        report=Report(description.current_host),
        output_data=paths.output_data,
        gpus=description.gpus,
        stop_requested=stop,
        save=save,
        available_memory=available_memory,
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None, os.environ))
