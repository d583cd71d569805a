"""Install packages of this repository and exactly what constraints.txt pins for them: wheels only, hashes checked.

    python images/install.py dependencies ENVIRONMENT PACKAGE...
    python images/install.py packages [--editable | --root FOLDER] ENVIRONMENT PACKAGE...

ENVIRONMENT is a virtual environment, with or without pip; PACKAGE a folder with a pyproject.toml, extras in brackets
(`containers/boosting[cpu]`). Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def canonical(name: str) -> str:
    """Return a distribution's name in the form that compares equal (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(constraints: Path) -> dict[str, dict[str, str]]:
    """Return canonical name to version to requirement, hashes included, of every pin in a constraints file.

    A distribution may have two builds of one version, as torch has: `2.13.0` for CUDA and `2.13.0+cpu`.
    """
    text = re.sub(r"\\\n", " ", constraints.read_text(encoding="utf-8"))
    found: dict[str, dict[str, str]] = {}
    for line in (line.split("#")[0].strip() for line in text.splitlines()):
        if pin := re.match(r"([^=\s]+)==([^\s;]+)", line):
            found.setdefault(canonical(pin[1]), {})[pin[2]] = line
    return found


def allowed(pinned: Mapping[str, Mapping[str, str]], *, gpu: bool) -> list[str]:
    """Return the lines that hold a resolver to the pinned versions.

    Any build of a pinned version satisfies its line, and pip prefers one with a local name, `2.13.0+cpu`, to the plain
    one: so a build for CPUs alone is taken where pip is shown it, unless `gpu` refuses it.
    """
    lines = [builds[min(builds, key=len)].split(" --hash")[0] for builds in pinned.values()]
    if gpu:
        lines += [f"{name}!={build}" for name, builds in pinned.items() for build in builds if "+" in build]
    return lines


def run(*command: str | Path) -> None:
    """Run a command; its failure ends this program with its exit code."""
    done = subprocess.run([str(word) for word in command], env={**os.environ, **QUIET}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


class Installer:
    """A pip of its own, in a folder that goes away, so that the target environment needs none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pinned = pins(CONSTRAINTS)
        venv.create(folder / "pip", with_pip=True, symlinks=True)
        self.python = folder / "pip" / "bin" / "python"
        self.install_pinned(self.python, {"setuptools": next(iter(self.pinned["setuptools"]))})

    def pip(self, *arguments: str | Path) -> None:
        """Run pip."""
        run(self.python, "-m", "pip", *arguments)

    def wheel(self, package: str) -> str:
        """Build a local package and return its wheel's path, with the extras asked for."""
        folder, bracket, extras = package.partition("[")
        out = Path(tempfile.mkdtemp(dir=self.folder))
        self.pip("wheel", "-qq", "--no-deps", "--no-build-isolation", "--wheel-dir", out, Path(folder).resolve())
        (built,) = out.glob("*.whl")
        return f"{built}{bracket}{extras}"

    def closure(self, wheels: list[str]) -> dict[str, str]:
        """Return name to version of everything that the local wheels need from elsewhere."""
        versions, report = self.folder / "versions.txt", self.folder / "report.json"
        lines = allowed(self.pinned, gpu=any(re.search(r"[\[,]gpu[],]", wheel) for wheel in wheels))
        versions.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        options = ["--dry-run", "--ignore-installed", "--only-binary", ":all:", "--constraint", versions]
        self.pip("install", "-qq", *options, "--report", report, *wheels)
        chosen = json.loads(report.read_text(encoding="utf-8"))["install"]
        found = {canonical(item["metadata"]["name"]): item["metadata"]["version"] for item in chosen}
        return {name: found[name] for name in sorted(found) if name.partition("-")[0] != "sagecask"}

    def install_pinned(self, python: Path, versions: Mapping[str, str]) -> None:
        """Install distributions that constraints.txt pins into the environment of `python`."""
        missing = [name for name in versions if versions[name] not in self.pinned.get(name, {})]
        if missing:
            sys.exit(f"constraints.txt: must pin {', '.join(missing)}; got no such line: run `make lock`")
        requirements = self.folder / "requirements.txt"
        lines = (f"{self.pinned[name][version]}\n" for name, version in versions.items())
        requirements.write_text("".join(lines), encoding="utf-8")
        options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-compile"]
        self.pip("--python", python, "install", "-qq", *options, "--requirement", requirements)

    def install_local(self, python: Path, packages: list[str], root: Path | None) -> None:
        """Install local packages themselves, below `root` where one is given."""
        wheels = [self.wheel(package.partition("[")[0]) for package in packages]
        where = ["--root", root] if root else []
        options = ["--no-deps", "--no-index", "--no-compile", "--force-reinstall"]
        self.pip("--python", python, "install", "-qq", *options, *where, *wheels)

    def link_local(self, python: Path, packages: list[str]) -> None:
        """Let the environment find local packages where they are; it must have setuptools."""
        links = [word for package in packages for word in ("--editable", package.partition("[")[0])]
        self.pip("--python", python, "install", "-qq", "--no-deps", "--no-build-isolation", *links)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    dependencies = commands.add_parser("dependencies", help="install what the packages need from elsewhere")
    packages = commands.add_parser("packages", help="install the packages themselves")
    packages.add_argument("--editable", action="store_true", help="link them instead of copying them")
    packages.add_argument("--root", type=Path, help="lay the files below this folder, to be copied over / later")
    for command in (dependencies, packages):
        command.add_argument("environment", type=Path, metavar="ENVIRONMENT")
        command.add_argument("packages", nargs="+", metavar="PACKAGE")
    return parser.parse_args()


def main() -> None:
    """Install what the command line asks for."""
    options = arguments()
    python = options.environment.absolute() / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        installer = Installer(Path(folder))
        if options.command == "dependencies":
            wheels = [installer.wheel(package) for package in options.packages]
            installer.install_pinned(python, installer.closure(wheels))
        elif options.editable:
            installer.link_local(python, options.packages)
        else:
            installer.install_local(python, options.packages, options.root)


if __name__ == "__main__":
    main()
