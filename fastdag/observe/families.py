"""The metrics: their names, kinds and labels.

Names and labels are those of OpenTelemetry's semantic conventions for HTTP where they exist, written as Prometheus
writes them. Every label's values come from a declaration or a closed set (routes, graphs, nodes, upstreams and their
hosts, methods, statuses, reasons), so that no client can make series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "ACTIVE", "BOUNDS", "CLIENT", "COUNTED", "COUNTER", "FAMILIES", "GAUGE", "HISTOGRAM", "LAG", "LINES_DROPPED",
    "METHODS", "NODE", "NOT_CLOSED", "OTHER", "OUTCOMES", "RUN", "SERVER", "Family",
]  # fmt: skip

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

#: Upper bounds in seconds, as the conventions advise for request durations.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

#: The methods that the conventions know, and their word for all others: clients may send what they like.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER = "_OTHER"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric, with all its series."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


SERVER, ACTIVE = "http_server_request_duration_seconds", "http_server_active_requests"
CLIENT = "http_client_request_duration_seconds"
RUN, NODE, OUTCOMES = "fastdag_run_duration_seconds", "fastdag_node_duration_seconds", "fastdag_node_outcomes_total"
NOT_CLOSED, LAG = "fastdag_breaker_not_closed", "fastdag_loop_lag_seconds_total"
LINES_DROPPED = "fastdag_log_lines_dropped_total"

_STATUS = "http_response_status_code"

#: Events that are just counted: the family, what it counts, and the fields that become labels.
COUNTED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "node.abandoned": ("fastdag_nodes_abandoned_total", "Nodes that went on once cancelled.", ("graph", "node")),
    "node.shed": ("fastdag_nodes_shed_total", "Optional nodes that were dropped under pressure.", ("graph", "node")),
    "merge.conflict": ("fastdag_merge_conflicts_total", "Two nodes gave a key different values.", ("graph",)),
    "sink.dropped": ("fastdag_sinks_dropped_total", "Sinks that did not run: too many waited.", ("graph", "node")),
    "sink.failed": ("fastdag_sinks_failed_total", "Sinks that failed after the answer.", ("graph", "node")),
    "request.shed": ("fastdag_requests_shed_total", "Requests that were refused for being one too many.", ()),
    "retry.scheduled": ("fastdag_retries_total", "Further attempts after a failed one.", ("upstream",)),
    "retry.refused": ("fastdag_retries_refused_total", "Retries that were not made, and why.", ("upstream", "why")),
    "hedge.started": ("fastdag_hedges_total", "Second attempts beside a late first one.", ("upstream",)),
    "breaker.changed": ("fastdag_breaker_changes_total", "Changes of a breaker.", ("upstream", "host", "state")),
    "breaker.rejected": ("fastdag_breaker_rejected_total", "Calls that a breaker rejected.", ("upstream", "host")),
    "bulkhead.rejected": ("fastdag_bulkhead_rejected_total", "Calls for which there was no slot.", ("upstream",)),
    "cache.hit": ("fastdag_cache_hits_total", "Calls that were answered from the cache.", ("upstream",)),
    "cache.stale": ("fastdag_cache_stale_total", "Calls that were answered stale.", ("upstream", "why")),
    "cache.miss": ("fastdag_cache_misses_total", "Calls that the cache could not answer.", ("upstream",)),
    "store.failed": ("fastdag_store_failures_total", "What a cache's store did not do.", ("upstream", "reason")),
    "host.ejected": ("fastdag_host_ejections_total", "Hosts that were left out for a while.", ("upstream", "host")),
    "connection.dropped": ("fastdag_connections_dropped_total", "Upstream connections given up.", ("host", "cause")),
}  # fmt: skip

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            SERVER,
            HISTOGRAM,
            "Duration of requests.",
            ("http_request_method", "url_scheme", "http_route", _STATUS, "error_type"),
        ),
        Family(ACTIVE, GAUGE, "Requests that are being answered.", ("http_request_method", "url_scheme")),
        Family(
            CLIENT,
            HISTOGRAM,
            "Duration of attempts at upstreams.",
            ("upstream", "server_address", "server_port", "http_request_method", _STATUS, "error_type"),
        ),
        Family(RUN, HISTOGRAM, "Duration of runs, merging apart.", ("graph", "outcome")),
        Family(NODE, HISTOGRAM, "Duration of nodes.", ("graph", "node")),
        Family(OUTCOMES, COUNTER, "How nodes ended.", ("graph", "node", "state", "reason")),
        Family(NOT_CLOSED, GAUGE, "Workers whose breaker for a host is not closed.", ("upstream", "host")),
        Family(LAG, COUNTER, "By how much the loop turned too late, where it did.", ()),
        Family(LINES_DROPPED, COUNTER, "Log lines that nobody took in time.", ()),
        *(Family(name, COUNTER, help, labels) for name, help, labels in COUNTED.values()),
    )
}
