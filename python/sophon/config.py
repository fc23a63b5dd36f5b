"""The box's settings: one file of TOML, each key overridden by the environment as ``SOPHON_<KEY>``."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin
from urllib.parse import urlsplit

import orjson
import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from sophon.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENVIRONMENT_PREFIX = "SOPHON_"
DEFAULT_DATA_DIR = platformdirs.user_data_path("sophon")


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// address, such as http://platform.example:8900/login")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password")
    return url


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _network(network: str) -> str:
    try:
        return str(ipaddress.ip_network(network))
    except ValueError as error:
        raise ValueError(f"must be a network, such as 192.168.1.0/24 ({error})") from None


class Settings(BaseModel):
    """Every setting of the daemon, with its default; what has none must be given."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    login_url: Annotated[str, AfterValidator(_web_address)] = Field(
        description="Where the box logs in to the management platform."
    )
    dev_sno: str = Field(
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="The authorisation code that names this box to the platform.",
    )
    data_dir: Path = Field(
        default=DEFAULT_DATA_DIR,
        description="Where people, commands and results are kept; on a local disk, for one daemon alone.",
    )
    model_dir: Path | None = Field(
        default=None, description="The model pack; by default where `sophon models install` puts it."
    )
    http_host: str = Field(
        default="127.0.0.1",
        description="The address that the HTTP API listens at. It knows faces: open it to trusted networks only.",
    )
    http_port: int = Field(
        default=5555, ge=0, le=65535, description="The HTTP API's port; 0 switches it off."
    )
    http_names: tuple[str, ...] = Field(
        default=(),
        description="Further names that callers of the HTTP API know this box by; its addresses and host name are known.",
    )
    http_open_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        default=(),
        description="Networks, such as 192.168.1.0/24, whose callers need no token for the wire contract's calls. Whoever "
        "is in them can enrol, read and erase everybody.",
    )
    http_requests_per_s: float = Field(
        default=100.0,
        ge=0,
        le=100_000,
        description="How many requests a second one token, or one address without, may make on average; beyond that they "
        "are answered 429. 0 sets no limit.",
    )
    http_tls_certificate: Annotated[Path, AfterValidator(_existing_file)] | None = Field(
        default=None,
        description="The HTTP API's certificate chain (PEM); with it and http_tls_key the API speaks https.",
    )
    http_tls_key: Annotated[Path, AfterValidator(_existing_file)] | None = Field(
        default=None, description="The key of http_tls_certificate (PEM)."
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="The port of the Prometheus metrics; 0 switches them off."
    )
    protocol_version: Literal["V2R1C01", "V2R2C01"] = Field(
        default="V2R2C01", description="The form of what the box sends; it understands both."
    )
    capacity: int = Field(
        default=50_000,
        ge=1,
        le=5_000_000,
        description="How many people fit; the next one is refused with 40015.",
    )
    match_threshold: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="The event score from which a comparison counts as a match; by default 0.5, where one of 100,000 "
        "comparisons of different people matches (0.35, as a cosine, for models that are not calibrated).",
    )
    amqps: bool = Field(
        default=False, description="Speak to the broker through TLS, its certificate verified."
    )
    amqps_ca_file: Annotated[Path, AfterValidator(_existing_file)] | None = Field(
        default=None,
        description="The authority that signed the broker's certificate; by default the system's.",
    )
    amqps_server_name: str | None = Field(
        default=None, description="The name in the broker's certificate; by default the host of the login."
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Further hosts, domains (.example.com) or networks (10.0.0.0/8) that photographs and results "
        "may go to; the platform's and the image server's are always allowed.",
    )
    platform_ca_file: Annotated[Path, AfterValidator(_existing_file)] | None = Field(
        default=None,
        description="The authority that signed the certificate of a platform at https; by default the system's.",
    )
    prefetch: int = Field(
        default=200,
        ge=1,
        le=1000,
        description="How many messages the broker may send ahead of their acknowledgement.",
    )
    people_per_fetch: int = Field(
        default=100, ge=1, le=1000, description="How many people's details are asked for in one call."
    )
    downloads: int = Field(default=8, ge=1, le=64, description="How many photographs are fetched at once.")
    analyses: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=256,
        description="How many photographs are analysed at once for the HTTP API, and one more for enrolment.",
    )
    fiqa_workers: int = Field(
        default=1, ge=1, le=64, description="How many fiqa commands are answered at once."
    )
    patience_s: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="How long a command waits for the enrolment before it; then it overtakes, and what the enrolment "
        "still had to do for the same people is cancelled.",
    )
    notify_hours: float = Field(
        default=24.0,
        gt=0,
        le=24 * 366,
        description="How long a result is offered to a notify_path that refuses it.",
    )
    duplicate_faces: Literal["allow", "warn", "reject"] = Field(
        default="warn",
        description="What is done about a face that is enrolled already under another id: nothing; a detail in the answer "
        "and a counter; or a refusal with 40011.",
    )
    deleted_person_events: Literal["nothing", "pictures", "all"] = Field(
        default="pictures",
        description="What goes of a person's events with the person: nothing, their pictures, or all of them.",
    )
    enrolment_photos: Literal["keep", "encrypt", "none"] = Field(
        default="keep",
        description="What is kept of enrolment photographs and the crops made of them: all, all but encrypted (AES-256-GCM), "
        "or nothing, and then people must be enrolled again for other models. With 'encrypt' events' pictures are encrypted, "
        "too. Those on the disk follow at the next start.",
    )
    enrolment_photos_key: SecretStr | None = Field(
        default=None,
        description="The key of encrypted enrolment photographs: 32 random bytes as base64 or hex; better in the environment "
        "or in enrolment_photos_key_file than here. Who loses it loses the photographs.",
    )
    enrolment_photos_key_file: Annotated[Path, AfterValidator(_existing_file)] | None = Field(
        default=None, description="The file with that key, instead of enrolment_photos_key."
    )
    ftp_host: str = Field(
        default="127.0.0.1", description="The address that the FTP server for snapshot cameras listens at."
    )
    ftp_port: int = Field(
        default=0, ge=0, le=65535, description="The FTP server's port, such as 2121; 0 switches it off."
    )
    ftp_passive_ports: tuple[int, int] | None = Field(
        default=None,
        description="The first and last port for FTP's passive transfers, as a firewall needs it; by default any.",
    )
    filter_level: Literal["high", "custom", "middle", "low", "no"] = Field(
        default="low", description="The FIQA level that a captured face must pass to be compared."
    )
    cooldown_s: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="How long a person makes no second event at the same sub-device.",
    )
    stranger_s: float = Field(
        default=30.0, ge=0, le=3600, description="How long a stranger who is not seen keeps the same id."
    )
    stranger_events_per_min: float = Field(
        default=30.0,
        ge=0,
        le=100_000,
        description="How many events a minute strangers may make at one sub-device, on average and at once; beyond that they "
        "are counted only (strangers_over_budget). Known people and the blacklist are never held back. 0 sets no limit.",
    )
    history_batch: Literal["single", "list"] = Field(
        default="single",
        description="History uploads: one event per POST, or a JSON list of at most 100.",
    )
    events_kept: int = Field(
        default=10_000, ge=100, le=10_000_000, description="How many events are kept once they are delivered."
    )
    events_undelivered: int = Field(
        default=100_000,
        ge=100,
        le=10_000_000,
        description="How many events are kept for a receiver that does not take them; then the oldest are lost, counted.",
    )
    events_of_strangers: int = Field(
        default=5_000,
        ge=0,
        le=10_000_000,
        description="How many events of strangers are as good as others: where events must go, older ones of strangers go "
        "before those of known people.",
    )
    events_max_mb: int = Field(
        default=4096,
        ge=10,
        le=10_000_000,
        description="How many MB all events may take, pictures included; also never more than the disk has to spare.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important messages that are logged."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Lines for people, or one JSON object per line."
    )

    @model_validator(mode="after")
    def _whole_tls(self) -> Settings:
        if (self.http_tls_certificate is None) != (self.http_tls_key is None):
            raise ValueError("http_tls_certificate and http_tls_key must be given together, or neither")
        return self


