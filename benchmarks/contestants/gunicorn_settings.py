"""gunicorn's settings for every contestant behind it, so that they differ in nothing but the application."""

from gevent import monkey

monkey.patch_all()

http_parser = "fast"
worker_connections = 4000
backlog = 4096
keepalive = 120
timeout = 120
graceful_timeout = 2
