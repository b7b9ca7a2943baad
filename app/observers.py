"""Who is told what happens, where the deployment wants to know."""

from app.settings import Settings
from fastdag.observe.log import Log


def observers(settings: Settings):
    """`SHOP_LOG`, `SHOP_METRICS` (needs the extra `metrics`), `SHOP_TRACES_URL` (needs the extra `otel`)."""
    found = []
    if settings.log:
        found.append(Log(upstreams=True, skip=("/livez", "/readyz")))
    if settings.metrics:
        from fastdag.observe.metrics import Metrics

        found.append(Metrics())
    if settings.traces_url:
        found.append(traces(settings.traces_url))
    return found


def traces(url: str):
    """Spans, sent to a collector that speaks OTLP over HTTP, in batches; the last of them when the worker ends."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from fastdag.observe.trace import Tracing

    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url)))
    return Tracing(provider)
