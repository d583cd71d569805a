"""The body of a request, read whole and no further than the limit, whatever way it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest
from werkzeug.wsgi import get_content_length

from sagecask.errors import PayloadTooLarge, UnsupportedEncoding

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """Return the body of a request, with Content-Length or in chunks.

    Parameters
    ----------
    limit : largest body in bytes; 0 is none

    Raises
    ------
    UnsupportedEncoding : the body is compressed; a small one could unpack to any size
    PayloadTooLarge : the body is over the limit; with Content-Length nothing of it has been read
    BadRequest : the body ends early, or its chunks are malformed
    """
    coding = environ.get("HTTP_CONTENT_ENCODING")
    if coding and coding.lower() != "identity":
        raise UnsupportedEncoding(f'content encoding: identity; got "{coding}"')
    length = get_content_length(environ)
    if limit and length is not None and length > limit:
        raise PayloadTooLarge(f"request body: at most {limit} bytes; got {length}")
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    ceiling = length if length is not None else (limit + 1 if limit else -1)
    body = _read(environ, ceiling)
    if length is not None and len(body) < length:
        raise BadRequest(f"request body: {length} bytes, as Content-Length says; got {len(body)}")
    if limit and len(body) > limit:
        raise PayloadTooLarge(f"request body: at most {limit} bytes; got more, in chunks")
    return body


def _read(environ: WSGIEnvironment, ceiling: int) -> bytes:
    try:
        # the raw stream: werkzeug's own limit would answer 413 without the limit and the size
        body: bytes = environ["wsgi.input"].read(ceiling)
    except ParseException as error:
        raise BadRequest(f"request body: chunks of HTTP/1.1; got {error}") from error
    except OSError as error:
        raise BadRequest(f"request body: sent to its end; got {error}") from error
    return body
