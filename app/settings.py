"""What a deployment may change, from the environment: `SHOP_CATALOGUE_URL`, `SHOP_PAGE_TIMEOUT` and so on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

import msgspec

PREFIX = "SHOP_"

Url = Annotated[str, msgspec.Meta(pattern=r"^(https?|unix)://.+")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=60)]


class SettingsError(ValueError):
    """What is wrong with the environment, all of it, one problem a line."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are those of `python -m app.services`, so that nothing has to be set on a developer's machine."""

    catalogue_url: Url = "http://127.0.0.1:9101"
    prices_url: Url = "http://127.0.0.1:9102"
    stock_url: Url = "http://127.0.0.1:9103"
    reviews_url: Url = "http://127.0.0.1:9104"
    recommendations_url: Url = "http://127.0.0.1:9105"
    sellers_url: Url = "http://127.0.0.1:9106"
    orders_url: Url = "http://127.0.0.1:9107"

    page_timeout: Seconds = 1.5
    extras_timeout: Seconds = 0.3
    order_timeout: Seconds = 5.0
    max_in_flight: Annotated[int, msgspec.Meta(ge=1)] = 256
    expose_errors: bool = False
    ops_address: str = ""
    log: bool = False
    metrics: bool = False
    traces_url: Annotated[str, msgspec.Meta(pattern=r"^$|^https?://.+")] = ""
    cache_url: Annotated[str, msgspec.Meta(pattern=r"^$|^(rediss?|unix)://.+")] = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """The settings that an environment holds; a value that does not fit, or a name that is none, is refused."""
        given = {name.removeprefix(PREFIX).lower(): text for name, text in environ.items() if name.startswith(PREFIX)}
        types = {field.name: field.type for field in msgspec.structs.fields(cls)}
        values, problems = {}, []
        for name, text in sorted(given.items()):
            try:
                values[name] = msgspec.convert(text, types[name], strict=False)
            except KeyError:
                problems.append(f"{PREFIX}{name.upper()}: no such setting; there are {', '.join(types)}")
            except msgspec.ValidationError as error:
                problems.append(f"{PREFIX}{name.upper()}: {error}; it is {text!r}")
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(**values)
