"""Numbers as text: the shortest decimal that reads back as the same float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def cells(numbers: NDArray[np.float32]) -> list[bytes]:
    """Return each number of (n,) float32; whole ones end in `.0`, which `trimmed` takes away.

    >>> import numpy as np
    >>> cells(np.array([0.1, 5, 1e-30], dtype=np.float32))
    [b'0.1', b'5.0', b'1e-30']
    """
    texts: list[bytes] = numbers.astype("S16").tolist()
    return texts


def trimmed(text: bytes, separators: bytes) -> bytes:
    """Return the text without the `.0` of whole numbers; one of the separators stands behind every number."""
    for mark in separators:
        text = text.replace(b".0%c" % mark, b"%c" % mark)
    return text
