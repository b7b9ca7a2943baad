"""An upstream on raw sockets, in a process of its own with a thread per connection, that does what scripts say.

`python -m tests.faults.upstream [certificate key]` prints the ports of its listeners as JSON and takes orders, one
JSON object a line, on its control port. A request is answered by the script registered for its path (without the
query); a path of `/echo/TOKEN` is answered with the token. One connection may carry many requests. A script may
have other steps for the `first` request to its path.
"""

from __future__ import annotations

import json
import random
import select
import socket
import ssl
import struct
import sys
import threading
import time
import warnings
from collections import Counter


class State:
    """What all threads share."""

    def __init__(self):
        self.lock = threading.Lock()
        self.scripts = {}
        self.forget()
        self.open = 0

    def forget(self):
        self.requests = Counter()
        self.heads = []
        self.connections = 0
        self.closed_at = {}
        self.sent = Counter()
        self.let_go = set()


STATE = State()


class Gone(Exception):
    """The client closed the connection, or the script did."""


def serve(listener, handle):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(connection,), daemon=True).start()


def serve_http(connection, context=None):
    with STATE.lock:
        STATE.open += 1
        STATE.connections += 1
    path = ""
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if connection.family == socket.AF_INET else 0
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        buffer = b""
        while True:
            head, buffer = read_head(connection, buffer)
            path = head.split(b" ")[1].decode().partition("?")[0]
            with STATE.lock:
                STATE.requests[path] += 1
                STATE.heads.append(head.decode("latin-1"))
                script = STATE.scripts.get(path)
            if path.startswith("/echo/"):
                token = path.removeprefix("/echo/").encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(token), token))
            elif script is None:
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            else:
                buffer = play(connection, script, head, buffer, path)
    except (OSError, Gone, ssl.SSLError):
        pass
    finally:
        with STATE.lock:
            STATE.open -= 1
            STATE.closed_at[path] = time.monotonic()
        connection.close()


def read_head(connection, buffer):
    while b"\r\n\r\n" not in buffer:
        data = connection.recv(65536)
        if not data:
            raise Gone
        buffer += data
    head, _, rest = buffer.partition(b"\r\n\r\n")
    return head, rest


def read_body(connection, head, buffer):
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        while not (buffer.endswith(b"0\r\n\r\n")):
            data = connection.recv(65536)
            if not data:
                raise Gone
            buffer = (buffer + data)[-65536:]
        return b""
    length = 0
    for line in lowered.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(buffer) < length:
        data = connection.recv(65536)
        if not data:
            raise Gone
        length -= len(data)
    return buffer[length:] if length >= 0 else b""


def play(connection, script, head, buffer, path):
    first = "first" in script and STATE.requests[path] == 1
    for name, *args in script["first" if first else "steps"]:
        if name == "send":
            send_split(connection, args[0].encode("latin-1"), script["split"])
        elif name == "drip":
            for byte in args[0].encode("latin-1"):
                connection.sendall(bytes((byte,)))
                until_closed(connection, args[1])
        elif name == "endless":
            data = args[0].encode("latin-1")
            while True:
                connection.sendall(data)
                STATE.sent[path] += len(data)
        elif name == "again":  # the same bytes, with pauses, for ever
            while True:
                connection.sendall(args[0].encode("latin-1"))
                until_closed(connection, args[1])
        elif name == "sleep":
            until_closed(connection, args[0])
        elif name == "gate":  # wait for the order to let those of this path go, but no longer than the client stays
            while path not in STATE.let_go:
                until_closed(connection, 0.005)
        elif name == "linger":  # close, unless the next request comes in time
            if not select.select([connection], [], [], args[0])[0]:
                raise Gone
        elif name == "body":
            buffer = read_body(connection, head, buffer)
        elif name == "stall":
            until_closed(connection, 30)
            raise Gone
        elif name == "no_read":
            time.sleep(args[0])
        elif name == "rst":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Gone
        elif name == "fin":
            if isinstance(connection, ssl.SSLSocket) and args != ["raw"]:
                connection.settimeout(0.2)
                connection.unwrap()
            connection.shutdown(socket.SHUT_WR)
            raise Gone
        else:
            raise ValueError(f"no step is called {name}")
    return buffer


def until_closed(connection, seconds):
    """Wait, but no longer than the client stays; what it sends meanwhile is dropped."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(65536):
                raise Gone
        except TimeoutError:
            break
        finally:
            connection.settimeout(None)


def send_split(connection, data, split):
    """`split`: 0 for whole, 1 for byte by byte, another number is the seed for random pieces."""
    if split == 0 or len(data) > 4096:
        connection.sendall(data)
        return
    chance = random.Random(split)
    while data:
        size = 1 if split == 1 else chance.randint(1, max(1, len(data)))
        connection.sendall(data[:size])
        data = data[size:]
        time.sleep(0.0001)


def serve_control(connection):
    lines = connection.makefile("rw")
    for line in lines:
        order = json.loads(line)
        with STATE.lock:
            if "script" in order:
                STATE.scripts[order["script"]] = order
            if order.get("forget"):
                STATE.forget()
            if "let_go" in order:
                STATE.let_go.add(order["let_go"])
            answer = {
                "requests": dict(STATE.requests),
                "heads": STATE.heads[-20:],
                "connections": STATE.connections,
                "open": STATE.open,
                "sent": dict(STATE.sent),
            }
        lines.write(json.dumps(answer) + "\n")
        lines.flush()


def listen(handle, *, backlog=4096):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(backlog)
    threading.Thread(target=serve, args=(listener, handle), daemon=True).start()
    return listener.getsockname()[1]


def listen_unix(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    threading.Thread(target=serve, args=(listener, serve_http), daemon=True).start()


def tls(certificate, key, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if version is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    return context


def stay(connection):
    """Accept and say nothing."""
    try:
        while connection.recv(65536):
            pass
    except OSError:
        pass
    connection.close()


def main():
    folder = sys.argv[1]
    threading.stack_size(256 << 10)
    ports = {"http": listen(serve_http), "mute": listen(stay), "control": listen(serve_control)}
    for name in ("good", "expired", "stranger"):
        context = tls(f"{folder}/{name}.pem", f"{folder}/{name}.key")
        ports[name] = listen(lambda connection, context=context: serve_http(connection, context))
    mutual = tls(f"{folder}/good.pem", f"{folder}/good.key")
    mutual.verify_mode = ssl.CERT_REQUIRED
    mutual.load_verify_locations(f"{folder}/ca.pem")
    ports["mutual"] = listen(lambda connection: serve_http(connection, mutual))
    warnings.simplefilter("ignore", DeprecationWarning)
    old = tls(f"{folder}/good.pem", f"{folder}/good.key", ssl.TLSVersion.TLSv1)
    ports["old"] = listen(lambda connection: serve_http(connection, old))
    listen_unix(f"{folder}/http.sock")
    print(json.dumps(ports), flush=True)
    sys.stdin.read()  # until whoever started this is gone


if __name__ == "__main__":
    main()
