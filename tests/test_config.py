"""Settings from file and environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from sophon.config import Settings, example, load_settings
from sophon.errors import ConfigError

MINIMAL = {"SOPHON_LOGIN_URL": "http://platform:8900/login", "SOPHON_DEV_SNO": "BOXA0001"}


def test_a_box_runs_from_four_variables(tmp_path: Path) -> None:
    settings = load_settings(None, {**MINIMAL, "SOPHON_DATA_DIR": str(tmp_path), "SOPHON_HTTP_PORT": "5556"})
    assert settings.data_dir == tmp_path
    assert settings.http_port == 5556
    assert settings.http_host == "127.0.0.1"
    assert settings.capacity == 50_000


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sophon.toml"
    file.write_text(
        'login_url = "https://a/login"\ndev_sno = "FROMFILE"\namqps = true\nallowed_hosts = ["10.0.0.0/8"]\n'
    )
    settings = load_settings(file, {"SOPHON_DEV_SNO": "FROMENV"})
    assert (settings.login_url, settings.dev_sno, settings.amqps) == ("https://a/login", "FROMENV", True)
    assert load_settings(file, {"SOPHON_ALLOWED_HOSTS": "a.com, .b.com"}).allowed_hosts == ("a.com", ".b.com")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"SOPHON_LOGIN_URL": "ftp://x"},
            "login_url: must be an http:// or https:// address.*SOPHON_LOGIN_URL",
        ),
        ({"SOPHON_LOGIN_URL": "http://u:p@x/login"}, "login_url: must not hold a user name"),
        ({"SOPHON_DEV_SNO": ""}, "dev_sno: .*SOPHON_DEV_SNO"),
        ({"SOPHON_HTTP_PORT": "high"}, "http_port: .*integer.*SOPHON_HTTP_PORT"),
        ({"SOPHON_MATCH_THRESHOLD": "nan"}, "match_threshold: .*SOPHON_MATCH_THRESHOLD"),
        ({"SOPHON_CAPACITY": "0"}, "capacity: .*greater than or equal to 1"),
        ({"SOPHON_AMQPS_CA_FILE": "/nowhere"}, "amqps_ca_file: there is no file /nowhere"),
    ],
)
def test_a_bad_value_is_refused_by_name_with_a_remedy(changed: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(None, {**MINIMAL, **changed})


def test_what_is_missing_or_unknown_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"login_url: is required; set it .*SOPHON_LOGIN_URL"):
        load_settings(None, {})
    file = tmp_path / "sophon.toml"
    file.write_text("colour = 3\n")
    with pytest.raises(ConfigError, match="colour: there is no such setting; known: allowed_hosts"):
        load_settings(file, MINIMAL)
    file.write_text("colour = \n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_settings(file, MINIMAL)
    with pytest.raises(ConfigError, match="can't be read"):
        load_settings(tmp_path / "none.toml", MINIMAL)


def test_the_example_documents_every_setting(tmp_path: Path) -> None:
    text = example()
    assert all(f"{name} = " in text for name in Settings.model_fields)
    file = tmp_path / "sophon.toml"
    file.write_text(text)
    settings = load_settings(file, MINIMAL)
    assert settings.capacity == 50_000
