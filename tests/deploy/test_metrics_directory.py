"""All three of our configurations, under real gunicorn: metrics of two workers add up, and logs tell no secrets."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import gevent
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from fastdag.observe import metrics
from fastdag.server.metrics_directory import DIRECTORY, make_directory, remove_directory

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "fastdag/cli/template/gunicorn.conf.py.tmpl"
CONFIGURATIONS = {"reference": None, "serve": "python:fastdag.cli.settings", "template": "gunicorn.conf.py"}

SHOP = """
import os
from fastdag import App, Graph
from fastdag.observe.metrics import Metrics

page = Graph("page")

@page.node
def worker(context):
    return {"pid": os.getpid()}

app = App(observe=[Metrics(interval=0.1)], ops=True)
app.add_graph("/", page)
"""


def made_by(pid):
    """The directories that a master made, wherever that is."""
    return [
        found
        for place in {"/dev/shm", tempfile.gettempdir()}
        for found in Path(place).glob(f"fastdag-metrics-{pid}-*")
    ]


class Server:
    """Two workers; requests are counted."""

    def __init__(self, process, address):
        self.process = process
        self.address = address
        self.asked = 0

    def pid(self, _=None):
        self.asked += 1
        return requests.get(self.address, timeout=10).json()["pid"]

    def until_two_have_answered(self, but=frozenset()):
        seen = set()
        while len(seen - but) < 2:
            jobs = gevent.joinall([gevent.spawn(self.pid) for _ in range(10)], raise_error=True)
            seen |= {job.value for job in jobs}
            assert self.asked < 3000
        return seen

    def scraped(self):
        text = requests.get(f"{self.address}/metrics", timeout=10).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        name = "http_server_request_duration_seconds_count"
        return sum(each.value for each in samples if each.name == name and each.labels["http_route"] == "/")

    def until_every_scrape_says(self, total):
        """Twenty connections in a row, which both workers answer."""
        end = time.monotonic() + 15
        while (said := {self.scraped() for _ in range(20)}) != {total}:
            assert time.monotonic() < end, f"{said} in place of {total}"


@contextmanager
def serving(folder, configuration, **environ):
    (folder / "shop.py").write_text(SHOP)
    (folder / "gunicorn.conf.py").write_text(TEMPLATE.read_text())
    settings = CONFIGURATIONS[configuration] or str(ROOT / "gunicorn.conf.py")
    command = [sys.executable, "-m", "gevent.monkey", "--module", "gunicorn", "--config", settings]
    inherited = {name: value for name, value in os.environ.items() if name not in (DIRECTORY, "ACCESS_LOG")}
    with (
        (folder / "stdout").open("w") as out,
        subprocess.Popen(
            [*command, "--bind", "127.0.0.1:0", "--workers", "2", "shop:app"],
            cwd=folder,
            env=inherited | {"PYTHONPATH": str(ROOT)} | environ,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            said = ""
            while "Listening at" not in said:
                said = process.stderr.readline()
                assert said, "it ended"
            yield Server(process, re.search(r"http://[^ ]+", said)[0])
        finally:
            process.terminate()
            rest = process.communicate(timeout=20)[1]
    assert process.returncode == 0, rest
    assert "Traceback" not in rest


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_two_workers_add_up_whichever_is_scraped_and_so_they_do_after_a_reload(tmp_path, configuration):
    with serving(tmp_path, configuration) as server:
        before = server.until_two_have_answered()
        server.until_every_scrape_says(server.asked)
        (directory,) = made_by(server.process.pid)
        server.process.send_signal(signal.SIGHUP)
        server.until_two_have_answered(but=before)
        server.until_every_scrape_says(server.asked)
        assert made_by(server.process.pid) == [directory]
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


def test_a_directory_that_somebody_named_is_used_and_left_alone(tmp_path):
    named = tmp_path / "fastdag-metrics-of-the-shop"
    with serving(tmp_path, "reference", **{DIRECTORY: str(named)}) as server:
        server.until_two_have_answered()
        server.until_every_scrape_says(server.asked)
        assert not made_by(server.process.pid)
    assert (named / "dead.numbers").exists()


@pytest.mark.parametrize(
    ("configuration", "worker"),
    [*((each, None) for each in CONFIGURATIONS), ("reference", "gevent")],
)
def test_the_access_log_has_the_path_alone_and_one_line_for_each_request(tmp_path, configuration, worker):
    with serving(tmp_path, configuration, **({"WORKER_CLASS": worker} if worker else {})) as server:
        headers = {"Referer": "http://x/?token=s3cret", "User-Agent": "s3cret"}
        url = f"{server.address}/a%0a%22b?token=s3cret"
        assert requests.get(url, headers=headers, auth=("s3cret", ""), timeout=10).status_code == 404
    out = (tmp_path / "stdout").read_text()
    assert "s3cret" not in out
    (line,) = [line for line in out.splitlines() if "GET" in line]
    assert re.fullmatch(r'127\.0\.0\.1 - - \[[^]]+\] "GET /a%0A%22b HTTP/1\.1" 404 \d+ \d+', line)


MASTER = SimpleNamespace(cfg=SimpleNamespace(uid=os.geteuid(), gid=os.getegid()))


def test_a_successor_makes_one_of_its_own_and_each_removes_its_own(tmp_path, monkeypatch):
    """After SIGUSR2 two masters run, and the younger one may have the environment of the elder."""
    elders = tmp_path / "fastdag-metrics-1-abc"
    elders.mkdir()
    monkeypatch.setenv(DIRECTORY, str(elders))
    remove_directory(MASTER)
    make_directory(MASTER)
    own = Path(os.environ[DIRECTORY])
    assert made_by(os.getpid()) == [own]
    remove_directory(MASTER)
    assert (elders.exists(), own.exists()) == (True, False)


def test_without_memory_for_files_it_is_among_the_temporary_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("fastdag.server.metrics_directory._MEMORY", str(tmp_path / "nowhere"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(DIRECTORY, "")
    make_directory(MASTER)
    assert [str(path) for path in tmp_path.iterdir()] == [os.environ[DIRECTORY]]


def test_it_belongs_to_those_who_work_there(monkeypatch):
    """A master that is root has workers that are not (`user`, `group`)."""
    given = []
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.append((uid, gid)))
    monkeypatch.setenv(DIRECTORY, "")
    make_directory(SimpleNamespace(cfg=SimpleNamespace(uid=10001, gid=10002)))
    remove_directory(MASTER)
    assert given == [(10001, 10002)]
    assert not made_by(os.getpid())


def test_it_is_the_name_that_metrics_look_for():
    assert DIRECTORY == metrics.DIRECTORY
