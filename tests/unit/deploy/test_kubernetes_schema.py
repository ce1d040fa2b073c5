"""The Kubernetes manifests against Kubernetes' own schemas, and against kustomize where kubectl is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from copy import deepcopy
from functools import lru_cache
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils

from tests.manifests import DEPLOY, Resource, assembled, read

# The oldest that is still maintained by anybody, and the newest that is known.
VERSIONS = ("1.30", "1.37")
FOLDERS = ("gpu", "cpu")
_contents = utils.schema_contents


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package reads a megabyte of definitions anew for each resource."""
    monkeypatch.setattr(utils, "schema_contents", _kept)


@lru_cache
def _kept(filename: str, version: str) -> Any:
    return _contents(filename, version)


def every_resource() -> list[Any]:
    """Each once: what the overlays hold, and what is applied by itself."""
    found: dict[str, Resource] = {}
    for folder in FOLDERS:
        for each in assembled(folder):
            found[json.dumps(each, sort_keys=True)] = each
    for path in sorted((DEPLOY / "optional").glob("*.yaml")):
        for each in read(path):
            found[json.dumps(each, sort_keys=True)] = each
    return [pytest.param(each, id=f"{each['kind']}-{each['metadata']['name']}") for each in found.values()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", every_resource())
def test_fits_the_schema(resource: Resource, version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def wrong(resource: Resource, path: str, value: object) -> Resource:
    """The resource with something else at a path such as ``spec/template``."""
    changed = deepcopy(resource)
    at: Any = changed
    *before, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in before:
        at = at[part]
    at[last] = value
    return changed


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("frontdesk-app", "spec/replica", 1),
        ("frontdesk-app", "spec/replicas", "one"),
        ("frontdesk-app", "spec/template/spec/containers/0/readinessprobe", {}),
        ("frontdesk-model", "spec/template/spec/containers/0/ports/0/containerPort", "front"),
        ("frontdesk-qdrant", "spec/volumeClaimTemplates/0/spec/accessMode", "ReadWriteOnce"),
    ],
)
def test_the_schema_refuses_what_is_wrong(name: str, path: str, value: object) -> None:
    resource = next(
        each for each in assembled("gpu") if (each["kind"], each["metadata"]["name"]) == ("StatefulSet", name)
    )
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong(resource, path, value), VERSIONS[-1], strict=True)


@pytest.mark.parametrize("folder", ["base", *FOLDERS])
def test_kustomize_makes_the_same_of_it(folder: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    command = ["kubectl", "kustomize", str(DEPLOY / folder)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "unknown command" in made.stderr:
        pytest.skip("this kubectl has no kustomize")
    assert (made.returncode, made.stderr) == (0, "")

    def key(each: Resource) -> tuple[str, str]:
        return each["kind"], each["metadata"]["name"]

    rendered = sorted(yaml.safe_load_all(made.stdout), key=key)
    assert rendered == sorted(assembled(folder), key=key)
