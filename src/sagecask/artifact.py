"""Model folder and model.tar.gz: written whole or not at all, signed with the algorithm's name, unpacked safely."""

from __future__ import annotations

import json
import lzma
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagecask import __version__
from sagecask.errors import ModelDataError

if TYPE_CHECKING:
    from sagecask.algorithm import AnyModel, Declaration

MANIFEST = "sagecask.json"
CHUNK_BYTES = 1024 * 1024
# what tarfile raises for bytes that are not as they should be: KeyError for a link to a member that is not there,
# MemoryError for xz that asks for more than there is
_UNSOUND = (
    tarfile.TarError, EOFError, OSError, KeyError, ValueError, OverflowError, MemoryError, zlib.error, lzma.LZMAError,
)  # fmt: skip


def save(model: AnyModel, folder: Path, declaration: Declaration) -> None:
    """Write a model and its manifest into `folder`, each file by one rename, so that readers find whole files only.

    The files of an earlier save that this one does not have are deleted; anything else in the folder stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _manifest(folder).get("files", [])
    with tempfile.TemporaryDirectory(prefix=".saving-", dir=folder) as name:
        fresh = Path(name)
        model.save(fresh)
        files = sorted(path.name for path in fresh.iterdir())
        manifest = {"algorithm": declaration.name, "sagecask": __version__, "files": files}
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for file in [*files, MANIFEST]:
            (fresh / file).replace(folder / file)
    for file in set(before) - set(files):
        # a name with folders in it is not of our writing
        (folder / Path(file).name).unlink(missing_ok=True)


def algorithm_of(folder: Path) -> str | None:
    """Return the algorithm that the manifest names; None without a manifest, as in artifacts of other containers.

    Raises
    ------
    ModelDataError : the manifest is not what `save` writes
    """
    manifest = _manifest(folder)
    name = manifest.get("algorithm")
    if manifest and not isinstance(name, str):
        raise ModelDataError(f'{folder / MANIFEST}: the key "algorithm" is needed; got {sorted(manifest)}')
    return name


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise ModelDataError(f"{path}: a manifest in JSON; got {error}") from error
    if not isinstance(manifest, dict):
        raise ModelDataError(f"{path}: a JSON object; got {type(manifest).__name__}")
    return manifest


def pack(folder: Path, archive: Path) -> None:
    """Write model.tar.gz: every file with its path relative to `folder`, no leading folder (formats 11.1)."""
    temporary = archive.with_name(f".{archive.name}.tmp")
    with tarfile.open(temporary, "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    temporary.replace(archive)


def unpacked_size(archive: Path) -> int:
    """Return how many bytes the files of an archive take once unpacked.

    Raises
    ------
    ModelDataError : no gzip-compressed tar, or damaged
    """
    try:
        with tarfile.open(archive, "r:*") as tar:
            size = sum(member.size for member in tar)
            _check_to_the_end(tar)
            return size
    except _UNSOUND as error:
        raise ModelDataError(f"{archive}: a model archive (tar, gzip-compressed); got {_in_one_line(error)}") from error


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a model archive; members that would leave `folder`, links out of it and devices are refused.

    Raises
    ------
    ModelDataError : no gzip-compressed tar, damaged, or with such a member
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as tar:
            tar.extractall(folder, filter="data")
            _check_to_the_end(tar)
    except _UNSOUND as error:
        raise ModelDataError(f"{archive}: a model archive (tar, gzip-compressed); got {_in_one_line(error)}") from error


def _check_to_the_end(tar: tarfile.TarFile) -> None:
    """Read what follows the last member: a compressed file's checksum stands behind it."""
    while tar.fileobj is not None and tar.fileobj.read(CHUNK_BYTES):
        pass


def _in_one_line(error: Exception) -> str:
    """Return what tarfile says, which is a line for each compression that it tried."""
    return "; ".join(str(error).splitlines()) or type(error).__name__
