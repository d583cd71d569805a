"""One training job on this machine, from its description to its model archive and exit code."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sagecask import artifact
from sagecask.local.container import Container
from sagecask.local.folder import lay_out, link_inputs, mounts
from sagecask.local.hosts import Hosts, host_names, merge, network
from sagecask.local.pipes import Feeder
from sagecask.local.ports import free_port
from sagecask.local.process import HostProcess, on_stop
from sagecask.local.progress import Progress, total_rounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagecask.contract.paths import Paths
    from sagecask.local.description import JobDescription
    from sagecask.local.process import Running

Engine = Literal["process", "docker"]


def run(description: JobDescription, engine: Engine, environ: Mapping[str, str], *, terminal: bool) -> int:
    """Run a training job to its end, show its log, and return its exit code.

    The output folder receives model, model.tar.gz (when the job succeeded and wrote a model) and output. SIGINT or
    SIGTERM stops the job as the platform does, with SIGTERM; a second one kills it.

    Raises
    ------
    UsageError : the description cannot be run
    UserError : the output folder is in use, the image is not there, or a channel of files cannot be fed into a pipe
    PlatformError : the engine fails
    """
    description = description.checked()
    name = _job_name(description.algorithm)
    root = description.output or Path(name)
    environment = {
        **description.environment,
        "TRAINING_JOB_NAME": name,
        "SAGECASK_ALGORITHM": description.algorithm,
    }
    description = replace(description, environment=environment)
    click.echo(f"training job {name}, output folder {root}", err=True)
    if description.hosts > 1:
        return _run_on_hosts(description, root, engine, environ, terminal=terminal)
    paths = lay_out(description, root)
    with Feeder(description.channels, paths.data) as feeder:
        job = _start(description, paths, engine, environ)
        # a job that cannot be fed would wait
        feeder.failed = job.kill
        code = _follow(job, description, terminal=terminal)
    _conclude(description, paths, code, paths)
    return code


def _run_on_hosts(
    description: JobDescription, root: Path, engine: Engine, environ: Mapping[str, str], *, terminal: bool
) -> int:
    names = host_names(description.hosts, containers=engine == "docker")
    whole = lay_out(description, root, names)
    each = [description.of_host(rank) for rank in range(len(names))]
    places = [lay_out(each[rank], root / "hosts" / name, names, rank) for rank, name in enumerate(names)]
    # processes of other jobs may use the default one
    environ = {**environ, "SAGECASK_RENDEZVOUS_PORT": str(free_port())}
    with ExitStack() as stack:
        inside = (
            stack.enter_context(network(description.environment["TRAINING_JOB_NAME"])) if engine == "docker" else ""
        )
        feeders = [
            stack.enter_context(Feeder(job.channels, paths.data)) for job, paths in zip(each, places, strict=True)
        ]
        started: dict[str, Running] = {}
        jobs = Hosts(started)
        # those that have started do not outlive one that can't
        stack.callback(_end, jobs)
        for name, job, paths in zip(names, each, places, strict=True):
            started[name] = _start(job, paths, engine, environ, (name, inside))
        for feeder in feeders:
            feeder.failed = jobs.kill
        code = _follow(jobs, description, terminal=terminal)
    merge(places, whole)
    failed = next((rank for rank, name in enumerate(names) if jobs.codes.get(name) == code), 0)
    _conclude(description, whole, code, places[failed])
    return code


def default_image(algorithm: str) -> str:
    """Return the image that `sagecask build` makes for an algorithm."""
    return f"sagecask/{algorithm}:cpu"


def _job_name(algorithm: str) -> str:
    # the form of the SDK's names: base name, date, time, milliseconds
    now = datetime.now(UTC)
    return f"{algorithm}-{now:%Y-%m-%d-%H-%M-%S}-{now.microsecond // 1000:03d}"


def _start(
    description: JobDescription,
    paths: Paths,
    engine: Engine,
    environ: Mapping[str, str],
    host: tuple[str, str] | None = None,
) -> Running:
    if engine == "docker":
        image = description.image or default_image(description.algorithm)
        return Container(image, ["train"], description.environment, mounts(description, paths), host=host)
    link_inputs(description, paths)
    return HostProcess(["train", "--root", str(paths.root)], {**environ, **description.environment})


def _follow(job: Running, description: JobDescription, *, terminal: bool) -> int:
    progress = Progress(total_rounds(description.hyperparameters), terminal=terminal)
    try:
        with on_stop([job.stop, job.kill]), progress:
            for line in job.lines():
                progress.line(line)
            return job.wait()
    finally:
        _end(job)


def _end(job: Running) -> None:
    job.kill()
    job.remove()


def _conclude(description: JobDescription, paths: Paths, code: int, failed: Paths) -> None:
    """Pack the model, or show why the job failed; `failed` are the paths of the host that did."""
    if description.checkpoints is None:
        # a job writes them whether or not anybody keeps them
        for folder in {paths.checkpoints, failed.checkpoints}:
            shutil.rmtree(folder, ignore_errors=True)
    if code == 0:
        if any(paths.model.iterdir()):
            archive = paths.root / "model.tar.gz"
            artifact.pack(paths.model, archive)
            click.echo(f"model {archive}", err=True)
        return
    failure = "no failure file was written"
    if failed.failure.is_file():
        # the first line is the cause; what follows is for the log
        failure = (failed.failure.read_text(encoding="utf-8", errors="replace").splitlines() or [failure])[0]
    click.echo(f"sagecask: training job failed with exit code {code}: {failure}", err=True)
