"""Settings come from the environment, typed, and all that is wrong is said at once."""

import pytest

from app.settings import Settings, SettingsError


def test_nothing_has_to_be_set():
    assert Settings.from_environ({"PATH": "/bin"}).catalogue_url == "http://127.0.0.1:9101"


def test_texts_become_what_they_stand_for():
    settings = Settings.from_environ(
        {"SHOP_PAGE_TIMEOUT": "0.75", "SHOP_MAX_IN_FLIGHT": "32", "SHOP_EXPOSE_ERRORS": "true"}
    )
    assert (settings.page_timeout, settings.max_in_flight, settings.expose_errors) == (0.75, 32, True)


def test_every_problem_is_named_with_its_variable():
    with pytest.raises(SettingsError) as refused:
        Settings.from_environ(
            {
                "SHOP_PAGE_TIMEOUT": "soon",
                "SHOP_MAX_IN_FLIGHT": "0",
                "SHOP_PRICES_URL": "prices",
                "SHOP_PRICE_URL": "x",
            }
        )
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "SHOP_MAX_IN_FLIGHT",
        "SHOP_PAGE_TIMEOUT",
        "SHOP_PRICE_URL",
        "SHOP_PRICES_URL",
    ]
    assert "no such setting" in lines[2]
