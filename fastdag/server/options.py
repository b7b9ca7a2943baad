"""What the worker can be told beyond gunicorn's own settings, and which of those it refuses."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from fastdag.concurrency import is_patched
from fastdag.deadline import check_seconds

__all__ = ["Options", "on_stock_path", "refusals"]

# gunicorn_h1c keeps room for so many fields and refuses a request with more, whatever the setting says.
_MOST_FIELDS = 256


@dataclass(frozen=True, slots=True)
class Options:
    """The worker's own options, given as `worker_class = GeventWorker.using(half_close=True)`.

    `admission` is how many requests may be in flight; one more is answered 503 at once, unless its path is `live` or
    `ready`; while the worker drains, `ready` is answered 503. `header_timeout` and `body_timeout` bound the arrival
    of a head and of a body, `write_timeout` the taking of an answer: in seconds, the latter two longer by a second
    for every 16 KiB that did move, and never that long without a byte. `max_request_bytes` bounds a body.
    `half_close=True` serves a client that has closed its sending side, and takes only a reset for a departure.
    `linger` is for how many seconds after SIGTERM new connections are still taken. A loop held for `blocked_after`
    seconds is reported; `None` switches the watchdog off.
    """

    admission: int = 256
    header_timeout: float = 4.0
    body_timeout: float = 4.0
    write_timeout: float = 8.0
    max_request_bytes: int = 1 << 20
    half_close: bool = False
    linger: float = 1.0
    blocked_after: float | None = 0.25
    live: str = "/livez"
    ready: str = "/readyz"

    def __post_init__(self) -> None:
        for name in ("header_timeout", "body_timeout", "write_timeout"):
            if check_seconds(name, getattr(self, name)) is None:
                raise ValueError(f"{name} cannot be switched off: a connection would be held for ever")
        check_seconds("blocked_after", self.blocked_after)
        if check_seconds("linger", self.linger, zero=True) is None:
            raise ValueError("linger takes a number of seconds; 0 stops at once")
        for name in ("admission", "max_request_bytes"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} takes a positive integer, not {value!r}")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))


def on_stock_path(cfg: Any) -> str | None:
    """Why connections are left to gunicorn's own code: what this worker does not speak, if it is switched on."""
    if cfg.is_ssl:
        return "TLS"
    if cfg.proxy_protocol != "off":
        return "the PROXY protocol"
    if cfg.protocol != "http":
        return f"the protocol {cfg.protocol!r}"
    if cfg.http2_cleartext != "off" and "h2" in cfg.http_protocols:
        return "HTTP/2"
    return None


def refusals(cfg: Any) -> list[str]:
    """What is set that this worker cannot do; better said at the start than noticed in production."""
    found = [f"{name} is not supported: gunicorn_h1c refuses such requests" for name in _LOOSE if getattr(cfg, name)]
    if cfg.http_parser == "python":
        found.append("http_parser = 'python' is not supported: requests are parsed by gunicorn_h1c")
    if not 0 <= cfg.limit_request_fields <= _MOST_FIELDS:
        found.append(f"limit_request_fields takes 0 to {_MOST_FIELDS}: gunicorn_h1c refuses requests with more")
    if cfg.preload_app and not is_patched():
        found.append(
            "preload_app imports the program before the worker patches the standard library; put "
            "'from gevent import monkey; monkey.patch_all()' into the first lines of gunicorn.conf.py"
        )
    return found


_LOOSE = ("permit_obsolete_folding", "strip_header_spaces")
