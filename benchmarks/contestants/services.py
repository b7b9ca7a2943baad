"""The services that `benchmarks.versus` compares: how each is started, and what it needs to be installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.common import Child, Children, free_port
from benchmarks.install import NODE_MODULES, python_with
from benchmarks.upstream import has_lua, start_nginx

__all__ = ["FLOOR", "OWN", "SERVICES", "STOCK", "Missing", "Service", "Setting"]

OWN, STOCK, FLOOR = "fastdag, own worker", "fastdag, stock worker", "the floor, by hand"
HERE = Path(__file__).resolve().parent


class Missing(Exception):
    """What a contestant needs is not installed here."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a service runs and what it asks; `env` is for it alone."""

    upstream: str
    core: int | Iterable[int]
    workers: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    port: int = 0


Start = Callable[[Children, Setting], Child]


@dataclass(frozen=True, slots=True)
class Service:
    """One contestant. `start` returns once the service listens, or raises `Missing`."""

    name: str
    launch: Start

    def start(self, children: Children, setting: Setting) -> tuple[Child, str]:
        """The running service and the address of its page."""
        port = free_port()
        log = self.name.replace(" + ", "-").replace(" ", "-").replace("/", "-")
        return self.launch(children, replace(setting, name=log, port=port)), f"http://127.0.0.1:{port}/page"


def _start(children: Children, setting: Setting, command: list[str | Path], **env: str) -> Child:
    return children.start(
        command,
        core=setting.core,
        env={"UPSTREAM": setting.upstream, **env, **setting.env},
        port=setting.port,
        name=setting.name,
    )


def _python(*modules: str) -> Path:
    python = python_with(*modules)
    if python is None:
        raise Missing(f"no Python here imports all of {', '.join(modules)}")
    return python


def gunicorn(application: str, *needs: str, worker: str = "gevent", **env: str) -> Start:
    """An application behind gunicorn, with one configuration for all of them."""

    def launch(children: Children, setting: Setting) -> Child:
        python = _python("gunicorn", "gunicorn_h1c", "gevent", *needs)
        command: list[str | Path] = [python, "-m", "gunicorn", "--config", HERE / "gunicorn_settings.py"]
        command += ["--workers", str(setting.workers), "--bind", f"127.0.0.1:{setting.port}"]
        command += [f"benchmarks.contestants.{application}:app"]
        child = _start(children, setting, command, WORKER_CLASS=worker, **env)
        child.wait_for_words("ready to serve", times=setting.workers)
        return child

    return launch


def uvicorn(children: Children, setting: Setting) -> Child:
    """FastAPI behind uvicorn, on uvloop and httptools."""
    python = _python("fastapi", "httpx", "uvicorn", "uvloop", "httptools")
    command: list[str | Path] = [python, "-m", "uvicorn", "benchmarks.contestants.fastapi_httpx:app"]
    command += ["--port", str(setting.port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    return _start(children, setting, command)


def aiohttp(children: Children, setting: Setting) -> Child:
    python = _python("aiohttp", "uvloop", "orjson")
    return _start(children, setting, [python, HERE / "aiohttp_orjson.py", str(setting.port)])


def by_hand(children: Children, setting: Setting) -> Child:
    python = _python("gevent", "httptools", "msgspec")
    return _start(children, setting, [python, HERE / "by_hand.py", str(setting.port)])


def fastify(children: Children, setting: Setting) -> Child:
    node = shutil.which("node")
    if node is None or not all((NODE_MODULES / each).exists() for each in ("fastify", "undici")):
        raise Missing("it needs node, and fastify and undici in benchmarks/.cache; --setup installs those two")
    command: list[str | Path] = [node, HERE / "fastify_undici.cjs", str(setting.port)]
    return _start(children, setting, command, NODE_PATH=str(NODE_MODULES), NODE_ENV="production")


def nginx_lua(children: Children, setting: Setting) -> Child:
    """nginx as the aggregator: it asks the upstream through itself, with subrequests."""
    if not has_lua():
        raise Missing("it needs nginx with its Lua module")
    address = setting.upstream.removeprefix("http://")
    return start_nginx(
        children,
        f"""
        location /part/ {{ proxy_pass http://parts; proxy_http_version 1.1; proxy_set_header Connection ""; }}
        location = /page {{ content_by_lua_file {HERE / "page.lua"}; }}
        """,
        http=f"upstream parts {{ server {address}; keepalive 512; keepalive_requests 100000000; }}",
        core=setting.core,
        port=setting.port,
        name=setting.name,
    )


SERVICES = {
    service.name: service
    for service in (
        Service(OWN, gunicorn("fastdag_page", "fastdag.server:GeventWorker", worker="fastdag.server.GeventWorker")),
        Service(
            f"{OWN}, observed",
            gunicorn(
                "fastdag_page", "fastdag.server:GeventWorker", worker="fastdag.server.GeventWorker", OBSERVED="1"
            ),
        ),
        Service(STOCK, gunicorn("fastdag_page", "fastdag:App")),
        Service(FLOOR, by_hand),
        Service("Falcon + requests", gunicorn("falcon_requests", "falcon", "requests")),
        Service("Falcon + requests, trust_env off", gunicorn("falcon_requests", "falcon", "requests", TRUST_ENV="0")),
        Service("Falcon + geventhttpclient", gunicorn("falcon_geventhttpclient", "falcon", "geventhttpclient")),
        Service("FastAPI + httpx", uvicorn),
        Service("aiohttp + uvloop + orjson", aiohttp),
        Service("Fastify + undici", fastify),
        Service("nginx + Lua", nginx_lua),
    )
}
