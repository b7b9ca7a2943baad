"""Every row of `rows`, whole, byte by byte and split at random; the invariants hold after each of them."""

import pytest

from fastdag.errors import UpstreamError
from tests.faults.conftest import eventually
from tests.faults.rows import EXTRA, ROWS

NATIVE = [pytest.param(row, split, id=f"{row.id}-{split}") for row in ROWS for split in row.splits]
REQUESTS = [pytest.param(row, id=row.id) for row in ROWS if not row.wrong]


def become(client, row, split):
    path = client.upstream.script(*row.steps, split=split)
    try:
        answer = client.call(path, method=row.method, seconds=row.seconds)
    except UpstreamError as error:
        assert error.sent
        return error.reason
    return answer.content


@pytest.mark.parametrize(("row", "split"), NATIVE)
def test_native(client, row, split):
    assert become(client, row, split) == row.becomes
    stats = client.upstream.order()
    assert sum(stats["requests"].values()) == row.calls
    if row.wrong == EXTRA:  # what comes later still, while another call is on its way, nobody can tell (U15)
        assert eventually(lambda: client.transport.dropped["unsolicited_bytes"] == 1)
    client.healthy()
    assert (client.upstream.order()["connections"] == 1) is row.kept


@pytest.mark.parametrize("row", REQUESTS)
def test_requests(make_client, row):
    assert become(make_client("requests"), row, 0) == row.becomes


def test_upstream_that_may_send_for_ever_is_stopped_soon(client):
    path = client.upstream.script(
        ("send", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("endless", "10000\r\n" + "x" * 65536 + "\r\n"),
    )
    with pytest.raises(UpstreamError, match="longer than 2097152 bytes"):
        client.call(path)
    assert eventually(lambda: client.upstream.order()["open"] == 0)
    assert client.upstream.order()["sent"][path] < 16 << 20  # the limit, and what the sockets hold
