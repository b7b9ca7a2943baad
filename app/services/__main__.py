"""`python -m app.services`: all services in one process, on ports 9101 to 9107; prints who listens where."""

from gevent import monkey

monkey.patch_all()

import argparse
import signal

import falcon
import gevent
import gevent.event
from gevent.pywsgi import WSGIServer

from app.services import catalogue, orders, prices, recommendations, reviews, sellers, stock

FIRST_PORT = 9101


def services() -> dict[str, falcon.App]:
    """The services in the order of their ports."""
    modules = (catalogue, prices, stock, reviews, recommendations, sellers, orders)
    return {module.__name__.rpartition(".")[2]: module.app() for module in modules}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--first-port", type=int, default=FIRST_PORT, help="the others follow; 0 takes any free ones")
    options = parser.parse_args()
    servers = []
    for offset, (name, service) in enumerate(services().items()):
        port = options.first_port and options.first_port + offset
        server = WSGIServer((options.host, port), service, log=None)
        server.start()
        print(f"{name} http://{options.host}:{server.server_port}", flush=True)
        servers.append(server)
    over = gevent.event.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, over.set)
    over.wait()
    for server in servers:
        server.stop(timeout=0)


if __name__ == "__main__":
    main()
