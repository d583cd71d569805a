"""Inputs that fuzzers found, each as the decoders' own and as something that another decoder is handed by mistake."""

import logging
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
DECODERS = runpy.run_path(str(FOLDER / "decoders.py"))["DECODERS"]
CORPUS = [path.read_bytes() for path in sorted((FOLDER / "corpus").rglob("*")) if path.is_file()]


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_input_is_read_or_refused(decoder: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR)
    for data in CORPUS:
        DECODERS[decoder](data)


def test_corpus_has_inputs_of_every_decoder_and_stays_small():
    assert {path.name for path in (FOLDER / "corpus").iterdir()} == set(DECODERS)
    assert sum(map(len, CORPUS)) < 64 * 1024
