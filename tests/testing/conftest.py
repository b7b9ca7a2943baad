"""The trips of `trips.py`, with fakes for the services that they ask."""

from types import SimpleNamespace

import pytest

from . import trips


@pytest.fixture
def world(fake_upstream):
    """What the three services answer when all is well; each takes a while, so that calls can overlap."""
    places, weather, hotels = (fake_upstream(upstream, delay=0.01) for upstream in trips.ALL)
    return SimpleNamespace(
        places=places,
        weather=weather,
        hotels=hotels,
        city=places.on("GET /cities/{name}", {"name": "{name}", "at": "59,17"}),
        forecast=weather.on("GET /forecast", {"sky": "blue"}),
        near=hotels.on("GET /near", {"found": [1, 2, 3]}),
        hotel=hotels.on("GET /hotels/{id}", {"id": "{id}", "beds": 2}),
    )
