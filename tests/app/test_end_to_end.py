"""What `make serve` starts, and the shop under real gunicorn: from curl to the merged answer, and to the end."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import gevent
import pytest
import requests
from gevent.pool import Pool

from app.serve import taken
from app.services import NAMES
from tests.app.conftest import PATIENCE, ROOT, WORKERS, behind_gunicorn


def free_range(count):
    """The first of some neighbouring ports that nobody uses, and below those that clients are given meanwhile."""
    while taken(range(first := random.randrange(20_000, 30_000), first + count)):
        pass
    return first


@contextmanager
def serving(port, services_port):
    """`make serve`, in a process group of its own as in a terminal; yields it and what it said when it was ready."""
    arguments = ["--port", str(port), "--services-port", str(services_port)]
    # Without the addresses that the fixture `services` has set: it starts services of its own.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    with subprocess.Popen(
        [sys.executable, "-m", "app.serve", *arguments],
        cwd=ROOT,
        env=environ | PATIENCE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said = []
            while not said or "Ctrl-C" not in said[-1]:
                said.append(process.stdout.readline())
                assert said[-1], f"it ended: {process.stderr.read()}"
            yield process, "".join(said)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=20)


@pytest.fixture(scope="module")
def ports():
    """The shop's, and the first of its services'."""
    first = free_range(1 + len(NAMES))
    return first, first + 1


def test_every_line_that_serve_prints_can_be_pasted(ports):
    with serving(*ports) as (_, said):
        lines = re.findall(r"^ +(curl (?:.*\\\n)?.*)$", said, re.MULTILINE)
        answers = [subprocess.run(line, shell=True, capture_output=True, text=True, timeout=10) for line in lines]
    assert len(lines) == 7
    whole, partial = answers[4].stdout, answers[6].stdout
    assert [line for line, answer in zip(lines, answers, strict=True) if answer.returncode or not answer.stdout] == []
    assert "201 Created" in answers[3].stdout
    assert "fastdag-complete: true" in whole
    assert re.findall("fastdag-missing: (.*)", partial) == ["reviews;reason=status"]
    assert "200 OK" in whole and "200 OK" in partial


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_ends_with_all_it_started_and_can_start_again_at_once(ports, number):
    with serving(*ports) as (process, _):
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # Ctrl-C goes to the whole group
        else:
            process.send_signal(number)
        # Everything that was started has inherited the pipe: this is the end of all of it.
        _, words = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in words
    assert taken([ports[0], *range(ports[1], ports[1] + len(NAMES))]) == []


def test_serve_says_which_port_is_taken(ports):
    with socket.create_server(("127.0.0.1", ports[0])):
        refused = subprocess.run(
            [sys.executable, "-m", "app.serve", "--port", str(ports[0]), "--services-port", str(ports[1])],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
        )
    assert refused.returncode == 1
    assert refused.stderr == f"cannot start: somebody listens on {ports[0]} already\n"


def test_serve_ends_with_an_error_when_the_shop_cannot_start(ports):
    ended = subprocess.run(
        [sys.executable, "-m", "app.serve", "--port", str(ports[0]), "--services-port", str(ports[1])],
        cwd=ROOT,
        env=os.environ | {"SHOP_PAGE_TIMEOUT": "soon"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 1
    assert "SHOP_PAGE_TIMEOUT" in ended.stderr
    assert taken(range(ports[1], ports[1] + len(NAMES))) == []


@pytest.fixture(params=WORKERS)
def gunicorn(request, services):
    with behind_gunicorn(request.param) as (process, address):
        yield process, address


def test_many_clients_get_their_own_products(gunicorn):
    _, address = gunicorn
    wanted = [(number % 300) + 1 for number in range(60)]
    # Ten at a time: sixty pages ask for 480 things at once, and this is not about what a busy machine can do in 0.5 s.
    answers = Pool(10).map(lambda number: requests.get(f"{address}/products/{number}", timeout=10), wanted)
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    assert [answer.json()["product"]["id"] for answer in answers] == wanted


def test_an_order_in_flight_is_answered_after_sigterm(gunicorn, services, fault):
    process, address = gunicorn
    reservations = f"{services['stock']}/reservations"
    before = requests.get(reservations, timeout=5).json()
    fault("orders", delay=1)
    order = {"customer": "Ada", "lines": [{"product_id": 8, "quantity": 1}]}
    # Stock gunicorn waits for idle connections, too, until graceful_timeout: this client leaves none.
    headers = {"Connection": "close"}
    posted = gevent.spawn(requests.post, f"{address}/orders", json=order, headers=headers, timeout=10)
    while requests.get(reservations, timeout=5).json() == before:  # then it has come as far as the orders service
        assert not posted.ready()
    process.terminate()
    assert posted.get().status_code == 201
    assert process.wait(timeout=15) == 0
