"""What the documents promise is there and runs: commands, links, plans and figures (README.md, docs/)."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from pump_ctrl.cli.lazy import NOTICE
from pump_ctrl.cli.main import cli

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = tuple(sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))))
FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _fences(page: Path, language: str) -> Iterator[str]:
    for found, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if found == language:
            yield body


def _commands() -> Iterator[tuple[str, str]]:
    """Every pump-ctrl command of every page, in order: page, command."""
    for page in PAGES:
        for block in _fences(page, "sh"):
            for line in block.splitlines():
                for part in line.split("&&"):
                    if part.strip().startswith("pump-ctrl "):
                        yield _name(page), part.strip()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples, so that nothing a command writes lands in the tree."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", sorted({page for page, _ in _commands()}))
def test_the_commands_of_a_page_run_in_the_order_in_which_it_gives_them(page: str, house: Path) -> None:
    for where, command in _commands():
        if where == page:
            result = CliRunner().invoke(cli, shlex.split(command)[1:])
            assert result.exit_code == 0, f"{page}: {command}\n{result.output}"


def test_the_first_screen_of_the_readme_says_it_all() -> None:
    first = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:32])
    assert "not a medical device, not for use on people" in first
    assert "pip install . && pump-ctrl simulate examples/a-flex-night-bolus.toml --for 30d" in first
    assert 'pip install ".[dev]" && ./check' in first
    assert "docs/images/a-flex-night-bolus.svg" in first


def test_the_picture_of_the_readme_was_drawn_by_the_command_that_draws_it_now(house: Path) -> None:
    """Redraw it with: pump-ctrl simulate examples/a-flex-night-bolus.toml --for 7d --plot docs/images/…"""
    plan = "examples/a-flex-night-bolus.toml"
    fresh = CliRunner().invoke(cli, ["simulate", plan, "--for", "7d", "--plot", str(house / "run.svg")])
    assert fresh.exit_code == 0, fresh.output
    drawn, kept = (
        re.sub(r'd="[^"]*"', "", file.read_text(encoding="utf-8"))  # curves may move by a hair
        for file in (house / "run.svg", ROOT / "docs" / "images" / "a-flex-night-bolus.svg")
    )
    assert re.findall(r'data-series="[^"]*"', kept) == re.findall(r'data-series="[^"]*"', drawn)
    assert re.findall(r"<text[^>]*>([^<]*)<", kept) == re.findall(r"<text[^>]*>([^<]*)<", drawn)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{_name(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    """Names in backticks that look like a path of this tree."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for name in re.findall(r"`((?:docs|examples|tests|pump_ctrl|sim|\.ci)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), f"{_name(page)} names {name}"


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        links = (
            page.parent / link for link in LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link
        )
        for target in (link.resolve() for link in links):
            found = sorted(target.glob("*.md")) if target.is_dir() else [target]
            todo += [each for each in found if each.suffix == ".md" and each not in seen]
    assert set(PAGES) <= seen


def test_every_plan_of_the_docs_is_a_plan_that_the_review_does_not_block(tmp_path: Path) -> None:
    plans = [(page, body) for page in PAGES for body in _fences(page, "toml") if body.startswith("schema")]
    assert plans
    for page, body in plans:
        (tmp_path / "plan.toml").write_text(body, encoding="utf-8")
        result = CliRunner().invoke(cli, ["plan", "check", str(tmp_path / "plan.toml")])
        assert result.exit_code == 0, f"{_name(page)}\n{result.output}"


@pytest.mark.parametrize("plan", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_says_where_its_schema_is(plan: Path) -> None:
    first = plan.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("#:schema ")
    assert (plan.parent / first.removeprefix("#:schema ")).is_file()


def test_the_plan_page_names_every_key_of_the_schema() -> None:
    text = (ROOT / "docs" / "plan-file.md").read_text(encoding="utf-8")
    schema = json.loads((ROOT / "pump_ctrl" / "data" / "plan.schema.json").read_text(encoding="utf-8"))
    parts = [schema, *schema["$defs"].values()]
    keys = {key for part in parts for key in part.get("properties", {})}
    assert sorted(key for key in keys if not re.search(rf"\b{key}\b", text)) == []


def test_every_decision_record_has_its_four_headings_and_its_number() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [record.name[:4] for record in records] == [f"{n:04d}" for n in range(len(records))]
    for record in records:
        text = record.read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives"], record.name
        assert text.startswith(f"# {record.name[:4]}. ")


def test_the_readme_installs_with_names_that_the_project_file_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.findall(r"\[(\w+)\]\"", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert set(extras) <= set(project["optional-dependencies"])
    assert NOTICE.partition(":")[0].lower() in project["description"]


def test_pages_use_no_date_that_can_be_read_in_two_ways() -> None:
    for page in PAGES:
        assert not re.search(r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b", page.read_text(encoding="utf-8")), _name(
            page
        )
