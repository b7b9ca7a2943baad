"""What is counted, under which names, and how the numbers of several workers become one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fastdag.errors import UpstreamConnectError, UpstreamTimeout
from fastdag.graph import Graph
from fastdag.observe.families import FAMILIES
from fastdag.observe.install import Observers
from fastdag.observe.metrics import DIRECTORY, Metrics
from fastdag.upstream.policies.breaker import Breaker
from tests.observe.common import client, shop, upstream


@pytest.fixture
def metrics():
    found = Metrics()
    yield found
    found.stop()


def samples(text):
    """`name{label="value"}` to number; labels in order, empty ones left out."""
    return {
        (sample.name, *sorted(f"{name}={value}" for name, value in sample.labels.items() if value)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(metrics):
    return samples(metrics.exposition()[0].decode())


def test_requests_are_counted_by_route_and_never_by_path(metrics):
    app = client(shop(upstream()), metrics)
    for id in range(50):
        app.get(f"/products/{id}")
    app.get("/nowhere/1", status=404)
    app.get("/nowhere/2", status=404)
    found = scrape(metrics)
    name = "http_server_request_duration_seconds_count"
    labels = (
        "http_request_method=GET",
        "http_response_status_code=200",
        "http_route=/products/{id}",
        "url_scheme=http",
    )
    assert found[name, *labels] == 50
    assert found[name, "http_request_method=GET", "http_response_status_code=404", "url_scheme=http"] == 2
    assert sum(key[0] == name for key in found) == 2
    assert found["http_server_active_requests", "http_request_method=GET", "url_scheme=http"] == 0


def test_methods_that_nobody_knows_are_one(metrics):
    app = client(shop(upstream()), metrics)
    app.lint = False
    for method in ("BREW", "WHEN"):
        app.request("/products/1", method=method, status="*")
    found = scrape(metrics)
    assert found["http_server_active_requests", "http_request_method=_OTHER", "url_scheme=http"] == 0
    assert not any("BREW" in label for key in found for label in key)


def test_runs_and_nodes_are_counted_by_how_they_ended(metrics):
    catalog = upstream(lambda call: UpstreamTimeout("late") if "seller" in call.target else (200, b'{"id": 7}'))
    client(shop(catalog), metrics).get("/products/7")
    found = scrape(metrics)
    outcomes = {key[1:]: value for key, value in found.items() if key[0] == "fastdag_node_outcomes_total" and value}
    assert outcomes == {
        ("graph=shop", "node=product", "state=ok"): 1,
        ("graph=shop", "node=seller", "reason=timeout", "state=failed"): 1,
        ("graph=shop", "node=offer", "state=ok"): 1,
    }
    assert found["fastdag_run_duration_seconds_count", "graph=shop", "outcome=partial"] == 1
    assert found["fastdag_node_duration_seconds_count", "graph=shop", "node=offer"] == 1


def test_a_failed_run_is_counted_as_failed(metrics):
    client(shop(upstream((500, b""))), metrics).get("/products/7", status=502)
    found = scrape(metrics)
    assert found["fastdag_run_duration_seconds_count", "graph=shop", "outcome=failed"] == 1
    labels = ("graph=shop", "node=offer", "reason=dependency", "state=skipped")
    assert found["fastdag_node_outcomes_total", *labels] == 1


def test_skipping_by_choice_leaves_a_run_complete(metrics):
    graph = Graph("choice")
    graph.node(id="never", when=lambda context: False)(lambda context: 1)
    graph.node(id="always")(lambda context: 1)
    Observers([metrics]).watch(graph)
    graph.run()
    found = scrape(metrics)
    assert found["fastdag_run_duration_seconds_count", "graph=choice", "outcome=complete"] == 1
    assert found["fastdag_node_outcomes_total", "graph=choice", "node=never", "state=skipped"] == 1
    assert found["fastdag_node_duration_seconds_count", "graph=choice", "node=always"] == 1
    assert ("fastdag_node_duration_seconds_count", "graph=choice", "node=never") not in found  # it asked its `when`


def test_attempts_are_counted_with_what_went_wrong(metrics):
    catalog = upstream((200, b"{}"), (404, b"{}"), UpstreamConnectError("refused"), UpstreamConnectError("refused"))
    Observers([metrics]).watch(catalog)
    catalog.get("/a")
    catalog.get("/b")
    with pytest.raises(UpstreamConnectError):
        catalog.post("/c")
    found = scrape(metrics)
    about = ("server_address=catalog", "server_port=8080", "upstream=catalog")
    name = "http_client_request_duration_seconds_count"
    assert {key: value for key, value in found.items() if key[0] == name} == {
        (name, "http_request_method=GET", "http_response_status_code=200", *about): 1,
        (name, "error_type=404", "http_request_method=GET", "http_response_status_code=404", *about): 1,
        (name, "error_type=connect", "http_request_method=POST", *about): 2,
    }
    assert found["fastdag_retries_total", "upstream=catalog"] == 1


def test_a_breaker_that_is_not_closed_is_a_gauge(metrics):
    catalog = upstream((500, b""), breaker=Breaker(consecutive=1), retry=None)
    Observers([metrics]).watch(catalog)
    host = ("host=http://catalog:8080", "upstream=catalog")
    catalog.get("/")
    assert scrape(metrics)["fastdag_breaker_not_closed", *host] == 1
    catalog.stack.circuits.reset()
    found = scrape(metrics)
    assert found["fastdag_breaker_not_closed", *host] == 0
    assert found["fastdag_breaker_changes_total", "host=http://catalog:8080", "state=open", "upstream=catalog"] == 1


def test_every_series_belongs_to_a_declared_family_with_all_its_labels(metrics):
    client(shop(upstream((500, b""))), metrics).get("/products/7", status=502)
    assert metrics.numbers()
    for name, *labels in metrics.numbers():
        assert len(labels) == len(FAMILIES[name].labels)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain"),
        ("text/plain", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/op"),
    ],
)
def test_the_scraper_chooses_the_format(metrics, accept, media_type):
    assert metrics.exposition(accept)[1].startswith(media_type)


def test_metrics_are_served_with_ops_only(metrics):
    served = client(shop(upstream()), metrics, ops=True).get("/metrics")
    assert served.content_type == "text/plain"
    assert "http_server_active_requests" in served.text
    assert client(shop(upstream()), Metrics()).get("/metrics", status=404)
    assert client(shop(upstream()), ops=True).get("/metrics", status=404)


# -- several workers


@pytest.mark.parametrize(("several", "directory", "warnings"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_metrics_of_one_worker_of_several_are_warned_of_once(tmp_path, caplog, several, directory, warnings):
    found = Metrics(tmp_path if directory else None)
    found.start()
    client(shop(upstream()), found).get("/products/7", extra_environ={"wsgi.multiprocess": several})
    found.exposition()
    found.exposition()
    found.stop()
    assert caplog.text.count("one worker of several: FASTDAG_METRICS_DIR names no directory") == warnings


WORKER = """
from gevent import monkey; monkey.patch_all()
import os, sys, gevent
from pathlib import Path
from fastdag.observe.metrics import Metrics
metrics = Metrics(interval=0.01)
metrics.start()
count = metrics.events()["retry.scheduled"]
started = metrics.events()["request.started"]
for _ in range(int(sys.argv[1])):
    count("retry.scheduled", {"upstream": "catalog"})
