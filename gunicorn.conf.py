"""gunicorn's settings for this service: `gunicorn -c gunicorn.conf.py app.main:app`."""

# First of all, before anything imports socket or ssl: gunicorn itself patches when a worker starts, which is too late
# for whatever was imported until then.
from gevent import monkey

monkey.patch_all()

import gc
import os

from fastdag.server.metrics_directory import make_directory, remove_directory

bind = os.environ.get("BIND", "127.0.0.1:8000")

# One a core: a worker serves all its requests on one loop, and waiting for upstreams costs no process.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# fastdag's own worker notices clients that leave, answers 503 when it is full, and costs a fraction of gunicorn's
# "gevent", which works too.
worker_class = os.environ.get("WORKER_CLASS", "fastdag.server.GeventWorker")

# Connections, not requests: most are idle keep-alives. The app's own limit on requests in flight (`max_in_flight`) is
# lower and answers 503, whereas a connection above this one waits in the backlog and hears nothing.
worker_connections = 1000
backlog = 512

# A worker whose loop has not turned for this long is hung, and is replaced. No request meets it by being slow: runs
# end at their own deadlines.
timeout = 30

# From SIGTERM to the end: the longest run of the app (an order, 5 s) and some air. Kubernetes allows 30 s in all.
graceful_timeout = 10

# Longer than the proxy in front keeps idle connections (nginx: 60 s), so that it is never this side that closes one
# just as a request comes in on it.
keepalive = 75

# What leaks comes back to the system now and then; the jitter keeps workers from restarting together.
max_requests = 100_000
max_requests_jitter = 10_000

# Small, because headers are read before anything can decide who is asking. Too much is answered 414 or 431.
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190

# Whose X-Forwarded-* headers are believed.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")

# The file that workers touch as their heartbeat must not sit on a disk that can block.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None

# Signals are how this service is told to stop or to reload; the control socket would be one file in the home
# directory for every gunicorn of the same user.
control_socket_disable = True

accesslog = os.environ.get("ACCESS_LOG", "-") or None

# The common format, but with the path alone, as it came, and without a user: queries, Referer, credentials and
# User-Agent bring secrets and personal data, and here nothing masks them. At the end are milliseconds.
logger_class = "fastdag.server.access.PathLogger"
access_log_format = '%(h)s - - %(t)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(M)s'

# The workers add up their metrics in a directory in memory, which is the master's as long as it lives: each worker
# can then answer for all. FASTDAG_METRICS_DIR names another.
when_ready = make_directory
on_exit = remove_directory


def post_worker_init(worker):
    """The app's start hooks run in each worker, after the fork: what they open belongs to one process."""
    worker.wsgi.start(alive=lambda: worker.alive)
    # What is there now stays until the end. Full collections that look through all of it stop every request for tens
    # of milliseconds; frozen, it is passed over.
    gc.collect()
    gc.freeze()


def worker_exit(server, worker):
    """The app's stop hooks."""
    if hasattr(worker, "wsgi"):  # else it ended before it had loaded the app
        worker.wsgi.stop()
