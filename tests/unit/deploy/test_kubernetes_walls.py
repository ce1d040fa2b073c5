"""The Kubernetes manifests: few rights, roads that are open on purpose, and names that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.manifests import Resource, assembled, by_name, containers, environment, pod, workloads

COMPOSE = yaml.safe_load((Path(__file__).parents[3] / "compose.yaml").read_text())["services"]
NAMES = sorted(workloads(assembled("gpu")))
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# Who may come to which port, labels of pods: everything else is closed.
OPEN = {
    ("frontdesk-qdrant", 6333): {"frontdesk-app", "frontdesk-answers"},
    ("frontdesk-qdrant", 6335): {"frontdesk-qdrant"},
    ("frontdesk-postgres", 5432): {"frontdesk-app", "frontdesk-answers"},
    ("frontdesk-model", 8001): {"frontdesk-app", "frontdesk-answers"},
    ("frontdesk-app", 8000): {"frontdesk-customer", "frontdesk-staff"},
    ("frontdesk-answers", 8000): {"frontdesk-customer", "frontdesk-staff"},
}


@pytest.fixture(params=["gpu", "cpu"])
def resources(request: pytest.FixtureRequest) -> list[Resource]:
    """All that is applied."""
    return assembled(request.param)


def labels(workload: Resource) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selected(selector: dict[str, str], resources: list[Resource]) -> set[str]:
    """Names of the workloads whose pods carry all these labels."""
    return {name for name, each in workloads(resources).items() if selector.items() <= labels(each).items()}


@pytest.mark.parametrize("name", NAMES)
class TestPod:
    def test_has_few_rights(self, resources: list[Resource], name: str) -> None:
        spec = pod(workloads(resources)[name])
        assert spec["serviceAccountName"] in by_name(resources, "ServiceAccount")
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        rights = spec["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert rights["runAsUser"] > 0
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]}

    def test_no_service_gets_into_its_settings(self, resources: list[Resource], name: str) -> None:
        # FRONTDESK_QDRANT_PORT=tcp://… and the like would be read as settings.
        assert pod(workloads(resources)[name])["enableServiceLinks"] is False

    def test_takes_a_known_share_of_its_machine(self, resources: list[Resource], name: str) -> None:
        for container in pod(workloads(resources)[name])["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]

    def test_is_watched(self, resources: list[Resource], name: str) -> None:
        for container in pod(workloads(resources)[name])["containers"]:
            ports = {port["name"] for port in container.get("ports", ())}
            if ports:
                assert set(PROBES) <= set(container)
            else:
                assert "livenessProbe" in container
            for probe in PROBES:
                if "httpGet" in container.get(probe, {}):
                    assert container[probe]["httpGet"]["port"] in ports

    def test_its_volumes_are_there(self, resources: list[Resource], name: str) -> None:
        workload = workloads(resources)[name]
        spec = pod(workload)
        made = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for container in spec["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= made | set(volumes)
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in by_name(resources, "PersistentVolumeClaim")
            else:
                assert "sizeLimit" in volume["emptyDir"]
        if made:
            assert "fsGroup" in spec["securityContext"], "a volume belongs to root"

    def test_is_selected_by_its_own_labels(self, resources: list[Resource], name: str) -> None:
        workload = workloads(resources)[name]
        assert selected(workload["spec"]["selector"]["matchLabels"], resources) == {name}
        if workload["kind"] == "StatefulSet":
            service = by_name(resources, "Service")[workload["spec"]["serviceName"]]
            assert service["spec"]["clusterIP"] == "None"
            assert selected(service["spec"]["selector"], resources) == {name}
        for spread in pod(workload).get("topologySpreadConstraints", ()):
            assert name in selected(spread["labelSelector"]["matchLabels"], resources)


@pytest.mark.parametrize(
    ("container", "service"),
    [
        ("frontdesk-app/app", "app"),
        ("frontdesk-customer/page", "ui-customer"),
        ("frontdesk-staff/page", "ui-staff"),
        ("frontdesk-qdrant/qdrant", "qdrant"),
        ("frontdesk-model/model", "model-gpu"),
    ],
)
def test_ready_is_asked_as_in_compose(resources: list[Resource], container: str, service: str) -> None:
    path = dict(containers(resources))[container]["readinessProbe"]["httpGet"]["path"]
    assert path in COMPOSE[service]["healthcheck"]["test"][-1]


def test_postgres_is_asked_as_in_compose(resources: list[Resource]) -> None:
    probe = dict(containers(resources))["frontdesk-postgres/postgres"]["readinessProbe"]
    assert probe["exec"]["command"] == COMPOSE["postgres"]["healthcheck"]["test"][1:]


def test_the_namespace_refuses_what_is_not_restricted(resources: list[Resource]) -> None:
    [namespace] = by_name(resources, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for each in resources:
        if each is not namespace:
            assert each["metadata"]["namespace"] == namespace["metadata"]["name"]


def test_services_lead_to_ports_that_are_there(resources: list[Resource]) -> None:
    for name, service in by_name(resources, "Service").items():
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP", "only an Ingress leads in"
        behind = selected(service["spec"]["selector"], resources)
        assert behind, name
        for workload in behind:
            ports = {
                port["name"]: port["containerPort"]
                for container in pod(workloads(resources)[workload])["containers"]
                for port in container.get("ports", ())
            }
            for port in service["spec"]["ports"]:
                assert ports[port["targetPort"]] == port["port"], "a policy by number means both"


def test_ingresses_lead_to_services_with_tls(resources: list[Resource]) -> None:
    services = by_name(resources, "Service")
    for ingress in by_name(resources, "Ingress").values():
        encrypted = {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]}
        for rule in ingress["spec"]["rules"]:
            assert rule["host"] in encrypted
            for path in rule["http"]["paths"]:
                asked = path["backend"]["service"]
                assert asked["name"] != "frontdesk-staff", "staff's page can delete"
                assert asked["port"]["name"] in {port["name"] for port in services[asked["name"]]["spec"]["ports"]}


def test_addresses_in_settings_are_services(resources: list[Resource]) -> None:
    services = by_name(resources, "Service")
    for name, container in containers(resources):
        for variable, value in environment(container, resources).items():
            for address in re.findall(r"[a-z+]+://[^\s,]+", value):
                url = urlsplit(address)
                host = (url.hostname or "").rpartition(".")[2] if url.hostname != "127.0.0.1" else ""
                if host:
                    assert host in services, f"{name}: {variable}"
                    assert url.port in {port["port"] for port in services[host]["spec"]["ports"]}


def test_whoever_has_several_pods_is_not_emptied_at_once(resources: list[Resource]) -> None:
    budgets = by_name(resources, "PodDisruptionBudget").values()
    covered = {name for each in budgets for name in selected(each["spec"]["selector"]["matchLabels"], resources)}
    several = {name for name, each in workloads(resources).items() if each["spec"].get("replicas", 2) > 1}
    assert several <= covered
    assert all(each["spec"] == {**each["spec"], "maxUnavailable": 1} for each in budgets)


# who may reach whom


def policies(resources: list[Resource], way: str) -> list[dict[str, Any]]:
    found = [each["spec"] for each in by_name(resources, "NetworkPolicy").values()]
    return [spec for spec in found if way.capitalize() in spec["policyTypes"]]


def allowed(resources: list[Resource], way: str, name: str) -> set[tuple[str, object]]:
    """(other side, port) of a workload's pods; the other side a workload, or a namespace's label."""
    found: set[tuple[str, object]] = set()
    for spec in policies(resources, way):
        if name not in selected(spec["podSelector"].get("matchLabels", {}), resources):
            continue
        for rule in spec.get(way, ()):
            assert rule["ports"], "no port means all of them"
            for side in rule["from" if way == "ingress" else "to"]:
                others = (
                    selected(side["podSelector"]["matchLabels"], resources)
                    if "podSelector" in side
                    else set(side["namespaceSelector"]["matchLabels"])
                )
                found |= {(other, port["port"]) for other in others for port in rule["ports"]}
    return found


def test_everything_is_closed_that_is_not_opened(resources: list[Resource]) -> None:
    closed = by_name(resources, "NetworkPolicy")["default-deny"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize(("to", "port"), OPEN)
def test_only_these_come_in_and_go_out(resources: list[Resource], to: str, port: int) -> None:
    named = {
        each["name"]: each["containerPort"]
        for container in pod(workloads(resources)[to])["containers"]
        for each in container.get("ports", ())
    }
    there = workloads(resources)
    came = {who for who, at in allowed(resources, "ingress", to) if named[str(at)] == port and who in there}
    went = {who for who in there if (to, port) in allowed(resources, "egress", who)}
    assert came == went == OPEN[(to, port)]


def test_nothing_goes_out_into_the_world(resources: list[Resource]) -> None:
    there = set(workloads(resources))
    for name in there:
        elsewhere = {(to, port) for to, port in allowed(resources, "egress", name) if to not in there}
        assert elsewhere == {("kubernetes.io/metadata.name", 53)}, name


def test_the_entrance_leads_to_pages_and_api_alone(resources: list[Resource]) -> None:
    reached = {
        name
        for name in workloads(resources)
        if "frontdesk-entrance" in {who for who, _ in allowed(resources, "ingress", name)}
    }
    assert reached == {"frontdesk-app", "frontdesk-answers", "frontdesk-customer"}


def test_qdrant_is_a_cluster_with_room_for_its_copies(resources: list[Resource]) -> None:
    qdrant = workloads(resources)["frontdesk-qdrant"]
    [container] = pod(qdrant)["containers"]
    script = container["args"][0]
    peers = by_name(resources, "Service")[qdrant["spec"]["serviceName"]]
    assert f"peers={peers['metadata']['name']}:6335" in script
    assert '--bootstrap "http://frontdesk-qdrant-0.${peers}"' in script
    assert peers["spec"]["publishNotReadyAddresses"] is True, "they must find each other to become ready"
    settings = by_name(resources, "ConfigMap")["frontdesk-settings"]["data"]
    copies = int(settings["FRONTDESK_QDRANT_REPLICAS"])
    assert 1 < copies < qdrant["spec"]["replicas"]
    assert int(settings["FRONTDESK_QDRANT_WRITE_CONSISTENCY"]) == copies
    [spread] = pod(qdrant)["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"


def test_the_api_and_its_model_servers_see_the_same_releases(resources: list[Resource]) -> None:
    [claim] = by_name(resources, "PersistentVolumeClaim").values()
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    found = dict(containers(resources))
    for name in ("frontdesk-app/app", "frontdesk-app/trainer", "frontdesk-answers/app", "frontdesk-model/model"):
        given = environment(found[name], resources)
        assert given["FRONTDESK_RELEASES"].startswith("/shared/")
        mounts = {mount["mountPath"]: mount for mount in found[name]["volumeMounts"]}
        assert pod(workloads(resources)[name.partition("/")[0]])["securityContext"]["fsGroup"] == 10001
        assert mounts["/shared"].get("readOnly", False) is (name == "frontdesk-model/model")


def test_yaml_means_what_it_says() -> None:
    """A YAML 1.1 reader makes booleans of on, off, yes and no: what is text must be quoted, or it is refused as settings."""
    for resource in assembled("gpu"):
        if resource["kind"] == "ConfigMap":
            assert all(isinstance(value, str) for value in resource["data"].values()), yaml.safe_dump(resource)
