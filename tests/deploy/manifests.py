"""The manifests as Kubernetes gets them, and what is found in them."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
OVERLAYS: Final = ("base", "trial", "production")
SERVICES: Final = ("writer", "projector", "alerter", "gateway")
PODS: Final = (*((overlay, service) for overlay in OVERLAYS for service in SERVICES), ("production", "archiver"))
"""The archiver is there where an overlay says where the archive is."""


def rendered(overlay: str) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send; skips where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl: install it to have the manifests rendered")
    command = [kubectl, "kustomize", str(DEPLOY / "kubernetes" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"kustomize warns: {done.stderr}"
    return [msgspec.yaml.decode(text) for text in done.stdout.split("\n---\n")]


def found(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The one object of a kind with a name; kustomize lets that of a ConfigMap end with a hash."""
    alike = [one for one in objects if one["kind"] == kind]
    names = [one["metadata"]["name"] for one in alike]
    ends = r"(-\w{10})?" if kind == "ConfigMap" else ""
    (index,) = [index for index, known in enumerate(names) if re.fullmatch(re.escape(name) + ends, known)]
    return alike[index]


def workload(objects: list[dict[str, Any]], service: str) -> dict[str, Any]:
    """The StatefulSet or Deployment of a service of ours."""
    kind = "StatefulSet" if service == "writer" else "Deployment"
    return found(objects, kind, f"revledger-{service}")


def pod_of(objects: list[dict[str, Any]], service: str) -> dict[str, Any]:
    """The pod template's spec."""
    spec: dict[str, Any] = workload(objects, service)["spec"]["template"]["spec"]
    return spec


def container_of(objects: list[dict[str, Any]], service: str) -> dict[str, Any]:
    """The only container of a service of ours."""
    (container,) = pod_of(objects, service)["containers"]
    assert isinstance(container, dict)
    return container


def texts(node: object) -> Iterator[str]:
    """All texts below a node, keys too."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    else:
        yield str(node)
