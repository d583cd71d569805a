"""Every algorithm of the family, trained and served in its image by its own example."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sagecask import artifact, registry
from sagecask.algorithm import InferenceSettings
from sagecask.contract import ServingJob
from sagecask.serve.invocation import Invocations
from sagecask.testing.container import TrackedContainer, mounted, train_in
from sagecask.testing.job_directory import JobDirectory, Outcome

pytestmark = pytest.mark.image

CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".libsvm": "text/libsvm",
    ".pbr": "application/x-recordio-protobuf",
}
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Endpoint:
    """A server over the trained example that has answered its first ping."""

    container: TrackedContainer
    seconds: float


@pytest.fixture(scope="module")
def job(example, tmp_path_factory) -> JobDirectory:
    return JobDirectory.copy_of(example, tmp_path_factory.mktemp("job") / "ml")


@pytest.fixture(scope="module")
def outcome(algorithm_image, job) -> Outcome:
    """How the training of the example ended."""
    outcome = train_in(algorithm_image, job)
    assert (outcome.code, outcome.failure) == (0, None), outcome.log
    return outcome


@pytest.fixture(scope="module")
def endpoint(algorithm_image, job, outcome, seeds):
    volumes = mounted(job.root, "ro")
    with TrackedContainer(algorithm_image, "serve", volumes=volumes, environment=seeds) as container:
        yield Endpoint(container, container.wait_until_ready())


@pytest.fixture(scope="module")
def seeds(algorithm) -> dict[str, str]:
    """Variables by which an algorithm that draws its answers draws the same again."""
    declared = registry.load(algorithm).declaration.inference.environment
    return {name: "1" for name in declared if name.endswith("_SEED")}


@pytest.fixture(scope="module")
def request_files(example) -> list[Path]:
    found = [path for path in example.iterdir() if path.suffix in CONTENT_TYPES and path.name != "checks.json"]
    assert found
    return found


def test_example_leaves_a_model_and_prints_a_metric_that_is_declared(algorithm, job, outcome):
    assert artifact.algorithm_of(job.paths.model) == algorithm
    metrics = registry.load(algorithm).declaration.metrics
    # an algorithm may have none
    assert not metrics or any(re.search(metric.pattern, outcome.log) for metric in metrics)


def test_endpoint_answers_as_the_model_does_outside(algorithm, job, endpoint, request_files, seeds):
    loaded = registry.load(algorithm)
    model = loaded.load(job.paths.model, InferenceSettings(environment=seeds))
    outside = Invocations(ServingJob.read(job.paths, seeds), loaded.declaration.inference, model)
    for file in request_files:
        content_type, body = CONTENT_TYPES[file.suffix], file.read_bytes()
        answer = endpoint.container.invoke(body, content_type)
        assert answer.status == 200, answer.body
        expected = outside.answer(outside.settle(content_type, None), body)
        assert NUMBER.sub(b"0", answer.body) == NUMBER.sub(b"0", expected)
        # another processor may add in another order
        found, wanted = ([float(each) for each in NUMBER.findall(text)] for text in (answer.body, expected))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_serving_loads_no_library_of_training(endpoint):
    # after a request, which is when a library is loaded that was not at the start
    loaded = endpoint.container.run("sh", "-c", "grep -hoE '[^/]*(torch|pydantic)[^/]*\\.so[^/]*$' /proc/[0-9]*/maps")
    assert set(loaded.output.split()) == set()


def test_first_ping_succeeds_soon_after_the_start(algorithm, endpoint, capsys):
    with capsys.disabled():
        print(f"\n{algorithm}: {endpoint.seconds:.2f} s from start to the first /ping 200")
