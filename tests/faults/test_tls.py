"""TLS: whom it trusts, how it ends, and what it must not hide."""

import gzip
import ssl
import subprocess
import time

import pytest

from fastdag.errors import UpstreamConnectError, UpstreamProtocolError, UpstreamTimeout
from fastdag.upstream.call import Host
from tests.faults.rows import OK
from tests.machine import PAUSE

BARE = "HTTP/1.1 200 OK\r\n\r\nok"


@pytest.fixture
def ca(upstream):
    return str(upstream.folder / "ca.pem")


@pytest.fixture
def tls(make_client, ca):
    return make_client(verify=ca)


def test_trusted_by_the_given_ca(tls):
    for _ in range(3):
        tls.healthy("good")
    assert tls.upstream.order()["connections"] == 1


def test_name_is_checked_and_sent(tls):
    port = tls.upstream.ports["good"]
    tls.healthy(Host.parse(f"https://localhost:{port}"))
    with pytest.raises(UpstreamConnectError, match=r"127\.0\.0\.2"):
        tls.call("/", host=Host.parse(f"https://127.0.0.2:{port}"))


@pytest.mark.parametrize(("name", "why"), [("expired", "expired"), ("stranger", "self-signed"), ("old", "TLS")])
def test_u44_not_to_be_trusted(tls, name, why):
    with pytest.raises(UpstreamConnectError, match=why) as caught:
        tls.call("/", host=name)
    assert not caught.value.sent
    assert caught.value.hopeless


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_u44_environment_changes_no_trust(make_client, ca, monkeypatch, variable):
    monkeypatch.setenv(variable, ca)
    with pytest.raises(UpstreamConnectError, match="verify failed"):
        make_client().call("/", host="good")


def test_u44_without_verification(make_client):
    make_client(verify=False).healthy("stranger")


def test_own_context(make_client, ca):
    make_client(verify=ssl.create_default_context(cafile=ca)).healthy("good")


def test_ca_folder(make_client, upstream, tmp_path):
    (tmp_path / "ca.pem").write_bytes((upstream.folder / "ca.pem").read_bytes())
    subprocess.run(["openssl", "rehash", tmp_path], check=True, capture_output=True)
    make_client(verify=str(tmp_path)).healthy("good")


def test_client_certificate(make_client, upstream, ca):
    folder = upstream.folder
    client = make_client(verify=ca, cert=(str(folder / "client.pem"), str(folder / "client.key")))
    client.healthy("good")
    client.healthy("mutual")
    with pytest.raises((UpstreamConnectError, UpstreamProtocolError)):
        make_client(verify=ca).call("/", host="mutual", idempotent=False)


def test_u44_no_server_hello(make_client):
    client = make_client(connect_timeout=0.1)
    started = time.monotonic()
    with pytest.raises(UpstreamTimeout) as caught:
        client.call("/", host=Host.parse(f"https://127.0.0.1:{client.upstream.ports['mute']}"))
    assert not caught.value.sent
    assert time.monotonic() - started < 0.1 + PAUSE


def test_end_with_close_notify_is_an_end(tls):
    assert tls.call(tls.upstream.script(("send", BARE), ("fin",)), host="good").content == b"ok"


def test_end_without_close_notify_is_a_cut(tls):
    with pytest.raises(UpstreamProtocolError, match="close_notify"):
        tls.call(tls.upstream.script(("send", BARE), ("fin", "raw")), host="good")


def test_two_answers_in_one_record(tls):
    assert tls.call(tls.upstream.script(("send", OK + OK)), host="good").content == b"ok"
    assert tls.transport.dropped == {"unsolicited_bytes": 1}


def test_bytes_on_an_idle_connection(tls):
    tls.call(tls.upstream.script(("send", OK), ("sleep", 0.01), ("send", OK)), host="good")
    tls.upstream.until_something_arrived("good")
    tls.healthy("good")
    assert tls.transport.dropped == {"unsolicited_bytes": 1}


def test_large_bodies_both_ways(tls):
    answer = gzip.compress(bytes(1 << 20)).decode("latin-1")
    path = tls.upstream.script(
        ("body",),
        ("send", f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(answer)}\r\n\r\n{answer}"),
    )
    assert tls.call(path, method="POST", body=bytes(3 << 20), host="good").content == bytes(1 << 20)
    plain = tls.upstream.script(("send", f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 20}\r\n\r\n" + "x" * (1 << 20)))
    assert len(tls.call(plain, host="good").content) == 1 << 20


@pytest.mark.parametrize("split", [0, 1, 7])
def test_split_records(tls, split):
    assert tls.call(tls.upstream.script(("send", OK), split=split), host="good").content == b"ok"


def test_upstream_that_does_not_read(tls):
    with pytest.raises(UpstreamTimeout):
        tls.call(
            tls.upstream.script(("no_read", 1), ("fin",)),
            method="POST",
            body=bytes(5 << 20),
            host="good",
            seconds=0.1,
        )
    assert "[0 active, 0 idle]" in repr(tls.transport)


def test_early_answer(tls):
    early = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
    path = tls.upstream.script(("send", early), ("no_read", 0.1), ("fin",))
    assert tls.call(path, method="POST", body=bytes(5 << 20), host="good").content == b"big"
