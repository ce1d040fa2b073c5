"""The Kubernetes manifests, as far as they can be checked without a cluster: what they name exists, and they run what compose runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from app.cli import app as command_line
from app.settings import AppSettings
from ingest.settings import IngestSettings
from serving.release_store import SHIPPED
from serving.settings import ServingSettings
from serving.vllm_plan import GPU_AT_ONCE
from tests.manifests import DEPLOY, Resource, assembled, by_name, containers, environment, pod, workloads

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SETTINGS = (AppSettings, IngestSettings, ServingSettings)
KNOWN = {f"FRONTDESK_{name.upper()}" for settings in SETTINGS for name in settings.model_fields}
PAGES = set(re.findall(r"FRONTDESK_\w+", (ROOT / "ui" / "settings.py").read_text()))
# A container here and its service there.
SAME = {
    "frontdesk-app/app": "app",
    "frontdesk-app/trainer": "trainer",
    "frontdesk-answers/app": "app",
    "frontdesk-customer/page": "ui-customer",
    "frontdesk-staff/page": "ui-staff",
    "frontdesk-qdrant/qdrant": "qdrant",
    "frontdesk-postgres/postgres": "postgres",
}
MODEL = "frontdesk-model/model"
DOCKERFILES = {"gpu": "model-gpu", "cpu": "model-cpu"}


@pytest.fixture(params=["gpu", "cpu"])
def folder(request: pytest.FixtureRequest) -> str:
    """One of the two that are applied."""
    return str(request.param)


@pytest.fixture
def resources(folder: str) -> list[Resource]:
    """All that it holds."""
    return assembled(folder)


def secrets(resources: list[Resource]) -> dict[str, str]:
    """A value for each secret."""
    found = re.findall(
        r"<frontdesk-secrets:([\w-]+)>", json.dumps([environment(c, resources) for _, c in containers(resources)])
    )
    return {f"<frontdesk-secrets:{key}>": f"{key}-0123456789abcdef" for key in found}


# what runs


def test_every_service_of_compose_has_its_place(resources: list[Resource]) -> None:
    assert {name for name, _ in containers(resources)} == {*SAME, MODEL}
    assert set(SAME.values()) | {"model-gpu", "model-cpu"} == set(COMPOSE)


@pytest.mark.parametrize("name", SAME)
def test_runs_what_compose_runs(resources: list[Resource], name: str) -> None:
    container, service = dict(containers(resources))[name], COMPOSE[SAME[name]]
    assert container["image"] == service["image"]
    if name != "frontdesk-qdrant/qdrant":
        assert container.get("command") == service.get("command")
    mine, theirs = environment(container, resources), service["environment"]
    for variable in theirs:
        # Those without a value are taken over from a .env, which has no place here.
        if theirs[variable] is not None and not variable.startswith("FRONTDESK_UI"):
            assert variable in mine, f"{name} lacks {variable}"


@pytest.mark.parametrize("name", ["frontdesk-app/app", "frontdesk-app/trainer", "frontdesk-answers/app"])
def test_settings_are_understood(resources: list[Resource], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment(dict(containers(resources))[name], resources)
    assert {variable for variable in given if variable.startswith("FRONTDESK_")} <= KNOWN
    known = secrets(resources)
    for variable, value in given.items():
        value = known.get(value, value).replace("$(POSTGRES_PASSWORD)", "hex")
        monkeypatch.setenv(variable, value)
    loaded = [settings(_env_file=None) for settings in SETTINGS]
    ingest, serving = loaded[1], loaded[2]
    assert isinstance(ingest, IngestSettings)
    assert isinstance(serving, ServingSettings)
    assert ingest.shared
    assert ingest.sqlalchemy_url == "postgresql+psycopg://frontdesk:hex@frontdesk-postgres:5432/frontdesk"
    assert len(serving.endpoint_urls) == 4


def test_pages_know_their_variables(resources: list[Resource]) -> None:
    for name in ("frontdesk-customer/page", "frontdesk-staff/page"):
        given = environment(dict(containers(resources))[name], resources)
        assert set(given) <= PAGES
        assert ("FRONTDESK_API_KEY" in given) is (name == "frontdesk-customer/page"), "staff sign in with their own"


def test_both_kinds_of_api_process_are_set_up_alike(resources: list[Resource]) -> None:
    found = dict(containers(resources))
    desk, answers = found["frontdesk-app/app"], found["frontdesk-answers/app"]
    assert desk == answers
    assert environment(desk, resources) == environment(answers, resources)


def test_the_trainer_works_on_the_desks_data(resources: list[Resource]) -> None:
    desk, trainer = pod(workloads(resources)["frontdesk-app"])["containers"]
    assert trainer["volumeMounts"] == desk["volumeMounts"]
    assert workloads(resources)["frontdesk-app"]["spec"]["replicas"] == 1, "one process owns a data folder"
    check = COMPOSE["trainer"]["healthcheck"]["test"]
    assert trainer["livenessProbe"]["exec"]["command"] == check[1:]


# the model servers


def test_the_model_server_is_a_command_of_ours(resources: list[Resource], folder: str) -> None:
    container = dict(containers(resources))[MODEL]
    given = environment(container, resources)
    said = [*container["command"], *container["args"]]
    said = [re.sub(r"\$\((\w+)\)", lambda name: given[name[1]], part) for part in said]
    assert said[:4] == ["python", "-m", "app.cli", "serve-model"]
    parsed = typer.main.get_group(command_line).commands["serve-model"].make_context("serve-model", said[4:]).params
    assert parsed["release"] == "support"
    assert (parsed["host"], parsed["port"]) == ("0.0.0.0", container["ports"][0]["containerPort"])
    assert set(given) <= KNOWN
    [waiting, running] = by_name(resources, "HorizontalPodAutoscaler")["frontdesk-model"]["spec"]["metrics"]
    at_once = int(parsed["changes"][0].partition("=")[2]) if folder == "cpu" else GPU_AT_ONCE
    assert int(running["pods"]["target"]["averageValue"]) == at_once * 3 // 4
    assert waiting["pods"]["metric"]["name"] == "frontdesk_model_waiting"


def test_the_release_is_asked_for_as_it_wants(resources: list[Resource]) -> None:
    data = by_name(resources, "ConfigMap")["frontdesk-endpoint"]["data"]
    manifest = json.loads((SHIPPED / "release.json").read_text())["manifest"]
    assert data["FRONTDESK_ENDPOINT_MODEL"] == SHIPPED.name
    assert int(data["FRONTDESK_ENDPOINT_CONTEXT"]) == manifest["context"]
    assert data["FRONTDESK_ENDPOINT_LANGUAGES"].split(",") == manifest["languages"]


def test_the_api_knows_every_replica_that_may_run(resources: list[Resource]) -> None:
    data = by_name(resources, "ConfigMap")["frontdesk-endpoint"]["data"]
    model = workloads(resources)["frontdesk-model"]
    scaling = by_name(resources, "HorizontalPodAutoscaler")["frontdesk-model"]["spec"]
    port = pod(model)["containers"][0]["ports"][0]["containerPort"]
    urls = ServingSettings(
        endpoint_url=data["FRONTDESK_ENDPOINT_URL"], endpoint_model="any", _env_file=None
    ).endpoint_urls
    names = [f"frontdesk-model-{number}.{model['spec']['serviceName']}" for number in range(scaling["maxReplicas"])]
    assert urls == tuple(f"http://{name}:{port}/v1" for name in names)
    assert "replicas" not in model["spec"], "the autoscaler's number would be put back"
    assert scaling["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "frontdesk-model"}
    assert scaling["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300


def test_the_autoscaler_asks_for_what_the_adapter_makes(resources: list[Resource]) -> None:
    rules = yaml.safe_load((DEPLOY / "monitoring" / "adapter.yaml").read_text())["rules"]
    made = {rule["name"]["as"]: rule["seriesQuery"].partition("{")[0] for rule in rules}
    scaling = by_name(resources, "HorizontalPodAutoscaler")["frontdesk-model"]["spec"]
    assert {metric["pods"]["metric"]["name"] for metric in scaling["metrics"]} == set(made)
    assert set(made.values()) == {"vllm:num_requests_waiting", "vllm:num_requests_running"}


def test_prometheus_looks_at_ports_that_are_there(resources: list[Resource]) -> None:
    jobs = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yaml").read_text())["scrape_configs"]
    there = set()
    for workload in workloads(resources).values():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        for container in pod(workload)["containers"]:
            there |= {f"{port['name']};{label}" for port in container.get("ports", ()) for label in labels.values()}
    assert {job["relabel_configs"][0]["regex"] for job in jobs} <= there
    keys = {Path(job["authorization"]["credentials_file"]).name for job in jobs}
    assert {f"<frontdesk-secrets:{key}>" for key in keys} <= set(secrets(resources))


def test_the_images_of_model_servers_are_composes(folder: str, resources: list[Resource]) -> None:
    container, service = dict(containers(resources))[MODEL], COMPOSE[f"model-{folder}"]
    assert container["image"] == service["image"]
    assert container["command"][:4] == service["command"][:4]
    assert Path(service["build"]["dockerfile"]) == Path("docker") / f"{DOCKERFILES[folder]}.Dockerfile"
    text = (ROOT / service["build"]["dockerfile"]).read_text()
    assert f"--tag {container['image']} " in text, "the manifest asks for another image than is built"
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) is (folder == "gpu")


@pytest.mark.parametrize("name", ["app", "ui", "model-gpu", "model-cpu"])
def test_pods_run_as_the_images_users(name: str) -> None:
    text = (ROOT / "docker" / f"{name}.Dockerfile").read_text()
    uid = int(re.findall(r"useradd --uid (\d+)", text)[0])
    users = {pod(each)["securityContext"]["runAsUser"] for each in workloads(assembled("gpu")).values()}
    assert uid in users


# what is asked of the outside


def test_every_secret_is_made_by_a_command_of_the_docs(resources: list[Resource]) -> None:
    assert not by_name(resources, "Secret"), "values of secrets have no place in the repository"
    for _, container in containers(resources):
        for each in container.get("env", ()):
            if re.search(r"KEY$|PASSWORD$|TOKEN$", each["name"]):
                reference = each["valueFrom"]["secretKeyRef"]
                assert "optional" not in reference
                assert f"--from-literal={reference['key']}=" in OPERATIONS
                assert f"create secret generic {reference['name']}" in OPERATIONS
    for ingress in by_name(resources, "Ingress").values():
        for tls in ingress["spec"]["tls"]:
            assert f"create secret tls {tls['secretName']}" in OPERATIONS


def test_labels_of_other_namespaces_are_in_the_docs(resources: list[Resource]) -> None:
    said = json.dumps(list(by_name(resources, "NetworkPolicy").values()))
    for label in set(re.findall(r'"(frontdesk-[a-z]+)": "true"', said)):
        assert f"{label}=true" in OPERATIONS


def test_uploads_and_answers_fit_through_the_ingress(resources: list[Resource]) -> None:
    data = by_name(resources, "ConfigMap")["frontdesk-settings"]["data"]
    said = by_name(resources, "Ingress")["frontdesk-api"]["metadata"]["annotations"]
    for prefix, size, pause in (
        ("nginx.ingress.kubernetes.io", "proxy-body-size", "proxy-read-timeout"),
        ("nginx.org", "client-max-body-size", "proxy-read-timeout"),
    ):
        assert int(said[f"{prefix}/{size}"].rstrip("m")) > int(data["FRONTDESK_UPLOAD_MAX_MB"])
        assert int(said[f"{prefix}/{pause}"].rstrip("s")) > int(data["FRONTDESK_ANSWER_TIMEOUT_S"])


def test_paths_of_the_ingress_are_routes(resources: list[Resource]) -> None:
    from app.api import chat, openai

    routes = {route.path for router in (chat.router, openai.router) for route in router.routes}
    paths = [
        path["path"] for path in by_name(resources, "Ingress")["frontdesk-api"]["spec"]["rules"][0]["http"]["paths"]
    ]
    for path in paths:
        assert any(route.startswith(path) for route in routes), path
