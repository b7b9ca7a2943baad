"""Who gets to see the panel, and that it is not there for anybody else."""

import pytest
from webtest import TestApp

from fastdag import App
from fastdag.web.panel import Panel
from tests.panel.common import LOCAL, TOKEN, panelled

PATHS = ("/_fastdag", "/_fastdag/", "/_fastdag/data", "/_fastdag/live", "/_fastdag/static/main.js")
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("path", [*PATHS, "/_fastdag/login", "/_fastdag/static/panel.css"])
def test_without_ops_there_is_no_panel(path):
    assert TestApp(App(observe=[Panel(token=TOKEN)])).get(path, headers=BEARER, status=404)


def test_with_ops_there_is_one_on_the_machine_itself():
    page = panelled().get("/_fastdag/", extra_environ=LOCAL)
    assert (page.content_type, page.status_int) == ("text/html", 200)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1"])
@pytest.mark.parametrize("host", ["localhost", "shop.localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_the_machine_itself_has_several_names(address, host):
    panelled().get("/_fastdag/", extra_environ={"REMOTE_ADDR": address, "HTTP_HOST": host}, status=200)


@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "10.0.0.7"},
        {"REMOTE_ADDR": ""},  # a Unix socket, behind which is a proxy
        {"HTTP_X_FORWARDED_FOR": "10.0.0.7"},
        {"HTTP_FORWARDED": "for=10.0.0.7"},
        {"HTTP_HOST": "rebound.example"},
        {"HTTP_HOST": "localhost.example"},
        {"HTTP_HOST": ""},
    ],
    ids=repr,
)
@pytest.mark.parametrize("path", PATHS)
def test_others_get_404_where_there_is_no_token(environ, path):
    panelled().get(path, extra_environ={**LOCAL, **environ}, status=404)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}])
def test_without_the_token_there_is_nothing_even_on_the_machine_itself(path, headers):
    panelled(token=TOKEN).get(path, headers=headers, extra_environ=LOCAL, status=404)


def test_a_refusal_looks_like_any_other_404():
    app = panelled(token=TOKEN)
    refused, unknown = (
        app.get(path, headers={"X-Request-Id": "1"}, status=404) for path in ("/_fastdag/", "/nothing")
    )
    assert (refused.body, refused.headers) == (unknown.body, unknown.headers)


def test_the_token_opens_the_panel_from_anywhere():
    far = {"REMOTE_ADDR": "10.0.0.7", "HTTP_HOST": "shop.example", "HTTP_X_FORWARDED_FOR": "10.0.0.8"}
    panelled(token=TOKEN).get("/_fastdag/data", headers=BEARER, extra_environ=far, status=200)


def test_the_token_is_exchanged_for_a_cookie_that_is_not_the_token():
    app = panelled(token=TOKEN)
    answer = app.post("/_fastdag/login", {"token": TOKEN}, status=303)
    assert answer.headers["Location"] == "./"
    cookie = answer.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Lax", "Path=/_fastdag"} <= set(cookie.split("; "))
    app.get("/_fastdag/data", status=200)
    app.reset()
    app.get("/_fastdag/data", status=404)
    app.set_cookie("fastdag_panel", "0" * 64)
    app.get("/_fastdag/data", status=404)


def test_over_tls_the_cookie_stays_there():
    answer = panelled(token=TOKEN).post(
        "/_fastdag/login", {"token": TOKEN}, extra_environ={"wsgi.url_scheme": "https"}
    )
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize("token", ["", TOKEN[:-1], "ü" * 30, "x" * 10_000])
def test_another_token_gets_the_form_again_and_no_cookie(token):
    answer = panelled(token=TOKEN).post("/_fastdag/login", {"token": token}, status=403)
    assert "Set-Cookie" not in answer.headers
    assert '<p role="alert" class="bad">' in answer.text


def test_the_form_and_its_style_are_there_before_anybody_is_in():
    app = panelled(token=TOKEN)
    assert '<p role="alert" class="bad" hidden>' in app.get("/_fastdag/login").text
    assert app.get("/_fastdag/static/panel.css").content_type == "text/css"


def test_where_there_is_no_token_there_is_no_form():
    panelled().get("/_fastdag/login", status=404)


@pytest.mark.parametrize("token", ["", "short", 12345678901234567890, "ü" * 20, "with blanks in it", "line\n" * 5])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused(token):
    with pytest.raises(ValueError, match="the panel's token is at least 16 ASCII characters, without blanks"):
        Panel(token=token)


def test_bytes_that_are_no_text_are_no_token():
    panelled(token=TOKEN).get("/_fastdag/data", headers={"Authorization": "Bearer \xff\xfe"}, status=404)
