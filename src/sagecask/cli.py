"""The command line: `train` and `serve`, which the platform calls, and what a person calls.

Commands import what they need when they run, so that help is quick and `train` sets its signal handlers first.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sagecask.errors import SagecaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from sagecask.datasets.source import SourceDescription
    from sagecask.local.description import JobDescription
    from sagecask.local.endpoint import EndpointDescription

# 128 plus SIGINT, as a shell counts it
INTERRUPTED = 130

_PLATFORM = {"ignore_unknown_options": True, "allow_extra_args": True}
_EXISTING = click.Path(path_type=Path, exists=True)
_PATH = click.Path(path_type=Path)


def _options(*decorators: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


_contract_options = _options(
    click.option("--root", envvar="SAGECASK_ROOT", default="/opt/ml", type=_PATH, show_default=True, show_envvar=True,
                 help="Folder that stands for the platform's."),
    click.option("--algorithm", envvar="SAGECASK_ALGORITHM", show_envvar=True,
                 help="Name of the algorithm; needed where several are installed and the model does not say."),
)  # fmt: skip
_source_options = _options(
    click.option("--from", "content_type", metavar="FORMAT",
                 help="Format or content type of the source.  [default: what the file looks like]"),
    click.option("--label-size", type=click.IntRange(0),
                 help="Leading columns that are labels, in CSV, Parquet and .npy.  [default: 1]"),
    click.option("--weights", "weighted", is_flag=True, help="The column after the labels is the row's weight."),
    click.option("--delimiter", help="Character between CSV cells.  [default: taken from the first line]"),
    click.option("--skip-header", is_flag=True, help="The first row of CSV names the columns."),
    click.option("--labels", type=_PATH, help="File .npy with the labels of a source .npy."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
)  # fmt: skip
_engine_options = _options(
    click.option("--engine", type=click.Choice(["process", "docker"]), default="process", show_default=True,
                 help="Run as a process of this machine, or in the image."),
    click.option("--image", help="Image of the docker engine.  [default: sagecask/ALGORITHM:cpu]"),
    click.option("--environment", "-e", multiple=True, metavar="NAME=VALUE", help="Environment variable; repeatable."),
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sagecask")
def sagecask() -> None:
    """Open training and serving containers with the interface of the SageMaker built-in algorithms.

    Exit codes: 0 success, 1 the user's fault, 2 wrong usage, 3 a fault of sagecask or its machine.
    """


@sagecask.command(context_settings=_PLATFORM)
@_contract_options
@click.pass_context
def train(context: click.Context, root: Path, algorithm: str | None) -> int:
    """Run the training job that the files below --root describe."""
    from sagecask.train.supervisor import main  # noqa: PLC0415 - first of all imports: it sets the signal handlers

    _say_ignored(context)
    return main(root, algorithm, os.environ)


@sagecask.command(context_settings=_PLATFORM)
@_contract_options
@click.option("--port", envvar="SAGEMAKER_BIND_TO_PORT", default=8080, type=click.IntRange(1, 65535), show_default=True,
              show_envvar=True, help="TCP port of every route.")  # fmt: skip
@click.pass_context
def serve(context: click.Context, root: Path, algorithm: str | None, port: int) -> int:
    """Serve the model below --root over HTTP."""
    from sagecask.serve.workers import main  # noqa: PLC0415

    _say_ignored(context)
    return main(root, algorithm, {**os.environ, "SAGEMAKER_BIND_TO_PORT": str(port)})


@sagecask.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_algorithms(*, as_json: bool) -> None:
    """List the installed algorithms."""
    from sagecask import registry  # noqa: PLC0415

    declarations = [registry.load(name).declaration for name in registry.names()]
    if as_json:
        facts = [{"algorithm": each.name, "title": each.title, "family": each.family} for each in declarations]
        click.echo(json.dumps(facts, indent=2))
        return
    for each in declarations:
        click.echo(f"{each.name:<24}{each.title} ({each.family}, {each.learning})")


@sagecask.command()
@click.argument("name")
@click.option("--json", "form", flag_value="json", help="Print JSON in the form of the specification files.")
@click.option("--metric-definitions", "form", flag_value="metrics", help="Print the JSON that an Estimator takes.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the tables of the documentation as Markdown.")
def describe(name: str, form: str | None) -> None:
    """Describe an algorithm: channels, hyperparameters, metrics, content types."""
    from sagecask import reference, registry  # noqa: PLC0415

    algorithm = registry.load(name)
    if form == "metrics":
        click.echo(json.dumps(reference.metric_definitions(algorithm), indent=2))
        return
    facts = reference.reference(algorithm)
    if form == "json":
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    elif form == "markdown":
        click.echo(reference.markdown(facts), nl=False)
    else:
        click.echo(reference.plain(facts))


@sagecask.command()
@click.argument("algorithm", required=False)
@click.option("--job", type=_EXISTING, help="YAML file that describes the job; options add to it and win over it.")
@click.option("--train", type=_PATH, help="File or folder of the channel train.")
@click.option("--validation", type=_PATH, help="File or folder of the channel validation.")
@click.option("--channel", multiple=True, metavar="NAME=PATH", help="Another channel; repeatable.")
@click.option("--content-type", multiple=True, metavar="[NAME=]TYPE", help="Content type of all channels, or of one.")
@click.option("--input-mode", metavar="MODE", help="File, FastFile or Pipe, for all channels.  [default: File]")
@click.option("--hyperparameter", "-H", multiple=True, metavar="NAME=VALUE", help="Hyperparameter; repeatable.")
@click.option("--hosts", type=int, metavar="N", help="Hosts to train on, all of them on this machine.  [default: 1]")
@click.option("--sharded", multiple=True, metavar="NAME", help="Channel whose files the hosts share out; repeatable.")
@_engine_options
@click.option("--output", type=_PATH, help="New or empty folder for the results.  [default: named after the job]")
@click.option(
    "--checkpoints", type=_PATH, help="Folder that keeps checkpoints; a job resumes from what it finds there."
)
def run(algorithm: str | None, job: Path | None, engine: str, **options: Any) -> int:  # noqa: ANN401 - click's
    """Run a training job on this machine.

    The output folder receives model, model.tar.gz and output; the exit code is the job's.
    """
    from sagecask.local.options import job_description  # noqa: PLC0415
    from sagecask.local.run import run as run_job  # noqa: PLC0415

    description: JobDescription = job_description(algorithm, job, options)
    return run_job(description, _engine(engine), os.environ, terminal=sys.stdout.isatty())


@sagecask.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1, type=_PATH)
@click.option("--config", type=_EXISTING, help="YAML file of an endpoint with variants.")
@click.option("--update", is_flag=True, help="Change the endpoint that serves --config to what the file says now.")
@click.option(
    "--algorithm", envvar="SAGECASK_ALGORITHM", show_envvar=True, help="Algorithm, where the model does not say."
)
@click.option("--port", type=click.IntRange(0, 65535),
              help="Port; 0 takes a free one.  [default: 8080, or what --config says]")  # fmt: skip
@_engine_options
def endpoint(models: Sequence[Path], config: Path | None, algorithm: str | None, port: int | None, *, update: bool,
             **options: Any) -> int:  # noqa: ANN401  # fmt: skip
    """Serve MODEL, a model folder or model.tar.gz, until Ctrl-C.

    Several MODELs answer in series, as an inference pipeline; --config describes variants, shadows and data capture.
    """
    from sagecask.local.endpoint import serve_until_stopped  # noqa: PLC0415
    from sagecask.local.ports import free_port  # noqa: PLC0415

    engine = _engine(options["engine"])
    port = free_port() if port == 0 else port
    if bool(models) == (config is not None) or (update and config is None):
        raise click.UsageError("endpoint: either MODEL or --config must be given, and --config with --update")
    if config is not None:
        from sagecask.local.running_file import change_running  # noqa: PLC0415
        from sagecask.local.variant_endpoint import serve_config  # noqa: PLC0415

        return change_running(config) if update else serve_config(config, port, engine, os.environ)
    described = [_endpoint(each, algorithm, 8080 if port is None else port, options) for each in models]
    if len(described) == 1:
        return serve_until_stopped(described[0], engine, os.environ)
    from sagecask.local.variant_endpoint import serve_pipeline  # noqa: PLC0415
    from sagecask.local.variants import pipeline  # noqa: PLC0415

    return serve_pipeline(pipeline(described, described[0].port), engine, os.environ)


@sagecask.command()
@click.argument("model", type=_PATH)
@click.argument("source", metavar="INPUT", type=_PATH)
@click.option("--output", type=_PATH, required=True, help="Folder that receives NAME.out for every input NAME.")
@click.option(
    "--algorithm", envvar="SAGECASK_ALGORITHM", show_envvar=True, help="Algorithm, where the model does not say."
)
@click.option("--content-type", help="Content-Type of the requests.")
@click.option("--accept", help="Accept of the requests.")
@click.option("--split-type", type=click.Choice(["None", "Line", "RecordIO", "TFRecord"]), default="None",
              show_default=True, help="Where inputs are cut into records.")  # fmt: skip
@click.option("--strategy", type=click.Choice(["MULTI_RECORD", "SINGLE_RECORD"]),
              help="Records in a request.  [default: the server's]")  # fmt: skip
@click.option(
    "--max-payload",
    "max_payload_mb",
    type=click.IntRange(0, 100),
    help="MB in a request; 0 sends chunks of any number.  [default: the server's]",
)
@click.option("--max-concurrent", type=click.IntRange(1, 100), help="Requests at a time.  [default: the server's]")
@click.option("--assemble-with", type=click.Choice(["None", "Line"]), default="None", show_default=True,
              help="Line ends every answer with a line end.")  # fmt: skip
@click.option("--compression-type", "compression", type=click.Choice(["None", "Gzip"]), default="None",
              show_default=True, help="Gzip unpacks inputs before they are cut.")  # fmt: skip
@click.option("--input-filter", default="$", show_default=True, help="JSONPath of what is sent of each record.")
@click.option("--join-source", type=click.Choice(["None", "Input"]), default="None", show_default=True,
              help="Input joins each record with its answer.")  # fmt: skip
@click.option("--output-filter", default="$", show_default=True, help="JSONPath of what is written of each result.")
@click.option(
    "--generate-inference-id", "inference_id", is_flag=True, help="Add an identifier and the time to results."
)
@click.option("--timeout", "timeout_seconds", type=click.IntRange(1, 3600), default=600, show_default=True,
              help="Seconds that a request may take.")  # fmt: skip
@click.option("--max-retries", type=click.IntRange(0, 3), default=3, show_default=True,
              help="Repeats of a request that the server failed to answer.")  # fmt: skip
@click.option("--restart", is_flag=True, help="Begin anew where an earlier transform was interrupted.")
@_engine_options
def transform(model: Path, algorithm: str | None, engine: str, image: str | None, environment: Sequence[str],
              **options: Any) -> None:  # noqa: ANN401  # fmt: skip
    """Send INPUT, a file or folder, through MODEL and write the answers.

    The same command goes on where it was interrupted.
    """
    from sagecask.local.data_processing import DataProcessing  # noqa: PLC0415
    from sagecask.local.transform import TransformDescription  # noqa: PLC0415
    from sagecask.local.transform import transform as transform_files  # noqa: PLC0415

    names = ("input_filter", "output_filter", "join_source", "inference_id")
    options["processing"] = DataProcessing(**{name: options.pop(name) for name in names})
    about = _endpoint(model, algorithm, 0, {"image": image, "environment": environment})
    transform_files(about, TransformDescription(**options), _engine(engine), os.environ, terminal=sys.stdout.isatty())


@sagecask.command()
@click.argument("family")
@click.option("--algorithm", help="Build the image of this algorithm alone.  [default: all of the family]")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@click.option("--source", type=_EXISTING, default=".", show_default=True, help="Checkout of sagecask.")
def build(family: str, algorithm: str | None, device: str, source: Path) -> None:
    """Build the images of FAMILY from a source checkout, as `make image` does."""
    from sagecask.local.build import build as build_images  # noqa: PLC0415

    build_images(source, family, algorithm, device)


@sagecask.command()
@click.argument("image")
@click.argument("repository")
def push(image: str, repository: str) -> None:
    """Push IMAGE to REPOSITORY, a repository with or without tag, or the host of a registry.

    The manifest is read back: SageMaker takes Docker schema 2 of a single platform only.
    """
    from sagecask.local.push import push as push_image  # noqa: PLC0415

    click.echo(push_image(image, repository, click.echo))


@sagecask.command()
@click.argument("source", type=_PATH)
@click.argument("target", type=_PATH)
@click.option("--to", metavar="FORMAT", help="Format of the new files.  [default: by the extension of TARGET]")
@click.option("--shards", type=click.IntRange(1, 10_000),
              help="Write so many files into the folder TARGET; rows are dealt in turn.")  # fmt: skip
@click.option("--sparse/--dense", default=None, help="Form of the rows, where the format has both.  [default: as read]")
@click.option("--absent", type=click.Choice(["zero", "missing"]), default="zero", show_default=True,
              help="What an entry stands for that sparse rows leave out.")  # fmt: skip
@click.option("--width", type=click.IntRange(1), help="Features of libsvm rows at least.  [default: all rows are read "
              "first]")  # fmt: skip
@click.option("--drop-weights", is_flag=True, help="Leave weights out, where the format has no place for them.")
@_source_options
def convert(source: Path, target: Path, to: str | None, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Write the rows of SOURCE, a file or folder, into TARGET in another format.

    Formats: csv, libsvm, jsonlines, parquet, recordio (recordIO-protobuf), npy, npz (arrays features, labels, weights).
    """
    from sagecask.datasets.convert import TargetDescription  # noqa: PLC0415
    from sagecask.datasets.convert import convert as convert_files  # noqa: PLC0415

    names = ("shards", "sparse", "absent", "width", "drop_weights")
    wanted = TargetDescription(target, to, **{name: options.pop(name) for name in names})
    done = convert_files(_source(source, options), wanted, terminal=sys.stderr.isatty())
    if as_json:
        click.echo(json.dumps(done.facts(), indent=2))
        return
    for name, value in done.lines():
        click.echo(f"{name:<10}{value}")


