"""Asks a URL at a steady rate, answered or not, and prints each latency in seconds as JSON.

Its arguments are the URL, the requests per second, and the seconds to go on for.

wrk sends the next request when the last is answered; a slow service then gets fewer of them. This one does not wait.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

__all__ = ["paced"]

kept = threading.local()


def ask(host: str, path: str) -> float:
    """One request on this thread's connection; seconds from sending it to the last byte of the answer."""
    if not hasattr(kept, "connection"):
        kept.connection = http.client.HTTPConnection(host, timeout=30)
    start = time.perf_counter()
    kept.connection.request("GET", path)
    response = kept.connection.getresponse()
    response.read()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}")
    return time.perf_counter() - start


def paced(url: str, rate: float, seconds: float) -> list[float]:
    parts = urlsplit(url)
    start = time.perf_counter()
    with ThreadPoolExecutor(64) as pool:
        asked = []
        for number in range(round(rate * seconds)):
            time.sleep(max(0.0, start + number / rate - time.perf_counter()))
            asked.append(pool.submit(ask, parts.netloc, parts.path))
        return [each.result() for each in asked]


if __name__ == "__main__":
    print(json.dumps(paced(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))))
