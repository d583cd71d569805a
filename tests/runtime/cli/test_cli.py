import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "scipy",
    "pydantic",
    "flask",
    "gunicorn",
    "xgboost",
    "docker",
    "yaml",
    "requests",
    "google",
    "pyarrow",
)


def sagecask(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sagecask.cli", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | environ,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("run", "--help"), ("push", "--help")])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom sagecask.cli import main\n"
        f"try: main({list(arguments)!r})\nexcept SystemExit as end: assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"
    assert done.stdout.startswith("Usage: sagecask")


def test_no_command_shows_help_and_is_wrong_usage():
    done = sagecask()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: sagecask [OPTIONS] COMMAND [ARGS]...")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trian",), "No such command 'trian'. Did you mean 'train'?"),
        (("describe",), "Missing argument 'NAME'."),
        (("describe", "nothing"), None),
        (("run",), "run: an algorithm or --job must be given; got neither"),
        (("run", "a", "-H", "eta"), '--hyperparameter: must have the form NAME=VALUE; got "eta"'),
        (("serve", "--port", "x"), "Invalid value for '--port' (env var: 'SAGEMAKER_BIND_TO_PORT'): 'x' is not a valid "
         "integer range."),
        (("push", "image", "Not A Host/x"), 'push: the repository must begin with the host of a registry; got "Not A '
         'Host/x"'),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line_and_exit_code_2(arguments, message):
    done = sagecask(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    if message is not None:
        assert done.stderr == f"sagecask: {message}\n"


def test_users_fault_is_one_line_and_exit_code_1(tmp_path):
    done = sagecask("endpoint", str(tmp_path / "nothing"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "sagecask: endpoint: the model must be a folder or an archive; "
        f'got "{tmp_path}/nothing", which does not exist\n'
    )


def test_unforeseen_fault_shows_its_traceback_and_is_exit_code_3():
    code = "import sys\nfrom sagecask import cli\ncli.sagecask = None\ncli.main(['list'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("Traceback (most recent call last):")


def test_version_is_that_of_the_package():
    from sagecask import __version__

    assert sagecask("--version").stdout == f"sagecask, version {__version__}\n"


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("yaml", ["run", "--job", "/dev/null"],
         'run: job files need PyYAML; install the extra with `pip install "sagecask[local]"`'),
        ("docker", ["push", "a:1", "localhost:5000"],
         'engine: containers need the Docker SDK; install the extra with `pip install "sagecask[local]"`'),
    ],
)  # fmt: skip
def test_missing_extra_is_named(module, arguments, message):
    code = f"import sys\nsys.modules[{module!r}] = None\nfrom sagecask.cli import main\nmain({arguments!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"sagecask: {message}\n")
