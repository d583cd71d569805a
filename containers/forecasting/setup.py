"""The compiled parts, which pyproject.toml cannot declare for one ABI of all Python versions.

An algorithm's folder `native/` with C sources becomes the extension `native/_compiled` of that algorithm.
"""

from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent
FOLDERS = sorted(path.parent.relative_to(ROOT) for path in ROOT.glob("sagecask_forecasting/*/native/module.c"))


def paths(folder: Path, pattern: str) -> list[str]:
    """Return the matching files of a folder, relative to this one."""
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob(pattern))


setup(
    # the sources are not there where only the dependencies are asked for
    ext_modules=[
        Extension(
            ".".join([*folder.parts, "_compiled"]),
            sources=paths(folder, "*.c"),
            depends=paths(folder, "*.h"),
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            extra_compile_args=["-std=c11", "-O3", "-ffp-contract=fast"],
            libraries=["m"],
            py_limited_api=True,
        )
        for folder in FOLDERS
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if FOLDERS else {},
)