@sagecask.command()
@click.argument("source", metavar="FILE", type=_PATH)
@click.option("--html", "page", type=_PATH, help="Write a page with a plot of each column.")
@click.option("--plots", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Columns with a plot.")
@_source_options
def inspect(source: Path, page: Path | None, plots: int, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Say what FILE, or a folder of files, holds: format, rows, labels, missing values, columns."""
    from sagecask.datasets.inspect import inspect as inspect_file  # noqa: PLC0415
    from sagecask.datasets.page import html  # noqa: PLC0415

    found = inspect_file(_source(source, options), plots=plots if page else 0, terminal=sys.stderr.isatty())
    if page is not None:
        page.write_text(html(found), encoding="utf-8")
    click.echo(json.dumps(found.facts(), indent=2) if as_json else found.text())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code; faults are one line on standard error."""
    sys.excepthook = _ours
    sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))


def train_executable() -> None:
    """Run `sagecask train`; the platform calls `train` where an image has no entry point (contract 1.2)."""
    main(["train", *sys.argv[1:]])


def serve_executable() -> None:
    """Run `sagecask serve`."""
    main(["serve", *sys.argv[1:]])


def _run(arguments: list[str]) -> int:
    try:
        code = sagecask.main(arguments, prog_name="sagecask", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"sagecask: {' '.join(error.format_message().split())}", err=True)
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except SagecaskError as error:
        click.echo(f"sagecask: {error}", err=True)
        return error.exit_code
    except OSError as error:
        click.echo(f"sagecask: {error}", err=True)
        return 3
    return code if isinstance(code, int) else 0


def _ours(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show the traceback of a fault that nobody foresaw, and leave with 3 where Python would leave with 1."""
    sys.__excepthook__(kind, error, trace)
    raise SystemExit(3)


def _say_ignored(context: click.Context) -> None:
    if context.args:
        # a job may carry ContainerArguments (contract 1.3), which mean nothing here
        click.echo(f"{context.command.name}: arguments without a meaning here are ignored: {context.args}", err=True)


def _engine(name: str) -> Any:  # noqa: ANN401 - click has checked it against the two literals
    return name


def _endpoint(model: Path, algorithm: str | None, port: int, options: dict[str, Any]) -> EndpointDescription:
    from sagecask.local.endpoint import EndpointDescription  # noqa: PLC0415
    from sagecask.local.options import pairs  # noqa: PLC0415

    environment = pairs(options["environment"], "--environment")
    return EndpointDescription(model, algorithm, options["image"], environment, port)


def _source(path: Path, options: dict[str, Any]) -> SourceDescription:
    from sagecask.datasets.source import SourceDescription  # noqa: PLC0415

    return SourceDescription(path, **options)


if __name__ == "__main__":
    main()
