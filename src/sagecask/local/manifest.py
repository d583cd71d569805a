"""The media type of a manifest, read over the registry's HTTP API."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.parse
import urllib.request

from sagecask.errors import PlatformError

SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"
# a registry answers with what it holds only where Accept names it
_KNOWN = (
    SCHEMA_2,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_TIMEOUT_SECONDS = 60


def media_type(registry: str, repository: str, tag: str, login: tuple[str, str] | None = None) -> str:
    """Return the media type of the manifest behind a tag.

    Parameters
    ----------
    login : user and password, for registries that ask for them

    Raises
    ------
    PlatformError : the registry does not show it
    """
    # the engine, too, speaks plain HTTP to the loopback interface
    scheme = "http" if _loopback(f"//{registry}") else "https"
    url = f"{scheme}://{registry}/v2/{repository}/manifests/{tag}"
    basic = None if login is None else "Basic " + base64.b64encode(":".join(login).encode()).decode()
    try:
        return _ask(url, basic)
    except urllib.error.HTTPError as error:
        challenge = error.headers.get("WWW-Authenticate", "")
        if error.code != 401 or not challenge.lower().startswith("bearer "):
            raise PlatformError(f"push: {url} must show the manifest; got {error.code} {error.reason}") from error
        try:
            return _ask(url, "Bearer " + _token(challenge, basic))
        except (urllib.error.URLError, ValueError, KeyError) as second:
            raise PlatformError(f"push: {url} must show the manifest; got {second}") from second
    except urllib.error.URLError as error:
        raise PlatformError(f"push: {url} must show the manifest; got {error.reason}") from error


def _ask(url: str, authorization: str | None) -> str:
    headers = {"Accept": ", ".join(_KNOWN)} | ({"Authorization": authorization} if authorization else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is one of two literals
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        content = json.loads(response.read())
        # an OCI manifest need not repeat its type in the body; the header always has it
        return str(content.get("mediaType") or response.headers.get_content_type())


def _token(challenge: str, basic: str | None) -> str:
    """Ask the server that a 401 names for a token (docker distribution, token authentication)."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm")
    if not realm.startswith("https://") and not _loopback(realm):
        raise ValueError(f"a token server without TLS: {realm}")
    request = urllib.request.Request(  # noqa: S310 - checked above
        f"{realm}?{urllib.parse.urlencode(fields)}", headers={"Authorization": basic} if basic else {}
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        content = json.loads(response.read())
    return str(content.get("token") or content["access_token"])


def _loopback(url: str) -> bool:
    return bool(re.fullmatch(r"localhost|127(\.\d+){3}", urllib.parse.urlsplit(url).hostname or ""))
