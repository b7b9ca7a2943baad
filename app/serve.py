"""`python -m app.serve`: the services and the shop in front of them, until Ctrl-C. For a developer's machine."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable

from app.services import FIRST_PORT, NAMES

HOST = "127.0.0.1"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Children = list[subprocess.Popen[bytes]]

WELCOME = """
The shop listens on http://{shop}. To try, in another terminal:

    curl -s {shop}/
    curl -s '{shop}/search?q=lamp'
    curl -s {shop}/compare/41/42
    curl -si {shop}/orders -H 'Content-Type: application/json' \\
         -d '{{"customer": "Ada", "lines": [{{"product_id": 42, "quantity": 1}}]}}'

A partial answer: ask, let the reviews fail, and ask again.

    curl -si {shop}/products/42
    curl -X PUT {reviews}/_fault -d '{{"status": 500}}'
    curl -si {shop}/products/42

Other faults are {{"delay": 1}} and {{"hang": true}}; {{}} heals. Ctrl-C ends all of it.
"""


def taken(ports: Iterable[int]) -> list[int]:
    """The ports that somebody else listens on."""
    found = []
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: an old connection is fine
            try:
                probe.bind((HOST, port))
            except OSError:
                found.append(port)
    return found


def start(children: Children, port: int, service_ports: range) -> None:
    """Starts the services and the shop; they are in `children` as soon as they run."""
    urls = {
        f"SHOP_{name.upper()}_URL": f"http://{HOST}:{number}"
        for name, number in zip(NAMES, service_ports, strict=True)
    }
    services = [sys.executable, "-m", "app.services", "--first-port", str(service_ports.start)]
    shop = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"{HOST}:{port}", "app.main:app"]
    for command in (services, shop):
        # In groups of their own, so that Ctrl-C reaches them through `stop` only: gunicorn's workers get it from their
        # master besides, and twice is a traceback.
        children.append(subprocess.Popen(command, env=urls | os.environ, process_group=0))


def ready(port: int) -> bool:
    """Whether the shop answers."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def watch(children: Children, port: int, welcome: str, asked: list[int]) -> None:
    """Says hello when the shop answers; returns when it is asked to end, or when one of the children has ended."""
    while not asked and all(child.poll() is None for child in children):
        if welcome and ready(port):
            print(welcome, flush=True)
            welcome = ""
        time.sleep(0.1)


def stop(children: Children) -> None:
    """Ends what still runs, the shop before its services."""
    for child in reversed(children):
        child.send_signal(signal.SIGINT)  # for gunicorn this means at once, without waiting for idle connections
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m app.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--services-port", type=int, default=FIRST_PORT, help="of the first service; the others follow"
    )
    options = parser.parse_args()
    service_ports = range(options.services_port, options.services_port + len(NAMES))
    if ports := taken([options.port, *service_ports]):
        print(f"cannot start: somebody listens on {', '.join(map(str, ports))} already", file=sys.stderr)
        return 1
    reviews = service_ports[NAMES.index("reviews")]
    welcome = WELCOME.format(shop=f"{HOST}:{options.port}", reviews=f"{HOST}:{reviews}")

    # Only noted: an exception in the middle of `Popen` would leave a child that nobody knows of.
    asked: list[int] = []
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: asked.append(number))
    children: Children = []
    try:
        start(children, options.port, service_ports)
        watch(children, options.port, welcome, asked)
    finally:
        stop(children)
    if asked:
        return 0
    print("a server ended by itself; its last words are above", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
