"""Coverage-guided fuzzing of one Python decoder: `python tests/fuzz/fuzz.py csv FOLDER -max_total_time=60`.

Options of libFuzzer follow the folder, which collects what reached new code. Address space is bounded to what the
interpreter has taken before the first input and MEMORY_BYTES more.
"""

from __future__ import annotations

import gc
import logging
import resource
import sys
import warnings
from pathlib import Path

import atheris

MEMORY_BYTES = 1 << 30

with atheris.instrument_imports(
    include=["sagecask", "sagecask_boosting", "numpy.lib", "zipfile", "gzip", "tarfile", "json", "csv"]
):
    sys.path.insert(0, str(Path(__file__).parent))
    from decoders import DECODERS

    from sagecask.formats import order


def main() -> None:
    decoder = DECODERS[sys.argv[1]]
    warnings.simplefilter("error")
    # numpy's word on headers of Python 2
    warnings.filterwarnings("ignore", "Reading `.npy`")
    logging.disable()
    # threads would cost more than what they decode
    order.MAX_THREADS = 1
    gc.collect()
    taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))
    atheris.Setup([sys.argv[0], *sys.argv[2:]], decoder)
    atheris.Fuzz()


main()
