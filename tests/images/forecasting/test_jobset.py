"""The Pods of deploy/jobset, run by the engine as a cluster runs them: names, volumes, users and limits as written."""

import json
import os
import re
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path

import docker
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from sagecask.local.hosts import network
from sagecask.testing.container import TrackedContainer, train_in
from sagecask.testing.job_directory import JobDirectory

pytestmark = pytest.mark.image

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "containers" / "forecasting" / "examples" / "forecasting-deepar"
MANIFEST = ROOT / "deploy" / "jobset" / "cpu" / "training.yaml"
DEVICE = os.environ.get("DEVICE", "cpu")
NETWORK = "sagecask-jobset"
# masks of dropout are each host's own
GIVEN = {"dropout_rate": "0", "epochs": "3", "early_stopping_patience": "100"}


@pytest.fixture
def jobset():
    return next(each for each in yaml.safe_load_all(MANIFEST.read_text()) if each["kind"] == "JobSet")


@pytest.fixture
def config_maps(tmp_path):
    """ConfigMaps by name, as folders, of the example."""
    job = shutil.copytree(EXAMPLE / "input" / "config", tmp_path / "job")
    given(job, GIVEN)
    return {"forecast-job": job} | {f"forecast-{name}": EXAMPLE / "input" / "data" / name for name in ("train", "test")}


def config_map(source: Path, folder: Path) -> Path:
    """Lay files out as a ConfigMap's volume has them: links into a folder of their date, which is hidden."""
    dated = folder / "..2026_01_01_00_00_00.1"
    shutil.copytree(source, dated, dirs_exist_ok=True)
    (folder / "..data").unlink(missing_ok=True)
    (folder / "..data").symlink_to(dated.name)
    for file in dated.iterdir():
        (folder / file.name).unlink(missing_ok=True)
        (folder / file.name).symlink_to(f"..data/{file.name}")
    return folder


def pod_spec(jobset: dict) -> dict:
    return jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]


def image_of(container: dict) -> str:
    """Return the container's image for the device under test."""
    return f"{container['image'].rpartition(':')[0]}:{DEVICE}"


def given(config: Path, changed: dict[str, str]) -> None:
    path = config / "hyperparameters.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


class Pod:
    """One Pod of a JobSet's first replicated job: its name and labels are those that JobSet gives."""

    def __init__(self, jobset: dict, index: int, folder: Path, config_maps: dict[str, Path]) -> None:
        name, job = jobset["metadata"]["name"], jobset["spec"]["replicatedJobs"][0]
        self.spec = pod_spec(jobset)
        self.host = f"{name}-{job['name']}-{index}-0.{name}"
        self._labels = {
            "jobset.sigs.k8s.io/jobset-name": name,
            "jobset.sigs.k8s.io/replicatedjob-name": job["name"],
            "jobset.sigs.k8s.io/replicatedjob-replicas": str(job["replicas"]),
            "jobset.sigs.k8s.io/job-index": str(index),
        }
        self._volumes = {each["name"]: self._volume(each, folder, config_maps) for each in self.spec["volumes"]}

    def start(self, container: dict) -> TrackedContainer:
        """Start a container of the Pod."""
        about, pod = container["securityContext"], self.spec["securityContext"]
        endpoint = docker.types.EndpointConfig("1.41", aliases=[self.host])
        return TrackedContainer(
            image_of(container),
            *container["args"],
            entrypoint=container["command"],
            environment={each["name"]: self._value(each) for each in container["env"]},
            user=f"{pod['runAsUser']}:{pod['runAsGroup']}",
            group_add=[pod["fsGroup"]],
            read_only=about["readOnlyRootFilesystem"],
            cap_drop=about["capabilities"]["drop"],
            security_opt=[] if about["allowPrivilegeEscalation"] else ["no-new-privileges"],
            mem_limit=container["resources"]["limits"]["memory"].removesuffix("i").lower(),
            volumes=[self._mounted(each) for each in container["volumeMounts"]],
            hostname=self.host.partition(".")[0],
            network=NETWORK,
            networking_config={NETWORK: endpoint},
        )

    def prepare(self) -> None:
        """Run the containers that come first."""
        for container in self.spec["initContainers"]:
            with self.start(container) as running:
                assert (running.wait(), running.log) == (0, "")

    def _volume(self, volume: dict, folder: Path, config_maps: dict[str, Path]) -> Path:
        own = folder / self.host / volume["name"]
        match volume:
            case {"configMap": {"name": name}}:
                return config_map(config_maps[name], own)
            case {"persistentVolumeClaim": {"claimName": name}}:
                return writable(folder / name)
        # empty for every Pod anew
        shutil.rmtree(own, ignore_errors=True)
        return writable(own)

    def _mounted(self, mount: dict) -> str:
        source = self._volumes[mount["name"]]
        if "subPath" in mount:
            source = writable(source / mount["subPath"])
        return f"{source}:{mount['mountPath']}:{'ro' if mount.get('readOnly') else 'rw'}"

    def _value(self, variable: dict) -> str:
        if "value" in variable:
            return variable["value"]
        field = variable["valueFrom"]["fieldRef"]["fieldPath"]
        return self._labels[re.fullmatch(r"metadata\.labels\['(.+)'\]", field)[1]]


