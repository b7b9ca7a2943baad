"""gunicorn's settings for `fastdag serve`, where a project has no gunicorn.conf.py of its own.

`bind` and `workers` are gunicorn's own: the environment (PORT, WEB_CONCURRENCY) and the command line say otherwise.
"""

from __future__ import annotations

import os
from typing import Any

from fastdag.server.metrics_directory import make_directory, remove_directory

worker_class = "fastdag.server.GeventWorker"

# A worker whose loop has not turned for this long is hung, and is replaced.
timeout = 30
graceful_timeout = 10

# Longer than proxies keep idle connections (nginx: 60 s), so that it is never this side that closes one in use.
keepalive = 75

# The file that workers touch as their heartbeat must not sit on a disk that can block.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None

# It would be one file in the home directory for every gunicorn of the same user.
control_socket_disable = True

accesslog = "-"

# The common format, but with the path alone, as it came, and without a user: queries, Referer, credentials and
# User-Agent bring secrets and personal data, and here nothing masks them. At the end are milliseconds.
logger_class = "fastdag.server.access.PathLogger"
access_log_format = '%(h)s - - %(t)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(M)s'

# The workers add up their metrics in a directory in memory, which is the master's as long as it lives: each worker
# can then answer for all. FASTDAG_METRICS_DIR names another.
when_ready = make_directory
on_exit = remove_directory


def post_worker_init(worker: Any) -> None:
    """The app's start hooks run in each worker, after the fork: what they open belongs to one process."""
    worker.wsgi.start(alive=lambda: worker.alive)


def worker_exit(server: Any, worker: Any) -> None:
    """The app's stop hooks."""
    if hasattr(worker, "wsgi"):  # else it ended before it had loaded the app
        worker.wsgi.stop()
