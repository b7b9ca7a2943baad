"""The manifests agree with the app, with gunicorn's settings and with each other."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from app.services import FIRST_PORT, NAMES
from app.settings import Settings
from fastdag.observe.families import FAMILIES, GAUGE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
URLS = {f"SHOP_{name.upper()}_URL" for name in NAMES}


def gunicorn_settings():
    return runpy.run_path(str(ROOT / "gunicorn.conf.py"))


def objects():
    found = [part for file in KUBERNETES for part in yaml.safe_load_all(file.read_text())]
    return {part["kind"]: part for part in found}


@pytest.fixture(scope="module")
def kubernetes():
    return objects()


@pytest.fixture(scope="module")
def pod(kubernetes):
    return kubernetes["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    return pod["containers"][0]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_kubernetes_has_what_a_service_needs(kubernetes):
    assert set(kubernetes) == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    }
    assert all(part["apiVersion"] and part["metadata"]["name"] == "shop" for part in kubernetes.values())


def test_everything_selects_the_pods_of_the_deployment(kubernetes):
    labels = kubernetes["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert kubernetes["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert kubernetes["Service"]["spec"]["selector"] == labels
    assert kubernetes["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    target = kubernetes["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "shop")


def test_the_service_leads_to_a_port_of_the_container(kubernetes, container):
    (port,) = kubernetes["Service"]["spec"]["ports"]
    assert port["targetPort"] in [port["name"] for port in container["ports"]]


def test_probes_ask_the_app_and_not_its_upstreams(container):
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}


def test_a_pod_is_never_killed_before_its_requests_have_ended(pod, container):
    command, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert int(seconds) + gunicorn_settings()["graceful_timeout"] < pod["terminationGracePeriodSeconds"]


def test_containers_do_not_run_as_root_and_write_nowhere(pod, container):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_the_hpa_can_scale_because_cpu_is_requested(kubernetes, container):
    metrics = kubernetes["HorizontalPodAutoscaler"]["spec"]["metrics"]
    (name,) = [metric["resource"]["name"] for metric in metrics if metric["type"] == "Resource"]
    assert name in container["resources"]["requests"]


def test_the_hpa_scales_on_requests_in_flight_well_before_they_are_refused(kubernetes):
    metrics = kubernetes["HorizontalPodAutoscaler"]["spec"]["metrics"]
    (pods,) = [metric["pods"] for metric in metrics if metric["type"] == "Pods"]
    assert FAMILIES[pods["metric"]["name"]].kind == GAUGE
    (rule,) = yaml.safe_load((DEPLOY / "prometheus/adapter.yml").read_text())["rules"]
    assert rule["seriesQuery"].startswith(pods["metric"]["name"] + "{")
    assert int(pods["target"]["averageValue"]) * 2 < Settings().max_in_flight


def test_the_network_lets_through_what_is_configured_and_no_more(kubernetes, container):
    spec = kubernetes["NetworkPolicy"]["spec"]
    assert spec["podSelector"]["matchLabels"] == kubernetes["Deployment"]["spec"]["selector"]["matchLabels"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    ports = {port["name"] for port in container["ports"]}
    assert {port["port"] for rule in spec["ingress"] for port in rule["ports"]} == ports
    assert all(rule["from"] for rule in spec["ingress"])
    assert all(rule["to"] for rule in spec["egress"])
    urls = [urlsplit(url) for name, url in kubernetes["ConfigMap"]["data"].items() if name.endswith("_URL")]
    allowed = set()
    for rule in spec["egress"]:
        selector = rule["to"][0].get("podSelector", {})
        names = [*selector.get("matchLabels", {}).values()]
        names += [name for each in selector.get("matchExpressions", ()) for name in each["values"]]
        allowed |= {(name, port["port"]) for name in names for port in rule["ports"]}
    assert allowed == {(url.hostname, url.port) for url in urls} | {("kube-dns", 53)}


def test_kubernetes_sets_every_address_and_nothing_the_app_refuses(kubernetes):
    data = kubernetes["ConfigMap"]["data"]
    assert set(data) >= URLS
    assert Settings.from_environ(data)


def test_kubernetes_adds_no_variables_of_its_own(pod):
    assert pod["enableServiceLinks"] is False


def test_compose_leads_the_shop_to_the_services(compose):
    environment = compose["shop"]["environment"]
    ports = {name: FIRST_PORT + offset for offset, name in enumerate(NAMES)}
    assert {name: environment[name] for name in URLS} == {
        f"SHOP_{name.upper()}_URL": f"http://services:{port}" for name, port in ports.items()
    }
    assert Settings.from_environ(environment)
    assert compose["services"]["ports"] == [
        "127.0.0.1:{0}-{1}:{0}-{1}".format(min(ports.values()), max(ports.values()))
    ]


def test_compose_waits_longer_than_gunicorn(compose):
    seconds = int(compose["shop"]["stop_grace_period"].removesuffix("s"))
    assert seconds > gunicorn_settings()["graceful_timeout"]


def test_the_services_start_as_compose_starts_them_and_are_found_healthy(compose):
    python, *command = compose["services"]["command"]
    command[command.index("0.0.0.0")] = "127.0.0.1"
    check = " ".join(compose["services"]["healthcheck"]["test"])
    (path,) = re.findall(rf"http://127.0.0.1:{FIRST_PORT}(/[^']*)'", check)
    with subprocess.Popen([sys.executable, *command, "--first-port", "0"], stdout=subprocess.PIPE, text=True) as child:
        try:
            name, url = child.stdout.readline().split()
            assert python == "python3"
            assert name == NAMES[0]
            assert requests.get(url + path, timeout=10).status_code == 200
        finally:
            child.terminate()
            child.communicate(timeout=20)  # it may still be telling of the others
    assert child.returncode == 0


def test_prometheus_asks_where_the_app_tells_its_numbers(compose, kubernetes, container):
    (job,) = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert found["names"] == ["shop"]
    assert f"0.0.0.0:{found['port']}" == compose["shop"]["environment"]["SHOP_OPS_ADDRESS"]
    annotations = kubernetes["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    (ops,) = [port["containerPort"] for port in container["ports"] if port["name"] == "ops"]
    assert f"0.0.0.0:{ops}" == kubernetes["ConfigMap"]["data"]["SHOP_OPS_ADDRESS"]
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(ops),
        "prometheus.io/path": job.get("metrics_path", "/metrics"),
    }


def test_alerts_and_dashboard_are_about_the_job_that_is_scraped():
    (job,) = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    for file in ("prometheus/alerts.yml", "grafana/dashboard.json"):
        assert set(re.findall(r'job=\\?"(\w+)', (DEPLOY / file).read_text())) == {job["job_name"]}


def test_what_containers_are_given_is_there_and_is_what_they_are_told_to_read(compose):
    mounts = {}
    for service in compose.values():
        for volume in service.get("volumes", ()):
            source, target, mode = volume.split(":")
            assert mode == "ro"
            assert (DEPLOY / source).exists()
            mounts[target] = DEPLOY / source
    (config,) = [word.partition("=")[2] for word in compose["prometheus"]["command"] if "config.file" in word]
    assert (mounts[str(Path(config).parent)] / Path(config).name).is_file()
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning.yml").read_text())["providers"]
    assert provider["options"]["path"] in {str(Path(target).parent) for target in mounts}


def test_the_dashboard_asks_the_prometheus_that_compose_starts(compose):
    (source,) = yaml.safe_load((DEPLOY / "grafana/datasource.yml").read_text())["datasources"]
    assert compose[urlsplit(source["url"]).hostname]["ports"] == [f"127.0.0.1:9090:{urlsplit(source['url']).port}"]
    panels = json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
