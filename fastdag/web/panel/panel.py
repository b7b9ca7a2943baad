"""The panel: what an operator sees of the routes of an app, live, below `/_fastdag/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastdag.events import Instrument
from fastdag.observe.install import Observer
from fastdag.web.lifecycle import Lifecycle
from fastdag.web.panel.access import Access
from fastdag.web.panel.history import History
from fastdag.web.panel.live import Live
from fastdag.web.panel.pages import Files, Login, Now, Page, Place, Redirect, Stream
from fastdag.web.panel.recording import Recording, Subject
from fastdag.web.panel.view import Views

__all__ = ["Panel", "with_panel"]

_ROOT = "/_fastdag"


class Panel:
    """The last requests of every route, and pages that show them. `App` has one where it has `ops`.

        app = App(ops=True, observe=[Panel(token=os.environ["PANEL_TOKEN"])])

    - `token`: at least 16 ASCII characters, asked for at `/_fastdag/login`, or sent as `Authorization: Bearer`.
      Whoever does not have it gets 404. `None`: only requests from this very machine are answered, see `Access`.
    - `always`: whether requests are recorded before anybody looks; else it begins with the first look, and ends five
      minutes after the last.
    - `keep`: the requests that are kept of every route.
    - `viewers`: how many can look at a worker at once.
    - `interval`: seconds between two updates.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        always: bool = False,
        keep: int = 100,
        viewers: int = 8,
        interval: float = 1.0,
    ) -> None:
        self._access = Access(token)
        self._always = always
        self._viewers = viewers
        self._interval = interval
        self._history = History(keep)
        self._recording = Recording(self._history)

    def events(self) -> Mapping[str, Instrument]:
        return self._recording.events() if self._always else {}

    def mount(self, app: Subject, lifecycle: Lifecycle, place: Place) -> None:
        """Add the pages about an app to an app, the same or another one."""
        access = self._access
        views = Views(app, self._history, None if self._always else self._recording)
        live = Live(lifecycle, most=self._viewers, interval=self._interval)
        place.add_route(_ROOT, Redirect(access))
        place.add_route(f"{_ROOT}/", Page(access))
        place.add_route(f"{_ROOT}/static/{{name}}", Files(access))
        place.add_route(f"{_ROOT}/data", Now(access, views))
        place.add_route(f"{_ROOT}/live", Stream(access, views, live))
        if access.has_token:
            place.add_route(f"{_ROOT}/login", Login(access))


def with_panel(observers: Iterable[Observer]) -> tuple[Observer, ...]:
    """The observers, and a panel if there is none among them."""
    given = tuple(observers)
    return given if any(isinstance(one, Panel) for one in given) else (*given, Panel())
