"""`sagecask push` against Debian's docker-registry on the loopback interface."""

import hashlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import docker
import pytest

from sagecask.errors import PlatformError, UsageError, UserError
from sagecask.local.manifest import media_type
from sagecask.local.push import Credentials, Reference, _credentials, check, push

pytestmark = pytest.mark.image

SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def registry(tmp_path, free_port):
    """A registry's address."""
    program = shutil.which("docker-registry")
    assert program, "the package docker-registry is needed"
    config = tmp_path / "registry.yml"
    storage = json.dumps(str(tmp_path / "storage"))
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {storage}}}}}\n"
        f"http: {{addr: '127.0.0.1:{free_port}'}}\n"
    )
    process = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"127.0.0.1:{free_port}"
    try:
        wait_until_it_answers(f"http://{address}/v2/")
        yield address
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def image(tmp_path):
    """A small image of our own, so that the test needs no build."""
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY Dockerfile /\nCMD ["/none"]\n')
    client = docker.from_env()
    try:
        name = "sagecask-test/push:1"
        built, _ = client.images.build(path=str(tmp_path), tag=name, rm=True)
        yield name
        # by its id, so that the names under which it was pushed go as well
        client.images.remove(built.id, force=True)
    finally:
        client.close()


def wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} does not answer")


def send(url: str, method: str, body: bytes = b"", content_type: str = "application/octet-stream") -> str:
    request = urllib.request.Request(url, body, {"Content-Type": content_type}, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers.get("Location", "")


def put_blob(registry: str, content: bytes) -> dict[str, object]:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    place = send(f"http://{registry}/v2/oci/blobs/uploads/", "POST")
    send(f"{place}{'&' if '?' in place else '?'}digest={digest}", "PUT", content)
    return {"digest": digest, "size": len(content), "mediaType": "application/vnd.oci.image.config.v1+json"}


def test_pushed_image_has_a_docker_schema_2_manifest(registry, image):
    said: list[str] = []
    pushed = push(image, registry, said.append)
    assert pushed.startswith(f"{registry}/sagecask-test/push:1@sha256:")
    assert media_type(registry, "sagecask-test/push", "1") == SCHEMA_2
    assert any("Pushed" in line for line in said)


def test_repository_and_tag_are_taken_as_given(registry, image):
    assert push(image, f"{registry}/own/name:2", lambda _: None).startswith(f"{registry}/own/name:2@sha256:")
    assert media_type(registry, "own/name", "2") == SCHEMA_2


def test_oci_manifest_is_refused_with_advice(registry):
    manifest = {"schemaVersion": 2, "mediaType": OCI, "config": put_blob(registry, b"{}"), "layers": []}
    send(f"http://{registry}/v2/oci/manifests/1", "PUT", json.dumps(manifest).encode(), OCI)
    with pytest.raises(PlatformError) as caught:
        check(Reference(registry, "oci", "1"), None)
    assert str(caught.value) == (
        f"push: the manifest of {registry}/oci:1 must be {SCHEMA_2}, which is all that SageMaker takes; got {OCI}; "
        "build with DOCKER_BUILDKIT=0, or with buildx and `--provenance=false --output "
        "type=image,oci-mediatypes=false`, on an engine that does not use the containerd image store"
    )


def test_image_that_the_engine_does_not_have_is_refused(registry):
    with pytest.raises(UserError) as caught:
        push("sagecask-test/nothing:1", registry, lambda _: None)
    assert str(caught.value) == 'push: the image must be in the engine; got "sagecask-test/nothing:1", which is not'


def test_registry_that_does_not_answer_is_named(image, free_port):
    with pytest.raises(PlatformError) as caught:
        push(image, f"127.0.0.1:{free_port}", lambda _: None)
    assert str(caught.value).startswith(
        f"push: 127.0.0.1:{free_port} must take 127.0.0.1:{free_port}/sagecask-test/push:1; got "
    )


def test_ecr_login_asks_the_aws_command_line(tmp_path, monkeypatch):
    aws = tmp_path / "aws"
    aws.write_text('#!/bin/sh\n[ "$*" = "ecr get-login-password --region eu-west-1" ] && echo secret\n')
    aws.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _credentials(ECR) == Credentials("AWS", "secret")


def test_ecr_login_without_anything_that_can_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        _credentials(ECR)
    assert str(caught.value) == ("push: the AWS command line or boto3 must be installed to log in to ECR; got neither")
