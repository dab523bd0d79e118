"""Kubernetes, compose and the image say what the code says: commands, settings, probes, topics, users."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.alerts.rules.rulebook import rulebook_of_toml
from services.kafka.connection import Names
from services.kafka.topics import OPERATIONS
from services.metrics import Metrics
from services.settings import SETTINGS, Settings, settings_from
from tests.deploy.manifests import (
    DEPLOY,
    OVERLAYS,
    PODS,
    ROOT,
    SERVICES,
    container_of,
    found,
    pod_of,
    rendered,
    texts,
    workload,
)
from tests.services.cli.calling import called

VARIABLES = {setting.variable for setting in SETTINGS}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
README = (DEPLOY / "README.md").read_text("utf-8")


def image_settings() -> dict[str, str]:
    """What the image sets."""
    return dict(re.findall(r"(REVLEDGER_\w+)=([^\s\\]+)", DOCKERFILE.partition("\nENV PATH")[2].partition("\n#")[0]))


def settings_of(given: dict[str, str], tmp_path: Path) -> Settings:
    """The settings of a container, with the image's below; files of certificates are there."""
    (tmp_path / "ca.pem").write_text("")
    return settings_from(
        {name: str(tmp_path / "ca.pem") if text.endswith((".pem", ".toml")) else text for name, text in given.items()}
    )


@pytest.mark.parametrize(("overlay", "service"), PODS)
def test_a_pod_has_settings_that_are_accepted(overlay: str, service: str, tmp_path: Path) -> None:
    objects = rendered(overlay)
    container = container_of(objects, service)
    source = container["envFrom"][0]
    config = found(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    own = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    config = {**config, **own}
    secrets = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one}
    assert set(config) | set(secrets) <= VARIABLES
    assert {name for name in secrets if name.endswith("PASSWORD")} == {s.variable for s in SETTINGS if s.is_secret}
    assert {one["name"] for one in secrets.values()} == {"revledger-secrets"}
    assert all(one["optional"] for one in secrets.values())
    given = {**image_settings(), **config}
    if overlay == "production":
        given |= dict.fromkeys(secrets, "made-up")
    settings = settings_of(given, tmp_path)
    assert settings.is_distributed
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    paths = {str(Path(text).parent) for text in config.values() if text.endswith((".pem", ".toml"))}
    assert paths | {str(settings.data), "/tmp"} <= mounts


@pytest.mark.parametrize(("overlay", "service"), PODS)
def test_a_pod_runs_a_command_that_is_there_and_is_probed_where_it_answers(overlay: str, service: str) -> None:
    container = container_of(rendered(overlay), service)
    assert container["args"] == ["run", service]
    assert "command" not in container
    assert called(*container["args"], "--help").status == 0
    (port,) = container["ports"]
    assert str(port["containerPort"]) == image_settings()["REVLEDGER_PORT"]
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes["livenessProbe"] == {"path": "/health/live", "port": port["name"]}
    assert probes["readinessProbe"] == {"path": "/health/ready", "port": port["name"]}
    assert probes["startupProbe"]["path"] == "/health/live"
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(("overlay", "service"), PODS)
def test_a_pod_may_do_no_more_than_it_needs(overlay: str, service: str) -> None:
    objects = rendered(overlay)
    pod, container = pod_of(objects, service), container_of(objects, service)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == int(image_user())
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["automountServiceAccountToken"] is False
    # A Service called revledger-gateway would otherwise become REVLEDGER_GATEWAY_PORT, which is no setting.
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_whatever_selects_finds_the_pods(overlay: str) -> None:
    objects = rendered(overlay)
    labels = {service: workload(objects, service)["spec"]["template"]["metadata"]["labels"] for service in SERVICES}
    for service in SERVICES:
        chosen = workload(objects, service)["spec"]["selector"]["matchLabels"]
        assert chosen.items() <= labels[service].items()
        budget = found(objects, "PodDisruptionBudget", f"revledger-{service}")["spec"]
        spared = budget["selector"]["matchLabels"].items()
        assert [one for one in SERVICES if spared <= labels[one].items()] == [service]
        assert budget["maxUnavailable"] == 1
    for service in ("writer", "gateway"):
        entry = found(objects, "Service", f"revledger-{service}")["spec"]
        assert entry["selector"].items() <= labels[service].items()
        assert [port["targetPort"] for port in entry["ports"]] == ["http"]
    assert workload(objects, "writer")["spec"]["serviceName"] == "revledger-writer"
    (claim,) = workload(objects, "writer")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"


