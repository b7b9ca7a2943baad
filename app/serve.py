"""`python -m app.serve`: the services and the shop in front of them, until Ctrl-C. For a developer's machine."""

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable

from app.services import FIRST_PORT, NAMES

HOST, PORT = "127.0.0.1", 8000
PORTS = (PORT, *range(FIRST_PORT, FIRST_PORT + len(NAMES)))

COMMANDS = (
    [sys.executable, "-m", "app.services"],
    [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"{HOST}:{PORT}", "app.main:app"],
)

WELCOME = f"""
The shop listens on http://{HOST}:{PORT}. To try, in another terminal:

    curl -s {HOST}:{PORT}/
    curl -s '{HOST}:{PORT}/search?q=lamp'
    curl -s {HOST}:{PORT}/compare/41/42
    curl -si {HOST}:{PORT}/orders -H 'Content-Type: application/json' \\
         -d '{{"customer": "Ada", "lines": [{{"product_id": 42, "quantity": 1}}]}}'

A partial answer: ask, let the reviews fail, and ask again.

    curl -si {HOST}:{PORT}/products/42
    curl -X PUT {HOST}:9104/_fault -d '{{"status": 500}}'
    curl -si {HOST}:{PORT}/products/42

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


def ready() -> bool:
    """Whether the shop answers."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{PORT}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def watch(children: list[subprocess.Popen[bytes]]) -> None:
    """Returns when one of the children has ended; says hello when all of them are there."""
    welcome = WELCOME
    while all(child.poll() is None for child in children):
        if welcome and ready():
            print(welcome, flush=True)
            welcome = ""
        time.sleep(0.1)


def stop(children: list[subprocess.Popen[bytes]]) -> None:
    """Ends what still runs, the shop before its services."""
    for child in reversed(children):
        child.send_signal(signal.SIGINT)  # to gunicorn: at once, without waiting for idle connections
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def main() -> int:
    if ports := taken(PORTS):
        print(f"cannot start: somebody listens on {', '.join(map(str, ports))} already", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    children: list[subprocess.Popen[bytes]] = []
    try:
        children.extend(subprocess.Popen(command) for command in COMMANDS)
        watch(children)
    except KeyboardInterrupt:
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop(children)
    print("a server ended by itself; its last words are above", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
