"""Falcon's hello-world, for servers of both kinds, and gevent's own server for it."""

from __future__ import annotations

import sys
from typing import Any

import falcon
import falcon.asgi


class Hello:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.text = "Hello, world!"


class AsyncHello:
    async def on_get(self, request: Any, response: Any) -> None:
        response.text = "Hello, world!"


wsgi = falcon.App()
wsgi.add_route("/", Hello())

asgi: Any = falcon.asgi.App()
asgi.add_route("/", AsyncHello())


def serve_with_pywsgi(port: int) -> None:
    import socket  # after patching

    from gevent.pywsgi import WSGIServer

    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    # It sends head and body apart, which without this waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    WSGIServer(listener, wsgi, log=None).serve_forever()


if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()
    serve_with_pywsgi(int(sys.argv[1]))
