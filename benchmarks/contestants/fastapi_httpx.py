"""FastAPI and httpx: one client, `asyncio.gather`.

The client's limits are httpx's own: its pool looks at every connection for every call, so that more of them cost more.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

UPSTREAM = os.environ["UPSTREAM"]
client: httpx.AsyncClient


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    global client
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=30) as client:
        yield


app = FastAPI(lifespan=lifespan)


async def part(number: int) -> Any:
    response = await client.get(f"/part/{number}")
    response.raise_for_status()
    return response.json()


@app.get("/page")
async def page() -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for found in await asyncio.gather(*(part(number) for number in range(10))):
        merged.update(found)
    return merged