started("request.started", {"method": "GET", "path": "/", "request_id": "7", "environ": {"wsgi.url_scheme": "http"}})
print("counted", flush=True)
while not list(Path(sys.argv[2]).glob(f"{os.getpid()}-*.numbers")):  # nothing is written before the loop turns
    gevent.sleep(0.001)
print("written", flush=True)
if sys.stdin.readline():
    metrics.stop()
"""

RETRIES = ("fastdag_retries_total", "upstream=catalog")
ACTIVE = ("http_server_active_requests", "http_request_method=GET", "url_scheme=http")


@pytest.fixture
def worker(tmp_path):
    """Starts a process that counts so many retries, and has written them."""
    running = []

    def start(count):
        environ = {**os.environ, DIRECTORY: str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(count), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            text=True,
        )
        running.append(process)
        assert [process.stdout.readline() for _ in range(2)] == ["counted\n", "written\n"]
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_two_workers_add_up_and_nothing_is_lost_however_they_end(worker, tmp_path):
    one, two = worker(3), worker(4)
    mine = Metrics(tmp_path)
    mine.start()
    mine.events()["retry.scheduled"]("retry.scheduled", {"upstream": "catalog"})
    found = scrape(mine)
    assert (found[RETRIES], found[ACTIVE]) == (8, 2)
    one.communicate("stop\n")
    found = scrape(mine)
    assert (found[RETRIES], found[ACTIVE]) == (8, 1)  # counts stay, what was in flight is gone
    two.send_signal(signal.SIGKILL)
    two.wait()
    found = scrape(mine)
    assert found[RETRIES] == 8
    assert ACTIVE not in found
    assert len(list(tmp_path.iterdir())) == 3  # the lock, the sum of the dead, and who is alive
    mine.stop()
    last = Metrics(tmp_path)
    last.start()
    assert scrape(last)[RETRIES] == 8
    last.stop()
