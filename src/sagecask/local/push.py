"""Images to a registry, as the single-platform Docker schema 2 manifests that SageMaker takes."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagecask.errors import PlatformError, UsageError, UserError
from sagecask.local.container import engine
from sagecask.local.manifest import SCHEMA_2, media_type

if TYPE_CHECKING:
    from collections.abc import Callable

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of a registry."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image goes: registry host, repository and tag."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def of(cls, image: str, target: str) -> Reference:
        """Return the place of `image` below `target`: a registry, or a repository with or without a tag.

        A bare registry takes the image's own name; a missing tag is the image's own.

        Raises
        ------
        UsageError : the target names no registry
        """
        name, tag = _split_tag(image)
        registry, _, path = target.partition("/")
        if not re.fullmatch(r"localhost|[\w-]+(\.[\w-]+)+(:\d+)?|[\w-]+:\d+", registry):
            raise UsageError(f'push: the repository must begin with the host of a registry; got "{target}"')
        repository, own_tag = _split_tag(path)
        return cls(registry, repository or name, own_tag or tag or "latest")

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}"


def _split_tag(image: str) -> tuple[str, str]:
    # a colon before the last slash belongs to a registry's port
    folder, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{folder}{slash}{name}", tag


def push(image: str, target: str, say: Callable[[str], None]) -> str:
    """Push an image, read its manifest back, and return the reference with its digest.

    Raises
    ------
    UsageError : the target names no registry, or nothing is installed that logs in to ECR
    UserError : the engine does not have the image
    PlatformError : the registry refuses it, or holds a manifest that SageMaker does not take
    """
    reference = Reference.of(image, target)
    client = engine()
    errors = importlib.import_module("docker.errors")
    try:
        credentials = _credentials(reference.registry)
        client.images.get(image).tag(f"{reference.registry}/{reference.repository}", reference.tag)
        login = None
        if credentials is not None:
            login = {"username": credentials.username, "password": credentials.password}
        digest = ""
        for event in client.images.push(
            f"{reference.registry}/{reference.repository}",
            tag=reference.tag,
            stream=True,
            decode=True,
            auth_config=login,
        ):
            if "error" in event:
                raise PlatformError(f"push: {reference.registry} must take {reference}; got {event['error']}")
            digest = event.get("aux", {}).get("Digest", digest)
            # events with a progress detail come by the thousand
            if "status" in event and not event.get("progressDetail"):
                say(" ".join(filter(None, (event.get("id"), event["status"]))))
    except errors.ImageNotFound as error:
        raise UserError(f'push: the image must be in the engine; got "{image}", which is not') from error
    except errors.APIError as error:
        raise PlatformError(f"push: the engine must push {reference}; got {error.explanation}") from error
    finally:
        client.close()
    check(reference, credentials)
    return f"{reference}@{digest}"


def check(reference: Reference, credentials: Credentials | None) -> None:
    """Read the manifest's media type back from the registry.

    Raises
    ------
    PlatformError : it is not Docker schema 2 of a single platform
    """
    login = None if credentials is None else (credentials.username, credentials.password)
    found = media_type(reference.registry, reference.repository, reference.tag, login)
    if found != SCHEMA_2:
        raise PlatformError(
            f"push: the manifest of {reference} must be {SCHEMA_2}, which is all that SageMaker takes; got {found}; "
            "build with DOCKER_BUILDKIT=0, or with buildx and `--provenance=false --output "
            "type=image,oci-mediatypes=false`, on an engine that does not use the containerd image store"
        )


def _credentials(registry: str) -> Credentials | None:
    """Return the login of an ECR registry by the caller's AWS account, else what `docker login` stored."""
    ecr = _ECR.fullmatch(registry)
    if ecr is not None:
        return Credentials("AWS", _ecr_password(ecr["region"]))
    stored = importlib.import_module("docker.auth").load_config().resolve_authconfig(registry)
    if stored and stored.get("username"):
        return Credentials(stored["username"], stored.get("password", ""))
    return None


def _ecr_password(region: str) -> str:
    """Ask the AWS command line for a password of twelve hours, or boto3 where that is missing."""
    aws = shutil.which("aws")
    if aws is not None:
        answer = subprocess.run(
            [aws, "ecr", "get-login-password", "--region", region], capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            raise PlatformError(f"push: aws must log in to ECR; got {' '.join(answer.stderr.split())}")
        return answer.stdout.strip()
    try:
        boto3 = importlib.import_module("boto3")
    except ModuleNotFoundError as error:
        raise UsageError(
            "push: the AWS command line or boto3 must be installed to log in to ECR; got neither"
        ) from error
    botocore = importlib.import_module("botocore.exceptions")
    codec = importlib.import_module("base64")
    try:
        answer = boto3.client("ecr", region_name=region).get_authorization_token()
    except (botocore.BotoCoreError, botocore.ClientError) as error:
        raise PlatformError(f"push: AWS must log in to ECR; got {error}") from error
    token = codec.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    return str(token.partition(":")[2])