def test_the_alerter_has_the_rules_that_are_committed() -> None:
    objects = rendered("production")
    rules = found(objects, "ConfigMap", "revledger-alerts")["data"]["alerts.toml"]
    assert rulebook_of_toml(rules).rules
    (own,) = [one for one in container_of(objects, "alerter")["env"] if one["name"] == "REVLEDGER_ALERTS"]
    mounts = {one["mountPath"]: one["name"] for one in container_of(objects, "alerter")["volumeMounts"]}
    volumes = {one["name"]: one for one in pod_of(objects, "alerter")["volumes"]}
    assert volumes[mounts[str(Path(own["value"]).parent)]]["configMap"]["name"] == "revledger-alerts"


def test_the_trial_brings_the_servers_its_settings_name(tmp_path: Path) -> None:
    objects = rendered("trial")
    config = found(objects, "ConfigMap", "revledger-settings")["data"]
    host, _, port = config["REVLEDGER_KAFKA"].rpartition(":")
    assert found(objects, "Service", host)["spec"]["ports"][0]["port"] == int(port)
    (kafka,) = found(objects, "StatefulSet", host)["spec"]["template"]["spec"]["containers"]
    told = {one["name"]: one["value"] for one in kafka["env"]}
    assert told["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{config['REVLEDGER_KAFKA']}"
    assert "noeviction" in found(objects, "Deployment", "redis")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert settings_of(config, tmp_path).replication == 1
    for name, kind in ((host, "StatefulSet"), ("redis", "Deployment")):
        assert found(objects, kind, name)["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_production_scales_by_the_lag_of_the_groups_there_are() -> None:
    objects, names = rendered("production"), Names("revledger")
    config = found(objects, "ConfigMap", "revledger-settings")["data"]
    for service, topic in (("writer", names.events), ("projector", names.ledger)):
        scaled = found(objects, "ScaledObject", f"revledger-{service}")["spec"]
        owner = workload(objects, service)
        assert scaled["scaleTargetRef"] == {"kind": owner["kind"], "name": owner["metadata"]["name"]}
        assert "replicas" not in owner["spec"], "every apply would overrule the autoscaler"
        assert scaled["maxReplicaCount"] == int(config["REVLEDGER_PARTITIONS"])
        (trigger,) = scaled["triggers"]
        assert trigger["metadata"]["consumerGroup"] == names.group(service)
        assert trigger["metadata"]["topic"] == topic
        assert trigger["metadata"]["bootstrapServers"] == config["REVLEDGER_KAFKA"]
        assert trigger["metadata"]["sasl"] == config["REVLEDGER_KAFKA_SASL"].replace("-sha-", "_sha")
        found(objects, "TriggerAuthentication", trigger["authenticationRef"]["name"])
    assert "replicas" not in workload(objects, "gateway")["spec"]
    assert not any(one["kind"] == "Secret" for one in objects), "secrets are made by hand, never committed"


def test_production_archives_and_whoever_reads_the_archive_has_its_credentials() -> None:
    objects = rendered("production")
    config = found(objects, "ConfigMap", "revledger-settings")["data"]
    assert config["REVLEDGER_ARCHIVE"].startswith("s3://")
    given = {"secretRef": {"name": "revledger-archive", "optional": True}}
    having = [one for one in ("archiver", *SERVICES) if given in container_of(objects, one)["envFrom"]]
    assert having == ["archiver", "gateway"]
    spec = workload(objects, "archiver")["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def compose() -> dict[str, Any]:
    document: dict[str, Any] = msgspec.yaml.decode((DEPLOY / "compose.yaml").read_text("utf-8"))
    return document


def test_compose_starts_all_services_with_settings_that_are_accepted(tmp_path: Path) -> None:
    services = compose()["services"]
    assert set(services) == {"kafka", "redis", "archiver", *SERVICES}
    for name in ("archiver", *SERVICES):
        service = services[name]
        assert service["command"] == ["run", name]
        given = {key: re.sub(r"\$\{\w+:-(.*)\}", r"\1", text) for key, text in service["environment"].items()}
        assert set(given) <= VARIABLES
        settings = settings_of({**image_settings(), **given}, tmp_path)
        assert settings.is_distributed
        assert (settings.replication, settings.min_isr) == (1, 1)
        assert settings.kafka.rpartition(":")[0] in services
        for other, on in service["depends_on"].items():
            assert on == {"condition": "service_healthy"}
            assert services[other]["healthcheck"]["test"][0] == "CMD"
        assert service["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile"}
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert services["writer"]["deploy"]["replicas"] == services["projector"]["deploy"]["replicas"] == 2


def test_compose_opens_ports_to_this_machine_alone_and_keeps_the_books() -> None:
    document = compose()
    services = document["services"]
    assert services["gateway"]["ports"] == [f"127.0.0.1:8000:{image_settings()['REVLEDGER_PORT']}"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", ()))
    (volume,) = services["kafka"]["volumes"]
    assert volume == f"kafka:{services['kafka']['environment']['KAFKA_LOG_DIRS']}"
    assert set(document["volumes"]) == {"kafka", "archive"}
    for name, end in (("archiver", ""), ("gateway", ":ro")):
        place = services[name]["environment"]["REVLEDGER_ARCHIVE"]
        assert services[name]["volumes"] == [f"archive:{place}{end}"]
        assert place in DOCKERFILE, "made there, so that it is the user's own"
    assert "noeviction" in services["redis"]["command"]
    assert set(document) == {"name", "x-revledger", "services", "volumes"}


def test_images_are_pinned_and_are_the_same_everywhere() -> None:
    used = {service["image"] for service in compose()["services"].values()}
    used |= {one for one in texts(rendered("trial")) if re.fullmatch(r"[\w./-]+:\d[\w.-]*", one) and "/" in one}
    used |= set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    names = [image.partition(":")[0] for image in used]
    assert len(names) == len(set(names)), used
    assert all(re.search(r":\d+\.\d+", image) for image in used), used
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"revledger:{version}" in used
    assert container_of(rendered("base"), "writer")["image"] == f"revledger:{version}"


def image_user() -> str:
    """The user that the image ends as."""
    return str(re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)[-1])


def test_the_image_copies_what_is_there_and_lets_it_in() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in copies for source in line.split()]
    assert {"constraints.txt", "pyproject.toml", "events", "projections", "services"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)


def test_the_image_is_built_from_the_pinned_packages_and_runs_as_nobody_special() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "--require-hashes -r constraints.txt" in DOCKERFILE
    downloads = [line for line in DOCKERFILE.splitlines() if "pip install" in line or "pip wheel" in line]
    assert downloads
    assert all("--no-index" in line for line in downloads), "only what was checked by its hash"
    assert f"'{project['name']}[kafka,audit,alerts]'" in DOCKERFILE
    assert "kafka" in project["optional-dependencies"]
    (python,) = set(re.findall(r"^FROM python:(\d\.\d+)", DOCKERFILE, re.MULTILINE))
    assert python in project["requires-python"]
    assert int(image_user()) > 0
    assert re.search(rf"useradd --uid {image_user()} ", DOCKERFILE)
    after = DOCKERFILE[DOCKERFILE.rindex("\nUSER ") :]
    assert "\nRUN " not in after
    (entry,) = re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)
    assert msgspec.json.decode(entry)[0] in project["scripts"]
    *_, default = re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert called(*msgspec.json.decode(default)).status == 0


def test_the_image_keeps_its_data_where_its_settings_say_and_asks_after_its_health(tmp_path: Path) -> None:
    settings = settings_of(image_settings(), tmp_path)
    assert re.findall(r"^VOLUME (.+)$", DOCKERFILE, re.MULTILINE) == [str(settings.data)]
    assert re.findall(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE) == [str(settings.port)]
    assert settings.host == "0.0.0.0"
    (command,) = re.findall(r"^ +CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    python, flag, program = msgspec.json.decode(command)
    assert (python, flag) == ("python", "-c")
    compile(program, "HEALTHCHECK", "exec")
    assert "/health/live" in program


def test_the_readme_names_what_is_there() -> None:
    assert set(re.findall(r"\bREVLEDGER_[A-Z_]*[A-Z]\b", README)) - {"REVLEDGER_GATEWAY_PORT"} <= VARIABLES
    metrics = {
        sample if family.type != "counter" else f"{family.name}_total"
        for family in Metrics().registry.collect()
        for sample in [family.name]
    }
    named = set(re.findall(r"`(revledger_\w+)", README))
    assert named
    assert named <= metrics
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (DEPLOY / target).exists(), target
    for path in re.findall(r"\bdeploy/[\w./-]*\w", README):
        assert (ROOT / path).exists(), path
    assert " ".join(f"--operation {one}" for one in OPERATIONS) in README


def test_the_commands_of_the_readme_are_commands() -> None:
    groups = {"run", "report", "dead-letters"}
    lines = re.findall(r"(?:^|[|`] ?|gateway )revledger ([a-z][^|`\n]*)", README, re.MULTILINE)
    calls = [line.split() for line in lines]
    commands = {tuple(words[: 2 if words[0] in groups else 1]) for words in calls if words[1:2] != ["..."]}
    assert {("run", service) for service in SERVICES} | {("load",), ("status",), ("settings",)} <= commands
    for command in commands:
        assert called(*command, "--help").status == 0, command
