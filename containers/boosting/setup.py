"""The compiled forest, which pyproject.toml cannot declare for one ABI of all Python versions.

Optional: where there is no C compiler the package installs without it, and the training library predicts everything.
"""

from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent
FOLDER = Path("sagecask_boosting/native")

forest = Extension(
    "sagecask_boosting.native._forest",
    sources=sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).glob("*.c")),
    depends=sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).glob("*.h")),
    define_macros=[("Py_LIMITED_API", "0x030b0000")],
    # sums and products are rounded one by one, as the library rounds them
    extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off"],
    libraries=["m"],
    py_limited_api=True,
    optional=True,
)

setup(
    # the sources are not there where only the dependencies are asked for
    ext_modules=[forest] if forest.sources else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if forest.sources else {},
)
