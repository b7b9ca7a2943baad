"""Which failures of TLS another attempt cannot mend, for both transports alike."""

import socket

import pytest
from gevent.server import StreamServer

from fastdag.errors import UpstreamConnectError
from fastdag.upstream.call import Host


@pytest.fixture(params=["native", "requests"])
def tls(request, make_client, upstream):
    return make_client(request.param, verify=str(upstream.folder / "ca.pem"))


@pytest.mark.parametrize("name", ["expired", "stranger", "old"])
def test_u44_what_is_not_to_be_trusted_is_refused_for_good(tls, name):
    with pytest.raises(UpstreamConnectError) as caught:
        tls.call("/", host=name)
    assert (caught.value.sent, caught.value.hopeless) == (False, True)


def hang_up(connection, _address):
    connection.recv(65536)
    connection.shutdown(socket.SHUT_RDWR)


def test_handshake_that_is_cut_may_go_better_the_next_time(tls):
    server = StreamServer(("127.0.0.1", 0), hang_up)
    server.start()
    try:
        with pytest.raises(UpstreamConnectError) as caught:
            tls.call("/", host=Host.parse(f"https://127.0.0.1:{server.server_port}"))
        assert (caught.value.sent, caught.value.hopeless) == (False, False), caught.value
    finally:
        server.stop(timeout=1)
