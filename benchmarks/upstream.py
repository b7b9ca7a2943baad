"""The upstream of the benchmarks: nginx on a core of its own, which answers 1 KB of fixed JSON per path.

`/part/0` to `/part/9` answer at once, and so does `/differing/part/0`, with an id in each head; `/20ms/part/0` and
`/1000ms/part/0` and so on after that time, where nginx has its Lua module. The parts share no key, so that merging ten
of them gives an object of ten keys (`MERGED`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.common import CACHE, Child, Children, free_port

__all__ = ["DELAYS", "MERGED", "PARTS", "has_lua", "start_nginx", "start_upstream"]

CALLS = 10
DELAYS = (20, 1000)
MODULES = Path("/usr/lib/nginx/modules")
LUA = ("ndk_http_module.so", "ngx_http_lua_module.so")
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CONFIGURATION = """
{modules}
daemon off; {processes} pid {folder}/nginx.pid; error_log stderr crit;
worker_rlimit_nofile 40000;
events {{ worker_connections 30000; multi_accept on; }}
http {{
    access_log off; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 120s;
    {temporary}
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=16384 {shared};
        {server}
    }}
}}
"""
DELAYED = """
location = /{delay}ms/part/{number} {{ content_by_lua_block {{
    ngx.sleep({seconds}) ngx.header.content_length = {length} ngx.print([==[{part}]==])
}} }}
"""


def _part(number: int) -> dict[str, Any]:
    """Some 1,000 bytes that look like a shop's product: text, numbers, lists, nesting, some not ASCII."""
    return {
        f"part{number}": {
            "id": 40_000 + number,
            "sku": f"KX-{number:04}-B",
            "title": f"Espresso machine no. {number}, brushed steel, 1.8 l",
            "price": {"amount": 249.5 + number, "currency": "EUR", "discounted": number % 2 == 0},
            "tags": ["kitchen", "coffee", "steel", "café"],
            "stock": [{"store": f"store-{store}", "count": store * 3 + number} for store in range(1, 7)],
            "rating": {"average": 4.25, "count": 318 + number, "stars": [4, 9, 21, 80, 204]},
            "description": "A dual-boiler machine with a brass group head, a PID controller and a cup warmer. " * 5,
            "dimensions": {"width": 30.5, "height": 38.25, "depth": 42, "weight": 11.75},
            "links": {"self": f"/products/{40_000 + number}", "image": f"/images/{40_000 + number}.webp"},
        }
    }


PARTS = [json.dumps(_part(number), ensure_ascii=False, separators=(",", ":")) for number in range(CALLS)]
MERGED: dict[str, Any] = {key: value for part in PARTS for key, value in json.loads(part).items()}


def start_nginx(
    children: Children,
    server: str,
    *,
    core: int | Iterable[int],
    port: int,
    name: str,
    http: str = "",
    processes: int = 1,
) -> Child:
    """nginx, one process by default, with a server block of ours; its modules are loaded where they are installed."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(
        CONFIGURATION.format(
            # Lua needs the development kit, so the order is not free.
            modules=" ".join(f"load_module {MODULES / name};" for name in LUA) if has_lua() else "",
            folder=folder,
            temporary=" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in TEMPORARY),
            http=http,
            port=port,
            processes="master_process off;" if processes == 1 else f"worker_processes {processes};",
            shared="reuseport" if processes > 1 else "",
            server=server,
        )
    )
    # nginx lives in a folder that not everybody's PATH holds.
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    return children.start(
        [binary, "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"], core=core, port=port, name=name
    )


def has_lua() -> bool:
    """Whether nginx has its Lua module here, which the delayed paths and one contestant need."""
    return all((MODULES / name).exists() for name in LUA)


def start_upstream(children: Children, *, core: int | Iterable[int], processes: int = 1) -> tuple[Child, str]:
    """The upstream's process and its base URL."""
    port = free_port()
    server = "default_type application/json;"
    server += f"location = /differing/part/0 {{ add_header X-Request-Id $request_id; return 200 '{PARTS[0]}'; }}"
    for number, part in enumerate(PARTS):
        server += f"location = /part/{number} {{ return 200 '{part}'; }}"
        for delay in DELAYS if has_lua() else ():
            length = len(part.encode())
            server += DELAYED.format(delay=delay, number=number, seconds=delay / 1000, length=length, part=part)
    name = "upstream" if processes == 1 else f"upstream-{processes}"
    child = start_nginx(children, server, core=core, port=port, name=name, processes=processes)
    return child, f"http://127.0.0.1:{port}"
