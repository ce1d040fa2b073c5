"""The Kubernetes manifests as kustomize puts them together, for tests on machines that have no kubectl.

What our kustomization.yaml files use, and nothing else: resources, namespace, JSON patches with a target.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

DEPLOY = Path(__file__).parents[1] / "deploy" / "kubernetes"
Resource = dict[str, Any]
_KNOWN = {"apiVersion", "kind", "namespace", "resources", "patches"}
# What the manifests hold that belongs to no namespace.
_OF_THE_CLUSTER = {"Namespace"}


@cache
def _assembled(folder: Path) -> tuple[Resource, ...]:
    said = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if unknown := set(said) - _KNOWN:
        raise AssertionError(f"{folder.name}/kustomization.yaml: this helper does not know {unknown}")
    found: list[Resource] = []
    for name in said["resources"]:
        path = (folder / name).resolve()
        found += deepcopy(_assembled(path)) if path.is_dir() else read(path)
    for resource in found:
        if "namespace" in said and resource["kind"] not in _OF_THE_CLUSTER:
            resource["metadata"]["namespace"] = said["namespace"]
    for change in said.get("patches", ()):
        _patch(found, change["target"], yaml.safe_load(change["patch"]))
    return tuple(found)


def _patch(found: list[Resource], target: dict[str, str], operations: list[dict[str, Any]]) -> None:
    hit = [at for at, each in enumerate(found) if (each["kind"], each["metadata"]["name"]) == tuple(target.values())]
    if not hit:
        raise AssertionError(f"there is nothing to patch: {target}")
    for at in hit:
        found[at] = jsonpatch.apply_patch(found[at], operations)


def assembled(folder: str) -> list[Resource]:
    """All resources of a folder below deploy/kubernetes, patched."""
    return deepcopy(list(_assembled(DEPLOY / folder)))


def read(path: Path) -> list[Resource]:
    """The resources of one file."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def by_name(resources: list[Resource], kind: str) -> dict[str, Resource]:
    """Those of a kind."""
    return {each["metadata"]["name"]: each for each in resources if each["kind"] == kind}


def workloads(resources: list[Resource]) -> dict[str, Resource]:
    """What has a pod template."""
    return {each["metadata"]["name"]: each for each in resources if each["kind"] in ("Deployment", "StatefulSet")}


def pod(workload: Resource) -> dict[str, Any]:
    """The pod of a workload."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def containers(resources: list[Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(workload/container, container) of all."""
    for name, workload in workloads(resources).items():
        for container in pod(workload)["containers"]:
            yield f"{name}/{container['name']}", container


def environment(container: dict[str, Any], resources: list[Resource]) -> dict[str, str]:
    """A container's variables; those from a Secret as ``<secret:key>``.

    Raises:
        KeyError: a ConfigMap or a key of one is not there.
    """
    maps = by_name(resources, "ConfigMap")
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        reference = source["configMapRef"]
        if reference["name"] in maps or not reference.get("optional"):
            found |= maps[reference["name"]]["data"]
    for each in container.get("env", ()):
        if "value" in each:
            found[each["name"]] = each["value"]
        elif "configMapKeyRef" in each["valueFrom"]:
            asked = each["valueFrom"]["configMapKeyRef"]
            found[each["name"]] = maps[asked["name"]]["data"][asked["key"]]
        else:
            asked = each["valueFrom"]["secretKeyRef"]
            found[each["name"]] = f"<{asked['name']}:{asked['key']}>"
    return found
