"""docs/cli.md: it knows every command, and nothing that there is not."""

import re

import pytest
from typer.main import get_command

from fastdag.cli.commands import commands
from tests.cli.conftest import ROOT

PAGE = (ROOT / "docs/cli.md").read_text()
KNOWN = get_command(commands).commands
COMMON = {"--app", "--json", "--help"}


def section(name):
    return re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def options(name):
    return {option for param in KNOWN[name].params for option in [*param.opts] if option.startswith("-")}


def test_every_command_has_a_section_and_every_section_is_a_command():
    assert set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) == set(KNOWN)


@pytest.mark.parametrize("name", list(KNOWN))
def test_every_option_is_told_of_in_one_of_its_spellings(name):
    told = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*|-[A-Z]\b", section(name)))
    for param in KNOWN[name].params:
        spellings = {option for option in param.opts if option.startswith("-")}
        assert not spellings or spellings & (told | COMMON), f"{name} {param.opts}"


@pytest.mark.parametrize("name", list(KNOWN))
def test_no_option_is_made_up(name):
    for line in re.findall(rf"fastdag {name}\b(.*)$", section(name), re.MULTILINE):
        given = re.findall(r"(?<=\s)--?[A-Za-z][\w-]*", line.split("|")[0])
        assert set(given) <= options(name), line
