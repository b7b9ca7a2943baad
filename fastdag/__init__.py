"""fastdag: HTTP aggregation services as graphs. One request is answered by asking many other services."""

from fastdag.context import Context
from fastdag.errors import (
    GraphError,
    NodeError,
    UpstreamConnectError,
    UpstreamDecodeError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamStatusError,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from fastdag.graph import Graph
from fastdag.node import Node, add_child, add_parent
from fastdag.nodes.batch import Batch
from fastdag.outcome import Outcome
from fastdag.result import Result
from fastdag.upstream.call import Request, Response
from fastdag.upstream.client import Upstream
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.hedge import Hedge
from fastdag.upstream.policies.retry import Retry
from fastdag.web.app import App
from fastdag.web.resource import GraphResource

__all__ = [
    "App",
    "Batch",
    "Breaker",
    "Bulkhead",
    "Cache",
    "Context",
    "Graph",
    "GraphError",
    "GraphResource",
    "Hedge",
    "Node",
    "NodeError",
    "Outcome",
    "Request",
    "Response",
    "Result",
    "Retry",
    "Upstream",
    "UpstreamConnectError",
    "UpstreamDecodeError",
    "UpstreamError",
    "UpstreamProtocolError",
    "UpstreamRejected",
    "UpstreamStatusError",
    "UpstreamTimeout",
    "UpstreamTooLarge",
    "add_child",
    "add_parent",
]

__version__ = "0.1.0"
