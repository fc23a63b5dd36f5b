"""What the documents say is there, is there."""

from __future__ import annotations

import ast
import re

import pytest
import typer.main

from sophon.cli import app
from tests.conftest import REPOSITORY

READMES = ["README.md", "README.zh-CN.md"]


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def code_blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text(name), re.DOTALL)


def without_comments(code: str) -> str:
    return re.sub(r"\s*(?<!\S)#.*", "", code)


def commands(group: object, prefix: str = "") -> set[str]:
    """All commands of the command line, e.g. {"doctor", "models", "models install"}."""
    found: set[str] = set()
    for name, command in getattr(group, "commands", {}).items():
        found |= {prefix + name} | commands(command, f"{prefix}{name} ")
    return found


def test_the_readme_begins_with_the_two_commands() -> None:
    for name in READMES:
        assert without_comments(code_blocks(name, "sh")[0]).split("\n")[:2] == ["make demo", "make test"]


def test_both_readmes_show_the_same_code() -> None:
    for language in ("sh", "python"):
        english, chinese = (
            [without_comments(code) for code in code_blocks(name, language)] for name in READMES
        )
        assert english == chinese


@pytest.mark.parametrize("name", READMES)
def test_the_python_examples_are_python(name: str) -> None:
    for code in code_blocks(name, "python"):
        ast.parse(code)


@pytest.mark.parametrize("name", READMES)
def test_every_path_in_the_table_exists(name: str) -> None:
    rows = re.findall(r"^\| (`.*?) \|", text(name), re.MULTILINE)
    assert len(rows) >= 10

    for row in rows:
        base = REPOSITORY / "python" / "sophon"
        for path in re.findall(r"`([^`]+)`", row):
            assert (REPOSITORY / path).exists() or (base / path).exists(), path


@pytest.mark.parametrize("name", READMES)
def test_every_make_target_and_sophon_command_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.MULTILINE))
    known = commands(typer.main.get_command(app))
    code = "\n".join([*code_blocks(name, "sh"), *re.findall(r"`([^`\n]+)`", text(name))])

    assert set(re.findall(r"\bmake ([a-z-]+)", code)) <= targets
    said = set(re.findall(r"(?<![\w./'\[-])sophon ([a-z]+(?: [a-z]+)?)", code))
    assert said, "the README shows the command line"
    for command in said:
        assert command in known or command.split()[0] in known, command


@pytest.mark.parametrize(
    "name",
    [
        str(path.relative_to(REPOSITORY))
        for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]
    ],
)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text(name)):
        assert (REPOSITORY / name).parent.joinpath(target).exists(), target
