"""Alerts and dashboard speak of what fastdag counts, by its names; nothing else would ever be seen in them."""

import json
import re
from pathlib import Path

import pytest
import yaml

from fastdag.observe.families import FAMILIES, HISTOGRAM

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
SCRAPED = {"job", "instance"}
PROMETHEUS_OWN = {"up"}
SUFFIXES = ("_bucket", "_count", "_sum")

METRIC = re.compile(r"\b((?:http|fastdag|up)\w*)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"(?:by|ignoring)\s*\(([^)]*)\)")


def dashboard():
    return json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]


def expressions():
    for rule in ALERTS["groups"][0]["rules"]:
        yield rule["alert"], rule["expr"], rule["annotations"]["summary"]
    for panel in dashboard():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


EXPRESSIONS = list(expressions())
CASES = pytest.mark.parametrize(("expression", "text"), [case[1:] for case in EXPRESSIONS])


def family(name):
    """The family of a series, which Prometheus names after a histogram's parts."""
    for suffix in SUFFIXES:
        base = name.removesuffix(suffix)
        if base in FAMILIES and base != name:
            assert FAMILIES[base].kind == HISTOGRAM, f"{name}: {base} is no histogram"
            return FAMILIES[base]
    assert name in FAMILIES, f"nobody counts {name}"
    assert FAMILIES[name].kind != HISTOGRAM, f"{name} is a histogram: {', '.join(name + each for each in SUFFIXES)}"
    return FAMILIES[name]


@CASES
def test_every_metric_is_counted_and_has_the_labels_it_is_asked_by(expression, text):
    found = [(name, labels) for name, labels in METRIC.findall(GROUPED.sub("", expression)) if name not in SCRAPED]
    assert found
    known = set(SCRAPED)
    for name, labels in found:
        if name in PROMETHEUS_OWN:
            continue
        own = {*family(name).labels, *SCRAPED}
        known |= own | ({"le"} if name.endswith("_bucket") else set())
        assert set(re.findall(r"(\w+)\s*[=!]~?", labels)) <= own, name
    grouped = {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")}
    assert grouped <= known
    assert set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z]\w*)\s*\}\}", text)) <= grouped


@CASES
def test_brackets_are_closed(expression, text):
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)


def test_every_alert_says_what_happens_and_whom_to_wake():
    rules = ALERTS["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    assert all(rule["annotations"]["summary"].endswith(".") for rule in rules)
    assert {rule["labels"]["severity"] for rule in rules} == {"page", "ticket"}


def families(expressions):
    found = {name for text in expressions for name, _ in METRIC.findall(GROUPED.sub("", text))}
    return {family(name).name for name in found - PROMETHEUS_OWN - SCRAPED}


def test_the_dashboard_shows_all_that_alerts_are_about():
    alerts = [rule["expr"] for rule in ALERTS["groups"][0]["rules"]]
    assert families(alerts) <= families(target["expr"] for panel in dashboard() for target in panel["targets"])
