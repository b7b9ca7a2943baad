"""Content codings in bounded steps."""

import gzip
import importlib.util
import zlib

import pytest

from fastdag.deadline import now
from fastdag.errors import UpstreamDecodeError, UpstreamTimeout, UpstreamTooLarge
from fastdag.upstream.transport.decode import ACCEPTED, Decoder, decoded

DATA = b"0123456789" * 50_000


def optional(package, compress):
    """A coding whose package may not be here."""
    missing = importlib.util.find_spec(package) is None
    return pytest.param(compress, marks=pytest.mark.skipif(missing, reason=f"{package} is not installed"))


def with_brotli(data):
    import brotli

    return b"br", brotli.compress(data, quality=5)


def with_zstd(data):
    import zstandard

    return b"zstd", zstandard.compress(data)


CODINGS = [
    pytest.param(lambda data: (b"gzip", gzip.compress(data)), id="gzip"),
    pytest.param(lambda data: (b"deflate", zlib.compress(data)), id="deflate"),
    optional("brotli", with_brotli),
    optional("zstandard", with_zstd),
]


@pytest.mark.parametrize("compress", CODINGS)
def test_whole_and_byte_by_byte(compress):
    coding, packed = compress(DATA)
    assert coding.decode() in ACCEPTED
    assert decoded(packed, coding, max_bytes=len(DATA), deadline=now() + 5) == DATA
    decoder = Decoder(coding, max_bytes=len(DATA), deadline=now() + 5)
    assert b"".join(piece for byte in packed for piece in decoder.feed(bytes((byte,)))) == DATA
    decoder.finish()


@pytest.mark.parametrize("compress", CODINGS)
def test_one_byte_over_the_limit(compress):
    coding, packed = compress(DATA)
    with pytest.raises(UpstreamTooLarge) as caught:
        decoded(packed, coding, max_bytes=len(DATA) - 1, deadline=now() + 5)
    assert (caught.value.sent, caught.value.received) == (True, True)


@pytest.mark.parametrize("compress", CODINGS)
def test_cut_or_broken(compress):
    coding, packed = compress(DATA)
    for broken in (packed[:-5], b"\1\2\3\4" + packed[4:], packed[:1]):
        with pytest.raises(UpstreamDecodeError):
            decoded(broken, coding, max_bytes=1 << 20, deadline=now() + 5)


@pytest.mark.parametrize("compress", CODINGS)
def test_u50_bomb_is_given_up_in_small_steps(compress):
    coding, packed = compress(bytes(64 << 20))
    decoder = Decoder(coding, max_bytes=2 << 20, deadline=now() + 5)
    largest = 0
    with pytest.raises(UpstreamTooLarge):
        for piece in decoder.feed(packed):
            largest = max(largest, len(piece))
    assert largest <= 4 << 20


def test_deadline_holds_for_decoding():
    with pytest.raises(UpstreamTimeout):
        decoded(gzip.compress(DATA), b"gzip", max_bytes=1 << 20, deadline=now() - 1)


def test_what_the_second_coding_makes_nothing_of_is_bounded_too():
    """Padding after the inner member gives nothing, however much of it the outer one becomes."""
    inner = gzip.compress(b"{}") + bytes(30 << 20)
    with pytest.raises(UpstreamTooLarge):
        decoded(gzip.compress(inner), b"gzip, gzip", max_bytes=2 << 20, deadline=now() + 5)
    with pytest.raises(UpstreamTimeout):
        decoded(gzip.compress(inner), b"gzip, gzip", max_bytes=1 << 30, deadline=now())


def test_members_of_gzip_are_counted():
    assert decoded(gzip.compress(b"ab") * 1000, b"gzip", max_bytes=2000, deadline=now() + 5) == b"ab" * 1000
    with pytest.raises(UpstreamDecodeError, match="more than 1000 members"):
        decoded(gzip.compress(b"") * 1001, b"gzip", max_bytes=2000, deadline=now() + 5)
