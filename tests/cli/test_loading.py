"""Finding the app; whatever is in the way is said in a sentence, with what to do about it."""

import pytest

from fastdag.cli.loading import load, place
from fastdag.cli.trouble import Broken, Trouble
from fastdag.web.app import App

GOOD = "app.add_graph('/', page)\n"
PAGE = "page = Graph('page')\n\n@page.node\ndef hello(context):\n    return {}\n\n"


@pytest.mark.parametrize(
    ("given", "found"),
    [("shop:app", "shop:app"), ("shop", "shop:app"), ("a.b:c", "a.b:c"), ("shop:", "shop:app")],
)
def test_an_app_is_named_by_module_and_attribute(given, found):
    assert place(given) == found


@pytest.mark.parametrize("given", ["", ":app", "3:app", "shop:1", "shop app", "./shop.py"])
def test_what_names_no_app_is_refused(given):
    with pytest.raises(Trouble, match=r"write it like app\.main:app"):
        place(given)


def test_the_environment_can_name_the_app(write, fastdag, monkeypatch):
    write(PAGE + GOOD)
    monkeypatch.setenv("FASTDAG_APP", "shop")
    assert "page" in fastdag("routes", app=None).stdout


def test_the_app_is_imported_from_where_one_stands(write):
    write(PAGE + GOOD)
    assert isinstance(load("shop").app, App)


def refused(given):
    with pytest.raises(Trouble) as caught:
        load(given)
    return caught.value


def test_a_module_that_is_not_there():
    assert refused("nowhere.main").what == "there is no module 'nowhere.main' here"


def test_a_missing_attribute_is_answered_with_the_apps_there_are(write):
    write("application = app\ndel app\n")
    error = refused("shop")
    assert (error.what, error.fix) == ("shop has no 'app'", "its apps: application")


def test_a_module_without_any_app(write):
    write("del app\n")
    assert "--app" in refused("shop").fix


def test_what_wraps_an_app_is_no_app(write):
    write("wrapped = lambda *args: app(*args)\n")
    error = refused("shop:wrapped")
    assert error.what == "shop:wrapped is no fastdag.App but of type function"
    assert "name the App itself" in error.fix


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = = 1\n", "shop.py:1: SyntaxError: invalid syntax"),
        ("\nimport nowhere\n", "shop.py:2: ModuleNotFoundError: No module named 'nowhere'"),
        ("raise KeyError('TOKEN')\n", "shop.py:1: KeyError: 'TOKEN'"),
        ("import sys\n\nsys.exit(3)\n", "shop.py:3: SystemExit: 3"),
        ("raise SystemExit('no TOKEN')\n", "shop.py:1: SystemExit: no TOKEN"),
        ("import json\njson.loads('[')\n", "shop.py:2: JSONDecodeError: Expecting value"),
    ],
)
def test_an_import_that_fails_is_told_with_its_place_in_the_users_files(write, text, said):
    write(text, prelude="")
    error = refused("shop")
    assert isinstance(error, Broken)
    assert error.what.startswith(f"shop cannot be imported: {said}")
    assert "python -c 'import shop'" in error.fix


def test_a_command_says_so_without_a_traceback(write, fastdag):
    write("raise KeyError('TOKEN')\n", prelude="")
    result = fastdag("routes")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 2


def test_broken_graphs_end_the_import_unless_they_are_to_be_collected(write):
    write("app.add_graph('/a', Graph('a'))\napp.add_graph('/b', Graph('b'), methods=('POST',))\n")
    assert "fastdag check" in refused("shop").fix
    found = load("shop", lenient=True)
    assert [(each.path, each.methods, each.graph) for each in found.refused] == [
        ("/a", ("GET",), "a"),
        ("/b", ("POST",), "b"),
    ]


def test_apps_are_as_strict_as_before_when_one_was_collected_from(write):
    write("app.add_graph('/a', Graph('a'))\nraise KeyError\n")
    strict = App.add_graph
    with pytest.raises(Broken):
        load("shop", lenient=True)
    assert App.add_graph is strict
