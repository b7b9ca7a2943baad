"""The worker with a fastdag app: what the two do together that neither does alone."""

import pytest

from tests.server.serving import access_lines, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service"), program="tests.server.service:app") as server:
        yield server


@pytest.mark.parametrize("leave", ["finish_sending", "reset"])
def test_a_departure_cancels_the_run_its_nodes_and_what_would_have_come(service, leave):
    service.get("/told")
    client = service.client().send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
    seen = []
    service.until(lambda: seen.extend(service.get("/told").json()["notes"]) or "detail began" in seen)
    getattr(client, leave)()
    service.until(lambda: seen.extend(service.get("/told").json()["notes"]) or len(seen) >= 6, seconds=0.5)
    client.sock.close()
    assert sorted(seen[:4]) == ["detail began", "price began", "user began", "user ended"]
    assert sorted(seen[4:]) == ["detail Cancelled", "price Cancelled"]
    service.until(lambda: "GET /page 499 0" in access_lines(service))


def test_the_node_that_holds_the_loop_is_named_in_the_log(service):
    assert service.get("/heavy").status == 200
    service.until(lambda: "The loop was held" in service.words())
    assert "by node 'sums' in hold_the_loop (" in service.words()


def test_health_is_answered_by_the_app_and_while_draining_by_the_worker(service):
    assert service.get("/livez").json() == {"status": "ok"}
    assert service.get("/readyz").status == 200
    busy = service.client().send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
    service.process.terminate()
    service.until(lambda: service.get("/readyz").status == 503, seconds=0.5)
    assert service.get("/livez").status == 200
    assert busy.answer().status == 200
    busy.sock.close()
    assert service.process.wait(8) == 0
