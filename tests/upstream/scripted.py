"""An upstream that does what a script says, on raw sockets: one script per connection, the last one for the rest."""

import socket
import time

from gevent.server import StreamServer


class Scripted:
    """`scripts`: for each connection a list of steps: bytes to send, seconds to wait, `READ`, `FIN`, `RST` or `STALL`.

    `READ` takes one request (up to the end of its body) and notes it in `requests`.
    """

    READ = "read"
    FIN = "fin"
    RST = "rst"
    STALL = "stall"

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.requests = []
        self.connections = 0
        self.open = 0
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self):
        self._server.stop()

    def settled(self):
        """Whether all connections were closed, from whichever side, within a few seconds."""
        patience = time.monotonic() + 5
        while self.open and time.monotonic() < patience:
            time.sleep(0.005)
        return self.open == 0

    def _serve(self, connection, _address):
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        self.open += 1
        try:
            for step in script:
                if not self._do(step, connection):
                    return
            while connection.recv(1 << 16):  # until the client goes
                pass
        except OSError:
            pass
        finally:
            self.open -= 1
            connection.close()

    def _do(self, step, connection):
        if isinstance(step, bytes):
            connection.sendall(step)
        elif step == self.READ:
            return self._read(connection)
        elif step == self.RST:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        elif step == self.FIN:
            return False
        elif step != self.STALL:
            time.sleep(step)
        return True

    def _read(self, connection):
        received = b""
        while b"\r\n\r\n" not in received:
            more = connection.recv(1 << 16)
            if not more:
                return False
            received += more
        head, _, body = received.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line[15:]):
                    body += connection.recv(1 << 16)
            elif line == b"transfer-encoding: chunked":
                while not body.endswith(b"0\r\n\r\n"):
                    body += connection.recv(1 << 16)
        self.requests.append((head.decode("latin-1"), body))
        return True
