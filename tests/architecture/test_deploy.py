"""The Kubernetes manifests hold the fields of KServe's published resources, and say what the image understands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kserve"
ENVIRONMENT = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
# fields, as the resources of KServe 0.15 and Pods have them, down to what the manifests use; None is any value
PROBE = {"httpGet": {"path": str, "port": int}, "periodSeconds": int, "timeoutSeconds": int, "failureThreshold": int}
QUANTITIES = {"cpu": str, "memory": str}
CONTAINER = {
    "name": str,
    "image": str,
    "args": [str],
    "env": [{"name": str, "value": str}],
    "ports": [{"containerPort": int, "protocol": str, "name": str}],
    "readinessProbe": PROBE,
    "livenessProbe": PROBE,
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "readOnlyRootFilesystem": bool,
        "runAsNonRoot": bool,
        "runAsUser": int,
        "capabilities": {"drop": [str]},
    },
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


def read(name):
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


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
