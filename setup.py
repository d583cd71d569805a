"""The compiled core, which pyproject.toml cannot declare for one ABI of all Python versions.

Optional: where there is no C compiler the package installs without it, and numpy and protobuf do its work.
"""

from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent
FOLDER = Path("src/sagecask/native")

core = Extension(
    "sagecask.native._core",
    sources=sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).glob("*.c")),
    depends=sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).glob("*.h")),
    define_macros=[("Py_LIMITED_API", "0x030b0000")],
    extra_compile_args=["-std=c11", "-O3"],
    py_limited_api=True,
    optional=True,
)

setup(
    # the sources are not there where only the dependencies are asked for
    ext_modules=[core] if core.sources else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if core.sources else {},
)
