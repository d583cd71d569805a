"""What a channel of a local job consists of, found as the platform finds it in S3 (API S3DataSource)."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from sagecask.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask.local.channel import LocalChannel


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One object, or one attribute of a manifest's line.

    name : key below the channel's prefix
    content : the file that holds the bytes, or the bytes
    """

    name: str
    content: Path | bytes


def objects(name: str, channel: LocalChannel) -> list[SourceObject]:
    """Return a host's objects of a channel by name, sorted as keys are, or in the order of its manifest.

    Raises
    ------
    UserError : the manifest is none, or names what is not there
    """
    rank, size = channel.share
    return _objects(name, channel)[rank::size]


def _objects(name: str, channel: LocalChannel) -> list[SourceObject]:
    path = channel.path
    if channel.data_type == "ManifestFile":
        return list(_listed(path, f'channel "{name}", {path.name}'))
    if path.is_file():
        return [SourceObject(path.name, path)]
    files = (each for each in path.rglob("*") if each.is_file())
    return sorted(
        (SourceObject(each.relative_to(path).as_posix(), each) for each in files), key=lambda piece: piece.name
    )


def lines(name: str, channel: LocalChannel) -> list[tuple[SourceObject, ...]]:
    """Return the attributes of each of a host's lines of an augmented manifest, in the order of their names.

    Raises
    ------
    UserError : a line is no JSON object, lacks an attribute, or refers to what is not there
    """
    where = f'channel "{name}", {channel.path.name}'
    found = []
    for number, text in enumerate(_text(channel.path, where).split("\n"), 1):
        if text.strip():
            place = f"{where}, line {number}"
            line = _json(text, place)
            if not isinstance(line, dict):
                raise UserError(f"{place}: a JSON object is needed; got {type(line).__name__}")
            found.append(tuple(_attribute(line, each, channel.path, place) for each in channel.attribute_names))
    rank, size = channel.share
    return found[rank::size]


def _attribute(line: dict[str, Any], attribute: str, manifest: Path, where: str) -> SourceObject:
    value = line.get(attribute)
    if value is None:
        raise UserError(f'{where}: the attribute "{attribute}" is needed; got {", ".join(line) or "none"}')
    if attribute.endswith("-ref"):
        if not isinstance(value, str):
            raise UserError(f'{where}: "{attribute}" must be text; got {type(value).__name__}')
        return SourceObject(value, _resolved(value, manifest, where))
    # a text as it is, numbers as their digits, lists and objects as JSON
    return SourceObject(attribute, (value if isinstance(value, str) else json.dumps(value)).encode())


def _listed(manifest: Path, where: str) -> Iterator[SourceObject]:
    content = _json(_text(manifest, where), where)
    head, *names = content if isinstance(content, list) and content else [None]
    prefix = head.get("prefix") if isinstance(head, dict) else None
    if not isinstance(prefix, str) or not prefix:
        raise UserError(f'{where}: a JSON list that begins with {{"prefix": "..."}} is needed; got another')
    if not names:
        raise UserError(f"{where}: one or more names are needed behind the prefix; got none")
    for name in names:
        if not isinstance(name, str):
            raise UserError(f"{where}: names as texts are needed; got {json.dumps(name)}")
        if ".." in PurePosixPath(name).parts or name.startswith("/"):
            raise UserError(f'{where}: names below the prefix are needed; got "{name}"')
        # nothing stands between prefix and name
        yield SourceObject(name, _resolved(prefix + name, manifest, where))


def _resolved(address: str, manifest: Path, where: str) -> Path:
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise UserError(f'{where}: an address is needed; got "{address}" ({error})') from error
    if parts.scheme not in {"", "file"}:
        raise UserError(f'{where}: a file of this machine is needed in a local job; got "{address}"')
    path = manifest.parent / (unquote(parts.path) if parts.scheme else address)
    # `Path.is_file` raises for a name that is too long
    if not os.path.isfile(path):  # noqa: PTH113
        raise UserError(f'{where}: a file that exists is needed; got "{address}"')
    return path.resolve()


def _text(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{where}: a readable file in UTF-8 is needed; got {error}") from error


def _json(text: str, where: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: JSON is needed; got {error}") from error