def load_settings(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from a TOML file and the environment, which wins.

    Raises:
        ConfigError: naming the key, what is wrong with it and what to do.
    """
    environment = os.environ if environment is None else environment
    values = _read_file(file) if file is not None else {}
    for name in Settings.model_fields:
        given = environment.get(ENVIRONMENT_PREFIX + name.upper())
        if given is not None:
            values[name] = _from_environment(name, given)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_describe(error)) from None


def _read_file(file: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the configuration file {file} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {file} is not TOML: {error}") from None
    return values


def _from_environment(name: str, text: str) -> Any:
    """A list is written with commas, or as JSON; everything else is read from its text."""
    annotation = Settings.model_fields[name].annotation
    if get_origin(annotation) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if text.lstrip().startswith(("{", "[")):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return text


def _describe(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key}: there is no such setting; known: {', '.join(sorted(Settings.model_fields))}"
    remedy = f"set it in the configuration file or as {ENVIRONMENT_PREFIX}{key.split('.')[0].upper()}"
    if not key:
        return str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{key}: is required; {remedy}"
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {reason[0].lower()}{reason[1:]}; {remedy}"


def example() -> str:
    """Every setting as commented TOML: what it means and its default."""
    lines = []
    for name, field in Settings.model_fields.items():
        lines.append(f"# {field.description}")
        default = field.get_default(call_default_factory=True, validated_data={})
        if field.is_required():
            lines.append(f'{name} = ""')
        else:
            lines.append(f"# {name} = {_toml(default)}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, tuple):
        return "[]" if not value else orjson.dumps(value).decode()
    return f'"{value}"' if value is not None else '""  (not set)'