def writable(path: Path) -> Path:
    """Make a folder as the volumes of a Pod with fsGroup are."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o777)
    return path


@contextmanager
def started(jobset: dict, folder: Path, config_maps: dict[str, Path]):
    """Run all Pods as far as their training, and yield its containers."""
    pods = [Pod(jobset, index, folder, config_maps) for index in range(jobset["spec"]["replicatedJobs"][0]["replicas"])]
    with network(NETWORK), ExitStack() as stack:
        for pod in pods:
            pod.prepare()
        yield [stack.enter_context(pod.start(pod.spec["containers"][0])) for pod in pods]


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model_algo-1")


def test_pods_learn_together_what_one_host_learns(jobset, config_maps, tmp_path):
    with started(jobset, tmp_path / "pods", config_maps) as containers:
        assert [container.wait() for container in containers] == [0, 0], [each.log for each in containers]
    hosts = ["forecast-algo-0-0.forecast", "forecast-algo-1-0.forecast"]
    for host in hosts:
        resources = json.loads((tmp_path / "pods" / host / "input" / "config" / "resourceconfig.json").read_text())
        assert resources == {"current_host": host, "hosts": hosts}

    job = JobDirectory.copy_of(EXAMPLE, tmp_path / "alone")
    given(job.paths.config, GIVEN)
    assert train_in(image_of(pod_spec(jobset)["containers"][0]), job).code == 0
    together, alone = weights(tmp_path / "pods" / "forecast" / "model"), weights(job.paths.model)
    assert together.keys() == alone.keys()
    for name, array in alone.items():
        # the hosts add up float32 gradients in another order
        np.testing.assert_allclose(together[name], array, rtol=1e-3, atol=1e-4, err_msg=name)


def test_pod_told_to_stop_has_failed_and_the_next_ones_resume(jobset, config_maps, tmp_path):
    given(config_maps["forecast-job"], {"epochs": "1000"})
    with started(jobset, tmp_path, config_maps) as containers:
        containers[0].wait_for_log("epoch=1, train loss")
        containers[1].container.kill("SIGTERM")
        # of the first one the platform takes the model; a Job that ended with 0 would be complete
        assert [container.wait() for container in containers] == [0, 143], [each.log for each in containers]
        reached = epochs(containers[0].log)[-1]
    given(config_maps["forecast-job"], {"epochs": str(reached + 2)})
    with started(jobset, tmp_path, config_maps) as containers:
        assert [container.wait() for container in containers] == [0, 0], [each.log for each in containers]
        assert epochs(containers[0].log) == [reached + 1]


def epochs(log: str) -> list[int]:
    """Return the epochs that a log tells the loss of."""
    return [int(number) for number in re.findall(r"epoch=(\d+), train loss", log)]
