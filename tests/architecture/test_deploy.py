"""The Kubernetes manifests hold the fields of the published resources, and say what the image understands."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml

from sagecask.errors import UsageError, UserError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kserve"
JOBSET = ROOT / "deploy" / "jobset"
ENVIRONMENT = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
# fields, as the resources of KServe 0.15 and Pods have them, down to what the manifests use; None is any value
PROBE = {"httpGet": {"path": str, "port": int}, "periodSeconds": int, "timeoutSeconds": int, "failureThreshold": int}
QUANTITIES = {"cpu": str, "memory": str}
SECURITY = {
    "allowPrivilegeEscalation": bool,
    "readOnlyRootFilesystem": bool,
    "runAsNonRoot": bool,
    "runAsUser": int,
    "capabilities": {"drop": [str]},
}
CONTAINER = {
    "name": str,
    "image": str,
    "args": [str],
    "env": [{"name": str, "value": str}],
    "ports": [{"containerPort": int, "protocol": str, "name": str}],
    "readinessProbe": PROBE,
    "livenessProbe": PROBE,
    "securityContext": SECURITY,
    "resources": {"requests": QUANTITIES, "limits": QUANTITIES},
}
RUNTIME = {
    "apiVersion": "serving.kserve.io/v1alpha1",
    "kind": "ServingRuntime",
    "metadata": {"name": str},
    "spec": {
        "annotations": {"prometheus.kserve.io/port": str, "prometheus.kserve.io/path": str},
        "supportedModelFormats": [{"name": str, "version": str, "autoSelect": bool}],
        "protocolVersions": [str],
        "containers": [CONTAINER],
    },
}
SERVICE = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": str},
    "spec": {
        "predictor": {
            "minReplicas": int,
            "model": {
                "modelFormat": {"name": str, "version": str},
                "protocolVersion": str,
                "runtime": str,
                "storageUri": str,
            },
        }
    },
}
# the same of JobSet 0.10 (v1alpha2) and the Pods of its Jobs
TRAINING_CONTAINER = {
    "name": str,
    "image": str,
    "command": [str],
    "args": [str],
    "env": [{"name": str, "value": str, "valueFrom": {"fieldRef": {"fieldPath": str}}}],
    "ports": [{"containerPort": int, "protocol": str, "name": str}],
    "terminationMessagePolicy": str,
    "volumeMounts": [{"name": str, "mountPath": str, "subPath": str, "readOnly": bool}],
    "securityContext": SECURITY,
    "resources": {"requests": QUANTITIES, "limits": QUANTITIES | {"nvidia.com/gpu": str}},
}
POD = {
    "restartPolicy": "Never",
    "terminationGracePeriodSeconds": int,
    "automountServiceAccountToken": bool,
    "securityContext": {
        "runAsNonRoot": bool,
        "runAsUser": int,
        "runAsGroup": int,
        "fsGroup": int,
        "seccompProfile": {"type": str},
    },
    "initContainers": [TRAINING_CONTAINER],
    "containers": [TRAINING_CONTAINER],
    "volumes": [
        {
            "name": str,
            "configMap": {"name": str},
            "persistentVolumeClaim": {"claimName": str},
            "emptyDir": {"medium": str, "sizeLimit": str},
        }
    ],
    "tolerations": [{"key": str, "operator": str, "effect": str}],
}
FAILURE_POLICY = {
    "maxRestarts": int,
    "restartStrategy": str,
    "rules": [{"name": str, "action": str, "onJobFailureReasons": [str]}],
}
JOB = {
    "parallelism": int,
    "completions": int,
    "backoffLimit": int,
    "podFailurePolicy": {
        "rules": [{"action": str, "onExitCodes": {"containerName": str, "operator": str, "values": [int]}}]
    },
    "template": {"spec": POD},
}
TRAINING = {
    "apiVersion": "jobset.x-k8s.io/v1alpha2",
    "kind": "JobSet",
    "metadata": {"name": str},
    "spec": {
        "network": {"enableDNSHostnames": bool},
        "failurePolicy": FAILURE_POLICY,
        "replicatedJobs": [{"name": str, "replicas": int, "template": {"spec": JOB}}],
    },
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": str},
    "spec": {"accessModes": [str], "resources": {"requests": {"storage": str}}},
}


def read(name):
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def training_on_cpu():
    return tuple(yaml.safe_load_all((JOBSET / "cpu" / "training.yaml").read_text(encoding="utf-8")))


def training_on_gpus():
    """Return the resources that `kubectl kustomize deploy/jobset/gpu` makes."""
    kustomization = yaml.safe_load((JOBSET / "gpu" / "kustomization.yaml").read_text(encoding="utf-8"))
    [image], [patch] = kustomization["images"], kustomization["patches"]
    claim, jobset = training_on_cpu()
    for container in [*pod(jobset)["initContainers"], *pod(jobset)["containers"]]:
        container["image"] = re.sub(rf"^{image['name']}:.*", f"{image['name']}:{image['newTag']}", container["image"])
    for change in yaml.safe_load(patch["patch"]):
        add(jobset, **change)
    return claim, jobset


def add(resource, op, path, value):
    """Do one operation of a JSON patch (RFC 6902)."""
    assert op == "add"
    *parents, last = [word.replace("~1", "/").replace("~0", "~") for word in path.split("/")[1:]]
    for word in parents:
        resource = resource[int(word)] if isinstance(resource, list) else resource[word]
    if last == "-":
        resource.append(value)
    else:
        resource[last] = value


def pod(jobset):
    [job] = jobset["spec"]["replicatedJobs"]
    return job["template"]["spec"]["template"]["spec"]


def misfits(value, form, where):
    """Yield what a manifest has beside its form."""
    if isinstance(form, dict):
        if not isinstance(value, dict):
            yield f"{where}: an object"
            return
        for key, entry in value.items():
            yield from misfits(entry, form[key], f"{where}.{key}") if key in form else [f"{where}: no field {key}"]
    elif isinstance(form, list):
        yield from (fault for each in value for fault in misfits(each, form[0], f"{where}[]"))
    elif isinstance(form, str):
        if value != form:
            yield f"{where}: {form}"
    elif type(value) is not form:
        yield f"{where}: {form.__name__}"


@pytest.mark.parametrize(("name", "form"), [("servingruntime.yaml", RUNTIME), ("inferenceservice.yaml", SERVICE)])
def test_manifest_has_the_fields_of_its_resource(name, form):
    assert list(misfits(read(name), form, name)) == []


def test_service_asks_for_what_the_runtime_offers():
    runtime, model = read("servingruntime.yaml"), read("inferenceservice.yaml")["spec"]["predictor"]["model"]
    formats = [(each["name"], each["version"]) for each in runtime["spec"]["supportedModelFormats"]]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert (model["modelFormat"]["name"], model["modelFormat"]["version"]) in formats
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]


def test_container_is_the_one_that_kserve_looks_for_and_its_variables_are_documented():
    [container] = read("servingruntime.yaml")["spec"]["containers"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    assert (container["name"], container["args"]) == ("kserve-container", ["serve"])
    assert environ["SAGECASK_MODEL_DIR"] == "/mnt/models"
    assert environ["MODEL_NAME"] == "{{.Name}}"
    assert not [name for name in environ if not re.search(rf"`{name}`", ENVIRONMENT)]


def test_metrics_are_scraped_where_the_server_has_them():
    spec = read("servingruntime.yaml")["spec"]
    environ = {each["name"]: each["value"] for each in spec["containers"][0]["env"]}
    assert spec["annotations"]["prometheus.kserve.io/port"] == environ["SAGECASK_METRICS_PORT"]
    assert spec["annotations"]["prometheus.kserve.io/path"] == "/metrics"


@pytest.mark.parametrize("name", ["servingruntime.yaml", "inferenceservice.yaml"])
def test_field_that_no_resource_has_would_be_found(name):
    form = RUNTIME if name == "servingruntime.yaml" else SERVICE
    assert list(misfits(read(name) | {"sepc": {}}, form, "x")) == ["x: no field sepc"]


@pytest.mark.parametrize("training", [training_on_cpu, training_on_gpus])
def test_training_has_the_fields_of_its_resources(training):
    for resource, form in zip(training(), (CLAIM, TRAINING), strict=True):
        assert list(misfits(resource, form, resource["kind"])) == []


def test_gpus_change_image_device_and_shared_memory_alone():
    cpu, gpu = pod(training_on_cpu()[1]), pod(training_on_gpus()[1])
    expected = copy.deepcopy(cpu)
    for container in [*expected["initContainers"], *expected["containers"]]:
        container["image"] = "sagecask/forecasting-deepar:gpu"
    [train] = expected["containers"]
    train["resources"]["limits"]["nvidia.com/gpu"] = "1"
    train["volumeMounts"].append({"name": "shm", "mountPath": "/dev/shm"})
    expected["volumes"].append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}})
    expected["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert gpu == expected


def test_training_pods_mount_volumes_that_they_have_and_use_documented_variables():
    spec = pod(training_on_cpu()[1])
    names = {volume["name"] for volume in spec["volumes"]}
    containers = [*spec["initContainers"], *spec["containers"]]
    assert {mount["name"] for container in containers for mount in container["volumeMounts"]} == names
    [train] = spec["containers"]
    assert not [each for each in train["env"] if not re.search(rf"`{each['name']}`", ENVIRONMENT)]
    assert train["ports"] == [{"name": "rendezvous", "containerPort": 29500, "protocol": "TCP"}]


def test_job_fails_for_good_by_the_exit_codes_that_trying_again_does_not_change():
    [job] = training_on_cpu()[1]["spec"]["replicatedJobs"]
    [rule] = job["template"]["spec"]["podFailurePolicy"]["rules"]
    assert set(rule["onExitCodes"]["values"]) == {UserError.exit_code, UsageError.exit_code}
    assert rule["onExitCodes"]["containerName"] == pod(training_on_cpu()[1])["containers"][0]["name"]


def test_commands_of_the_page_make_the_config_maps_that_the_pods_mount():
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    made = dict(re.findall(r"^kubectl create configmap (\S+) --from-file=(\S+)$", page, flags=re.MULTILINE))
    mounted = {each["configMap"]["name"] for each in pod(training_on_cpu()[1])["volumes"] if "configMap" in each}
    assert made.keys() == mounted
    for folder in made.values():
        files = list((ROOT / folder).iterdir())
        assert files
        # what a ConfigMap holds at most
        assert sum(file.stat().st_size for file in files) < 1 << 20
    for folder in re.findall(r"kubectl apply -k (deploy/\w+/\w+)", page):
        assert (ROOT / folder / "kustomization.yaml").is_file()
