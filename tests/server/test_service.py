"""The worker with a fastdag app: what the two do together that neither does alone."""

import pytest

from fastdag.events import EVENTS
from tests.machine import PAUSE
from tests.server.serving import OURS, access_lines, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service"), program="tests.server.service:app", options="linger=3") as server:
        yield server


@pytest.mark.parametrize("leave", ["finish_sending", "reset"])
def test_a_departure_cancels_the_run_its_nodes_and_what_would_have_come(service, leave):
    service.get("/told")
    client = service.client().send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
    seen = []
    service.until(lambda: seen.extend(service.get("/told").json()["notes"]) or "detail began" in seen)
    getattr(client, leave)()
    service.until(lambda: seen.extend(service.get("/told").json()["notes"]) or len(seen) >= 6, seconds=1.5)
    client.sock.close()
    assert sorted(seen[:4]) == ["detail began", "price began", "user began", "user ended"]
    assert sorted(seen[4:]) == ["detail Cancelled", "price Cancelled"]
    service.until(lambda: "GET /page 499 0" in access_lines(service))


def test_the_node_that_holds_the_loop_is_named_in_the_log(service):
    # Again, where the machine paused in the midst of it: then the watchdog woke up no sooner than the loop.
    service.until(lambda: service.get("/heavy").status == 200 and "The loop was held" in service.words(), seconds=20)
    assert "by node 'sums' in hold_the_loop (" in service.words()


def test_what_the_worker_refuses_and_finds_is_told_to_the_apps_instruments(tmp_path):
    with serving(tmp_path, program="tests.server.service:app", options="admission=1, linger=3") as service:
        busy = service.client()
        assert busy.get("/told").status == 200  # it is served before anybody that connects from now on
        busy.send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
        service.until(lambda: service.get("/told").status == 503)
        busy.reset()
        heard = []
        answer = service.until(lambda: (found := service.get("/told")).status == 200 and found)
        heard += answer.json()["events"]
        assert heard[0] == ["request.shed", {"path": "/told", "request_id": "", "draining": False}]
        service.get("/heavy")
        ((name, fields),) = [each for each in service.get("/told").json()["events"] if each[1].get("by")]
        assert (name, set(fields)) == ("loop.lagged", set(EVENTS["loop.lagged"]))
        service.process.terminate()
        service.until(lambda: service.get("/readyz").status == 503, seconds=0.5 + PAUSE)
        shed = [fields for name, fields in service.get("/told").json()["events"] if name == "request.shed"]
        assert shed[-1] == {"path": "/readyz", "request_id": "", "draining": True}


def test_upstreams_that_are_down_keep_nobody_from_starting_or_being_ready(service):
    assert service.get("/readyz").status == 200
    assert service.get("/down").status == 502
    assert service.get("/readyz").status == 200


@pytest.mark.parametrize("worker", [OURS, "gevent"])
def test_a_graph_that_is_refused_ends_gunicorn_at_the_start_and_is_named(tmp_path, worker):
    with serving(tmp_path, worker=worker, program="tests.server.broken:app") as server:
        server.until(lambda: server.process.poll() is not None, seconds=10)
        assert server.process.wait(5) != 0
        assert "page.offer wants 'usr', which nothing provides; did you mean 'user'?" in server.words()


@pytest.mark.parametrize("worker", [OURS, "gevent"])
def test_ids_are_unique_over_workers_that_were_forked_from_one_program(tmp_path, worker):
    settings = "preload_app = True\nworkers = 3"
    with serving(tmp_path, worker=worker, program="tests.server.service:app", settings=settings) as server:
        server.until(lambda: len(server.workers()) == 3)
        ids = [server.get("/told")["x-request-id"] for _ in range(60)]
    assert len(set(ids)) == 60


def test_health_is_answered_by_the_app_and_while_draining_by_the_worker(service):
    assert service.get("/livez").json() == {"status": "ok"}
    assert service.get("/readyz").status == 200
    busy = service.client().send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
    service.process.terminate()
    service.until(lambda: service.get("/readyz").status == 503, seconds=0.5 + PAUSE)
    assert service.get("/livez").status == 200
    assert busy.answer().status == 200
    busy.sock.close()
    assert service.process.wait(8) == 0
