"""Fails the build where a page would load anything from another host."""

import re
from typing import Any

from mkdocs.exceptions import PluginError

# Scripts, styles, fonts, images and frames; links that a reader may follow are none of those.
_loaded = re.compile(
    r"""<(?:script|img|iframe|source|link(?![^>]*\bcanonical\b))\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>"""
)


def on_post_page(output: str, *, page: Any, **_more: Any) -> str:
    found = _loaded.search(output)
    if found:
        raise PluginError(f"{page.file.src_path} loads something from elsewhere: {found[0]}")
    return output
