import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError
from sagecask.formats import lines
from sagecask.formats.lines import blocks, quote, utf8

CHARSETS = ["utf-8", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "iso-8859-15"]


@given(st.binary() | st.binary().map(b"\xff\xfe".__add__), st.sampled_from(CHARSETS))
def test_arbitrary_bytes_in_any_charset_are_text_or_refused(body: bytes, charset: str):
    with suppress(DataError):
        utf8(body, charset, "f")
    with suppress(DataError):
        list(blocks(io.BytesIO(body), charset, "f"))


@given(st.lists(st.text(alphabet="aä€\n", max_size=20)), st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-16-le"]))
def test_blocks_join_to_the_whole_text(texts: list[str], charset: str):
    text = "".join(texts)
    found = list(blocks(io.BytesIO(text.encode(charset)), charset, "f"))
    assert b"".join(block for _, block in found).decode() == text
    assert utf8(text.encode(charset), charset, "f").decode() == text


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
@pytest.mark.parametrize("block_bytes", [1, 7, 20, 1000])
def test_blocks_are_whole_lines_with_the_number_of_the_first(
    charset: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lines, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(lines, "LINE_BYTES", 3)
    text = "".join(f"{'x' * (number * 7 % 23)}\n" for number in range(50)) + "end"
    found = list(blocks(io.BytesIO(text.encode(charset)), charset, "f"))
    line = 1
    for number, block in found[:-1]:
        assert number == line
        assert block.endswith(b"\n")
        line += block.count(b"\n")
    assert b"".join(block for _, block in found).decode(charset) == text
    assert found[-1][0] == line


def test_quote_is_short_and_printable():
    assert quote('a"b') == '"a"b"'
    assert quote("x" * 60) == '"' + "x" * 50 + '"'
    assert quote("a\x00\n\ud800é") == '"a\\x00\\n\\ud800é"'


@pytest.mark.parametrize("name", ["", "a\x00b", "zlib", "idna", "x" * 300])
def test_name_that_is_no_charset_is_refused(name: str):
    with pytest.raises(DataError) as caught:
        utf8(b"1", name, "f")
    assert str(caught.value) == f"f: a charset such as utf-8, iso-8859-1 or utf-16 is needed; got {quote(name)}"
