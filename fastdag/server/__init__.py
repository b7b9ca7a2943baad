"""The gunicorn worker: plain HTTP/1.1 for gevent, by gunicorn's own C parser."""

from fastdag.server.options import Options
from fastdag.server.worker import GeventWorker

__all__ = ["GeventWorker", "Options"]
