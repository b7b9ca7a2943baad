"""`python -m app.services`: all services in one process, on ports 9101 to 9107; prints who listens where."""

from gevent import monkey

monkey.patch_all()

import argparse
import signal
import socket

import gevent
import gevent.event
from gevent.pywsgi import WSGIServer

from app.services import FIRST_PORT, NAMES, catalogue, orders, prices, recommendations, reviews, sellers, stock

APPS = (catalogue.app, prices.app, stock.app, reviews.app, recommendations.app, sellers.app, orders.app)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--first-port", type=int, default=FIRST_PORT, help="the others follow; 0 takes any free ones")
    options = parser.parse_args()
    # Before the first of them answers: whoever has heard from it may end it.
    over = gevent.event.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, over.set)
    servers = []
    for offset, (name, app) in enumerate(zip(NAMES, APPS, strict=True)):
        port = options.first_port and options.first_port + offset
        server = WSGIServer((options.host, port), app(), log=None)
        server.start()
        # Head and body leave one after the other; the second must not wait until the first is acknowledged, for 40 ms.
        server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(f"{name} http://{options.host}:{server.server_port}", flush=True)
        servers.append(server)
    over.wait()
    for server in servers:
        server.stop(timeout=0)


if __name__ == "__main__":
    main()
