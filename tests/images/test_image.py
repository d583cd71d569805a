"""What every image is, whatever its algorithm: settings, labels, what is in it and what is not."""

import json
import os
import re
import tomllib
from pathlib import Path

import docker
import pytest

import sagecask
from sagecask.testing.container import TrackedContainer

pytestmark = pytest.mark.image

ROOT = Path(__file__).resolve().parents[2]
FAMILY = os.environ.get("FAMILY", "boosting")
DISTRIBUTIONS = (
    "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
)
# both run in site-packages
CORES = """
import importlib, json, os, sysconfig
from pathlib import Path
os.chdir(sysconfig.get_path("purelib"))
cores = [path.parent / path.name.partition(".")[0] for path in Path().glob("sagecask*/**/native/*.so")]
for core in cores:
    importlib.import_module(".".join(core.parts))
print(json.dumps([str(core) for core in cores]))
"""
UNCOMPILED = """
import importlib.util, json, os, sysconfig
from pathlib import Path
os.chdir(sysconfig.get_path("purelib"))
cached = importlib.util.cache_from_source
print(json.dumps([str(path) for path in Path().rglob("*.py") if not os.path.exists(cached(str(path)))]))
"""


@pytest.fixture(scope="session")
def engine():
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def config(engine, family_image):
    """The settings of the family's image as the engine tells them."""
    return engine.images.get(family_image).attrs["Config"]


@pytest.fixture
def inside(family_image):
    """A function that runs a shell command in a container of the family's image and returns its output."""

    def run(command: str) -> str:
        options = {"entrypoint": "sh", "network_mode": "none", "expected": (".*",)}
        with TrackedContainer(family_image, "-c", command, **options) as container:
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


def test_labels_say_what_it_is_and_what_it_can_do(config):
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert labels["title"] == f"sagecask {labels['io.sagecask.family']}"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == sagecask.__version__
    assert re.fullmatch("[0-9a-f]{40}", labels["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", labels["created"])
    assert all(labels[key] for key in ("description", "vendor", "authors", "base.name"))


def test_image_of_an_algorithm_is_that_of_the_family_with_its_name(engine, config, family_image, algorithm_image):
    thin = engine.images.get(algorithm_image).attrs
    name = algorithm_image.removeprefix("sagecask/").partition(":")[0]
    assert thin["RootFS"] == engine.images.get(family_image).attrs["RootFS"]
    labels = {"org.opencontainers.image.title": f"sagecask {name}", "io.sagecask.algorithm": name}
    own = {"Env": [*config["Env"], f"SAGECASK_ALGORITHM={name}"], "Labels": config["Labels"] | labels}
    told = {"Entrypoint", "Cmd", "Env", "Labels", "User", "StopSignal", "ExposedPorts", "Healthcheck", "Volumes"}
    assert {key: thin["Config"][key] for key in told & thin["Config"].keys()} == {
        key: value for key, value in (config | own).items() if key in told
    }


def test_family_is_all_there_is(inside):
    with (ROOT / "containers" / FAMILY / "pyproject.toml").open("rb") as file:
        registered = tomllib.load(file)["project"]["entry-points"]["sagecask.algorithms"]
    assert {line.split()[0] for line in inside("sagecask list").splitlines()} == registered.keys()


def test_wheels_are_those_that_the_constraints_pin(inside):
    pinned = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    installed = {
        re.sub(r"[-_.]+", "-", name).lower(): version
        for name, version in json.loads(inside(f"python -c '{DISTRIBUTIONS}'")).items()
    }
    foreign = {name: version for name, version in installed.items() if not name.startswith("sagecask")}
    assert {"numpy", "flask", "gunicorn"} <= foreign.keys()
    assert foreign.items() <= set(pinned)


def test_no_installer_compiler_or_cache_is_left(inside):
    tools = "pip pip3 uv gcc g++ cc c++ make ld cmake"
    assert inside(f"for tool in {tools}; do command -v $tool; done; true") == ""
    left = inside("ls -A /root/.cache /source /tmp /install /var/lib/apt/lists 2>/dev/null || true")
    assert [line for line in left.split() if not line.startswith("/")] in ([], ["lock", "partial"])
    assert inside("find /opt -name '*.a' -o -name '*.h' -o -name tests -type d") == ""
    assert inside("find / -xdev -type d -name pip") == ""


def test_every_compiled_core_is_there_and_loads(inside):
    loaded = json.loads(inside(f"python -c '{CORES}'"))
    roots = (ROOT / "src", ROOT / "containers" / FAMILY)
    sources = {str(path.parent.relative_to(root)) for root in roots for path in root.glob("sagecask*/**/native/*.c")}
    assert {str(Path(name).parent) for name in loaded} == sources


def test_nothing_is_compiled_at_start(inside):
    assert json.loads(inside(f"python -c '{UNCOMPILED}'")) == []


def test_files_of_the_image_are_readable_by_anyone(inside):
    assert inside("find /opt ! -perm -o=r -o -type d ! -perm -o=x") == ""


def test_train_and_serve_are_on_the_path_and_help_warns_of_nothing(family_image):
    for entrypoint in ("sagecask", "train", "serve"):
        with TrackedContainer(family_image, "--help", entrypoint=entrypoint, network_mode="none") as container:
            assert container.wait() == 0
            assert container.log.startswith("Usage: ")


def test_cpu_image_carries_no_gpu_library(family_image, inside):
    if not family_image.endswith(":cpu"):
        pytest.skip("the image under test is the one for GPUs")
    assert inside("find / -xdev -name '*nccl*.so*' -o -xdev -name 'libcu*.so*' | grep -v libcurl || true") == ""
