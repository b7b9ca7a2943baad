"""One request and its answer, from the call of the program to the last byte, in a greenlet of its own out of the crew.

The connection tells an exchange that it is over (`end`: the client left, the worker drains) by throwing into that
greenlet, from the hub, where it is known to wait. Nobody throws once the exchange is `settled`: its answer is out, and
what follows (`close` of the body, the hooks) is not the client's business.
"""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any

from fastdag.concurrency import GreenletExit, from_signal_handler, getcurrent
from fastdag.deadline import now
from fastdag.server.access import Logged
from fastdag.server.environ import Environ, request_environ, unknown_environ
from fastdag.server.head import Head
from fastdag.server.refuse import refusal
from fastdag.server.response import Response

if TYPE_CHECKING:
    from fastdag.server.connection import Connection

__all__ = ["Draining", "Exchange"]


class Draining(GreenletExit):
    """The worker is about to be killed and has answered for the program; thrown into what still runs."""


class Exchange:
    __slots__ = (
        "_connection",
        "_content",
        "_environ",
        "_greenlet",
        "_logged",
        "_thrown",
        "head",
        "left",
        "response",
        "settled",
    )

    def __init__(self, connection: Connection, head: Head, content: bytes) -> None:
        self._connection = connection
        self._content = content
        self._environ: Environ = {}
        self._greenlet: Any = None
        self._logged: Any = None
        self.head = head
        self.left = False
        self.response = Response(head, connection)
        self.settled = False
        self._thrown = False

    def serve(self) -> bool:
        """Run it; called by the crew. True: somebody may still throw into this greenlet, do not use it again."""
        house = self._connection.house
        self._greenlet = getcurrent()
        began = now()
        house.enter(began)
        # A context of its own: nothing that one request sets is seen by the next one.
        context = Context()
        clean = False
        try:
            context.run(self._answer)
            clean = True
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or from_signal_handler(error):
                raise
            if self._connection.departed and not self.settled:
                self._leave()
            elif not (isinstance(error, GreenletExit) and self.settled):
                self._failed(error)
        finally:
            self._greenlet = None
            house.leave("left" if self.left else "served")
        self.settled = True
        if house.access.enabled:
            environ = self._environ or unknown_environ(self._connection.environ)
            house.access.note(self._logged or self.response, self.head, environ, now() - began)
        if house.after is not None:
            context.run(self._after)
        self._connection.finished(self)
        return self._thrown or not clean

    def _answer(self) -> None:
        connection, response, head = self._connection, self.response, self.head
        house = connection.house
        environ = self._environ = request_environ(connection.environ, head, self._content)
        environ["wsgi.early_hints"] = response.early_hints
        if house.before is not None:
            house.before(house.worker, head)
        result = house.program(environ, response.start_response)
        try:
            if isinstance(result, (list, tuple)):
                response.send_all(result[0] if len(result) == 1 else b"".join(result))
            else:
                for part in result:
                    response.write(part)
            response.finish()
            self.settled = True
        finally:
            if hasattr(result, "close"):
                result.close()

    def _failed(self, error: BaseException) -> None:
        head, response = self.head, self.response
        self._connection.house.log.error("Error handling request %s %s", head.method, head.uri, exc_info=error)
        if self.settled:
            return
        if response.headers_sent:
            # What was sent cannot be taken back; a connection that ends early says that it is not the whole.
            self._connection.close()
        else:
            self.refuse(500)

    def _after(self) -> None:
        house = self._connection.house
        try:
            house.after(house.worker, self.head, self._environ, self.response)
        except Exception:
            house.log.exception("Exception in post_request hook")

    def refuse(self, code: int) -> None:
        """Answer for the program, which has not begun to."""
        answer = refusal(code)
        self._logged = Logged(answer.status, answer.length)
        self.response.headers_sent = self.settled = True
        self.response.must_close |= self._connection.closing
        self._connection.send_refusal(answer, self.head, close=self.response.should_close())

    def _leave(self) -> None:
        self.left = self.settled = True
        sent = max(0, self.response.sent - self._connection.untaken)
        self._logged = Logged("499 Client Closed Request", sent, self.response.headers)

    def end(self, reason: GreenletExit) -> None:
        """Throw into the greenlet. Called in the hub, so it is not running: it waits, for whatever it may be."""
        greenlet = self._greenlet
        if greenlet is not None:
            self._thrown = True
            greenlet.throw(reason)
