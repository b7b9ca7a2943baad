"""gunicorn's settings for every contestant behind it, so that they differ in nothing but worker and application."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
from typing import Any  # noqa: E402

worker_class: Any = os.environ["WORKER_CLASS"]
admission = "10000" if os.environ.get("PATIENT") == "1" else os.environ.get("ADMISSION")
if admission and worker_class == "fastdag.server.GeventWorker":
    from fastdag.server import GeventWorker

    worker_class = GeventWorker.using(admission=int(admission))

http_parser = "fast"
worker_connections = 4000
backlog = 4096
keepalive = 120
timeout = 120
graceful_timeout = 2
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Told to whoever waits for all workers: the port is open before the first of them."""
    worker.log.info("ready to serve")
