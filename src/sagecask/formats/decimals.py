"""Numbers as text: the shortest decimal that reads back as the same float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cells(numbers: NDArray[np.float32]) -> list[bytes]:
    """Return each number of (n,) float32; whole ones may end in `.0`, which `trimmed` takes away.

    >>> cells(np.array([0.1, 5, 1e-30, 1234567], dtype=np.float32))
    [b'0.1', b'5.0', b'1e-30', b'1234567']
    """
    texts = numbers.astype("S16")
    # numpy turns to exponents at a million, which people and other tools take for measured quantities
    large = (np.abs(numbers) >= 1e6) & (np.abs(numbers) < 1e15) & (np.floor(numbers) == numbers)
    texts[large] = numbers[large].astype(np.int64).astype("S16")
    listed: list[bytes] = texts.tolist()
    return listed


def trimmed(text: bytes, separators: bytes) -> bytes:
    """Return the text without the `.0` of whole numbers; one of the separators stands behind every number."""
    for mark in separators:
        text = text.replace(b".0%c" % mark, b"%c" % mark)
    return text
