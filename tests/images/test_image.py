"""What every image is, whatever its algorithm: settings, labels, what is in it and what is not."""

import json
import re
from pathlib import Path

import docker
import pytest

import sagecask
from sagecask.testing.container import TrackedContainer

pytestmark = pytest.mark.image

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = (
    "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
)


@pytest.fixture
def config(image):
    """The image's settings as the engine tells them."""
    client = docker.from_env()
    try:
        yield client.images.get(image).attrs["Config"]
    finally:
        client.close()


@pytest.fixture
def inside(image):
    """A function that runs a shell command in a container of the image and returns its output."""

    def run(command: str) -> str:
        with TrackedContainer(
            image, "-c", command, entrypoint="sh", network_mode="none", expected=(".*",)
        ) as container:
            assert container.wait() == 0, container.log
            return container.log

    return run


def test_settings_are_what_the_platform_needs(config):
    assert config["Entrypoint"] == ["sagecask"]
    assert config["User"] == ""
    assert config["StopSignal"] == "SIGTERM"
    assert config["ExposedPorts"] == {"8080/tcp": {}}
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert not config["Volumes"]


def test_labels_say_what_it_is_and_what_it_can_do(image, config):
    name = image.removeprefix("sagecask/").partition(":")[0]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert labels["title"] == f"sagecask {name}"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == sagecask.__version__
    assert re.fullmatch("[0-9a-f]{40}", labels["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", labels["created"])
    assert all(labels[key] for key in ("description", "vendor", "authors", "base.name"))


def test_algorithm_image_chooses_its_algorithm(image, config, inside):
    name = image.removeprefix("sagecask/").partition(":")[0]
    chosen = [value for value in config["Env"] if value.startswith("SAGECASK_ALGORITHM=")]
    if config["Labels"].get("io.sagecask.family") == name:
        assert chosen == []
    else:
        assert chosen == [f"SAGECASK_ALGORITHM={name}"]
        assert name in inside("sagecask list")


def test_wheels_are_those_that_the_constraints_pin(inside):
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    installed = {
        re.sub(r"[-_.]+", "-", name).lower(): version
        for name, version in json.loads(inside(f"python -c '{DISTRIBUTIONS}'")).items()
    }
    foreign = {name: version for name, version in installed.items() if not name.startswith("sagecask")}
    assert {"numpy", "flask", "gunicorn"} <= foreign.keys()
    assert foreign == {name: pinned.get(name) for name in foreign}


def test_no_installer_compiler_or_cache_is_left(inside):
    tools = "pip pip3 uv gcc g++ cc c++ make ld cmake"
    assert inside(f"for tool in {tools}; do command -v $tool; done; true") == ""
    left = inside("ls -A /root/.cache /source /tmp /install /var/lib/apt/lists 2>/dev/null || true")
    assert [line for line in left.split() if not line.startswith("/")] in ([], ["lock", "partial"])
    assert inside("find /opt -name '*.a' -o -name '*.h' -o -name tests -type d") == ""
    assert inside("find / -xdev -type d -name pip") == ""


def test_compiled_cores_are_compiled(inside):
    without = inside(
        "cd /opt/sagecask/lib/python3.*/site-packages && for folder in sagecask*/native; do "
        "ls $folder/*.so >/dev/null || echo $folder; done"
    )
    assert without == ""


def test_nothing_is_compiled_at_start(inside):
    missing = inside(
        "cd /opt/sagecask/lib/python3.*/site-packages && for file in $(find . -name '*.py'); do "
        'test -e "$(dirname $file)/__pycache__/$(basename $file .py).cpython-311.pyc" || echo $file; done'
    )
    assert missing == ""


def test_files_of_the_image_are_readable_by_anyone(inside):
    assert inside("find /opt ! -perm -o=r -o -type d ! -perm -o=x") == ""


def test_train_and_serve_are_on_the_path_and_help_warns_of_nothing(image):
    for entrypoint in ("sagecask", "train", "serve"):
        with TrackedContainer(image, "--help", entrypoint=entrypoint, network_mode="none") as container:
            assert container.wait() == 0
            assert container.log.startswith("Usage: ")


def test_cpu_image_carries_no_gpu_library(image, inside):
    if not image.endswith(":cpu"):
        pytest.skip("the image under test is the one for GPUs")
    assert inside("find / -xdev -name '*nccl*' -o -xdev -name 'libcu*.so*' | grep -v libcurl || true") == ""
