"""The panel: what an operator sees of the routes of an app, live, below `/_fastdag/`."""

from __future__ import annotations

from collections.abc import Iterable

from fastdag.observe.install import Observer
from fastdag.observe.record import RequestRecord
from fastdag.observe.recorder import Recorder
from fastdag.web.lifecycle import Lifecycle
from fastdag.web.panel.access import Access
from fastdag.web.panel.history import History
from fastdag.web.panel.live import Live
from fastdag.web.panel.pages import Files, Login, Now, Page, Redirect, Stream
from fastdag.web.panel.view import PanelApp

__all__ = ["Panel", "with_panel"]

_ROOT = "/_fastdag"


class Panel(Recorder):
    """An observer that keeps the last requests of every route, and pages that show them. `App(ops=True)` has one.

        app = App(ops=True, observe=[Panel(token=os.environ["PANEL_TOKEN"])])

    - `token`: at least 16 characters, asked for at `/_fastdag/login`, or sent as `Authorization: Bearer`. Whoever
      does not have it gets 404. `None`: only requests from this very machine are answered, see `Access`.
    - `keep`: the requests that are kept of every route.
    - `viewers`: how many can look at a worker at once.
    - `interval`: seconds between two updates.
    """

    def __init__(self, *, token: str | None = None, keep: int = 100, viewers: int = 8, interval: float = 1.0) -> None:
        super().__init__()
        self._access = Access(token)
        self._history = History(keep)
        self._viewers = viewers
        self._interval = interval

    def ended(self, record: RequestRecord) -> None:
        self._history.add(record)

    def mount(self, app: PanelApp, lifecycle: Lifecycle) -> None:
        """Add the panel's routes to an app."""
        access, history = self._access, self._history
        live = Live(lifecycle, most=self._viewers, interval=self._interval)
        app.add_route(_ROOT, Redirect(access))
        app.add_route(f"{_ROOT}/", Page(access))
        app.add_route(f"{_ROOT}/static/{{name}}", Files(access))
        app.add_route(f"{_ROOT}/data", Now(access, app, history))
        app.add_route(f"{_ROOT}/live", Stream(access, app, history, live))
        if access.has_token:
            app.add_route(f"{_ROOT}/login", Login(access))


def with_panel(observers: Iterable[Observer]) -> tuple[Observer, ...]:
    """The observers, and a panel if there is none among them."""
    given = tuple(observers)
    return given if any(isinstance(one, Panel) for one in given) else (*given, Panel())
