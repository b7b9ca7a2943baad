"""aiohttp on both sides, on uvloop, with orjson; its argument is the port."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import uvloop
from aiohttp import web

UPSTREAM = os.environ["UPSTREAM"]
SESSION = web.AppKey("session", aiohttp.ClientSession)


async def part(session: aiohttp.ClientSession, number: int) -> Any:
    async with session.get(f"{UPSTREAM}/part/{number}") as response:
        response.raise_for_status()
        return orjson.loads(await response.read())


async def page(request: web.Request) -> web.Response:
    session = request.app[SESSION]
    merged: dict[str, Any] = {}
    for found in await asyncio.gather(*(part(session, number) for number in range(10))):
        merged.update(found)
    return web.Response(body=orjson.dumps(merged), content_type="application/json")


async def sessions(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        app[SESSION] = session
        yield


app = web.Application()
app.router.add_get("/page", page)
app.cleanup_ctx.append(sessions)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, loop=uvloop.new_event_loop())
