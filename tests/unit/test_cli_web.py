"""``pump-ctrl user``, ``plan approve`` by accounts, and what ``pump-ctrl web`` says before it serves."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from pump_ctrl.cli.main import cli
from pump_ctrl.clinic import Clinic
from pump_ctrl.clock import SystemClock
from pump_ctrl.therapy.approval import load_approval
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web import server
from tests.unit.clinic.kit import PASSWORD, journal, make_cheap, people

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
PLAIN, SOFT = EXAMPLES / "bench.toml", EXAMPLES / "a-flex-night-bolus.toml"
WHY: Final = ("--reason", "start-soft:baclofen=known on this dose")
UNVERIFIED: Final = "there are no accounts (pump-ctrl user add)."


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own; what a person does not name is below it."""
    make_cheap(monkeypatch)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", "/nowhere")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def state(home: Path) -> Path:
    """The default state directory, with an account of each role."""
    with Clinic.open(home / "pump-ctrl", SystemClock()) as clinic:
        people(clinic)
    return home / "pump-ctrl"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return Path(shutil.copy(PLAIN, tmp_path / "plan.toml"))


@pytest.fixture
def soft(tmp_path: Path) -> Path:
    return Path(shutil.copy(SOFT, tmp_path / "soft.toml"))


def run(*words: object, typed: str | bytes = "") -> Result:
    found = CliRunner().invoke(cli, [str(word) for word in words], input=typed)
    assert "Traceback" not in found.output
    return found


def refused(found: Result, words: str, code: int = 3) -> None:
    assert found.exit_code == code, found.output
    assert found.stdout == ""
    assert words in " ".join(found.stderr.split())


def lines(*passwords: str) -> str:
    return "".join(f"{password}\n" for password in passwords)


# --- user -------------------------------------------------------------------------------------------------------------


def test_an_account_is_made_listed_changed_and_disabled(home: Path) -> None:
    made = run("user", "add", "ann", "--role", "prescriber", "--role", "bench", "--full-name", "Ann Example",
               typed=lines(PASSWORD))  # fmt: skip
    assert (made.exit_code, made.stdout) == (0, "ann (Ann Example): prescriber, bench\n")
    assert run("user", "add", "dan", "--role", "viewer", typed=lines(PASSWORD)).exit_code == 0
    assert (
        run("user", "passwd", "ann", typed=lines("eight green pumps")).stdout == "ann has another password.\n"
    )
    assert run("user", "disable", "dan").stdout == "dan is disabled.\n"
    assert run("user", "list").stdout.splitlines() == [
        "account  name         roles              state",
        "ann      Ann Example  prescriber, bench  in use",
        "dan      dan          viewer             disabled",
    ]
    assert json.loads(run("user", "list", "--json").stdout) == {
        "schema": "pump-ctrl/user-list/1",
        "accounts": [
            {"name": "ann", "full_name": "Ann Example", "roles": ["prescriber", "bench"], "disabled": False},
            {"name": "dan", "full_name": "dan", "roles": ["viewer"], "disabled": True},
        ],
    }
    with Clinic.open(home / "pump-ctrl", SystemClock()) as clinic:
        assert clinic.accounts.authenticate("ann", "eight green pumps").full_name == "Ann Example"


def test_an_empty_list_is_said_in_words() -> None:
    assert run("user", "list").stdout == "There are no accounts.\n"


@pytest.mark.parametrize(
    ("words", "typed", "says"),
    [
        (("add", "Ann", "--role", "viewer"), PASSWORD, "name: 'Ann' is no account name"),
        (("add", "ann", "--role", "king"), PASSWORD, "role: 'king' is no role; allowed: prescriber, second,"),
        (("add", "zed", "--role", "viewer", "--full-name", "\u202e"), PASSWORD, "full name: is no name"),
        (
            ("add", "zed", "--role", "viewer"),
            "short",
            "password: has 5 characters; allowed: 10 to 200 characters",
        ),
        (("add", "zed", "--role", "viewer"), "", "password: has 0 characters"),
        (
            ("add", "zed", "--role", "viewer"),
            b"\xff\xfe\xff\xfe\xff\xfe\n",
            "password: is no text; allowed: UTF-8",
        ),
        (("add", "ann", "--role", "viewer"), PASSWORD, "There is an account with the name ann"),
        (("passwd", "zed"), PASSWORD, "There is no account 'zed'. pump-ctrl user list shows them."),
        (("passwd", "ann"), "short", "password: has 5 characters"),
        (("disable", "zed"), "", "There is no account 'zed'."),
    ],
)
def test_what_is_wrong_is_said_in_words_and_status_3(
    state: Path, words: tuple[str, ...], typed: str | bytes, says: str
) -> None:
    before = journal(state)
    refused(run("user", *words, typed=typed), says)
    assert journal(state) == before


def test_a_password_is_asked_for_only_if_the_account_can_be_made(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pump_ctrl.cli.web.asked_password", lambda *_, **__: pytest.fail("it was asked for"))
    for words in (("ann", "--role", "viewer"), ("Zed", "--role", "viewer"), ("zed", "--role", "king")):
        assert run("user", "add", *words).exit_code == 3
    assert run("user", "passwd", "zed").exit_code == 3


def test_a_password_does_not_stand_in_what_is_said(state: Path) -> None:
    for words in (("add", "zed", "--role", "viewer"), ("passwd", "zed"), ("passwd", "nobody")):
        assert "topsecretword" not in run("user", *words, typed=lines("topsecretword")).output


def test_accounts_lie_in_the_directory_that_is_named(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run("user", "add", "ann", "--role", "viewer", "--state", other, typed=lines(PASSWORD))
    assert list(home.iterdir()) == []
    assert "ann" in run("user", "list", "--state", other).stdout
    assert run("user", "list").stdout == "There are no accounts.\n"


def test_every_file_is_for_its_owner_alone(state: Path, plan: Path) -> None:
    for path in state.iterdir():  # made by others than these commands
        if path.name.startswith("page.jsonl"):
            path.unlink()
    old = os.umask(0o000)
    try:
        run("user", "add", "zed", "--role", "prescriber", typed=lines(PASSWORD))
        run("plan", "approve", plan, "--signer", "zed", typed=lines(PASSWORD))
        assert os.umask(0o000) == 0  # as it was
    finally:
        os.umask(old)
    assert state.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in state.rglob("*") if path.is_file()}
    kept = f"BENCH-{load_plan(plan).sha256[:12]}"
    assert set(modes) == {
        "clinic.sqlite3", "clinic.sqlite3-journal", "page.jsonl", "page.jsonl.head", f"{kept}.toml",
        f"{kept}.approval.json",
    }  # fmt: skip
    assert set(modes.values()) == {0o600}


def test_a_directory_that_others_may_enter_is_refused(state: Path, plan: Path) -> None:
    state.chmod(0o755)
    for words in (("user", "list"), ("web",), ("plan", "approve", str(plan), "--signer", "ann")):
        refused(
            run(*words),
            f"{state} is not a directory of yours alone, and accounts lie in it. chmod 700 {state}",
        )
    assert not plan.with_suffix(".approval.json").exists()


def test_an_act_that_cannot_be_written_down_is_done_and_that_is_said(state: Path) -> None:
    (state / "page.jsonl").write_text("no journal\n")
    found = run("user", "disable", "dan")
    assert (found.exit_code, found.stdout) == (0, "dan is disabled.\n")
    assert "Done, and not in the page's journal yet." in found.stderr
    assert str(state / "page.jsonl") in found.stderr


# --- plan approve -----------------------------------------------------------------------------------------------------


def approve(plan: Path, *words: object, typed: str | bytes = "") -> Result:
    return run("plan", "approve", plan, *words, typed=typed)


def approval(plan: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plan.with_suffix(".approval.json").read_text())
    load_approval(plan.with_suffix(".approval.json"), load_plan(plan))
    return found


def test_an_account_signs_with_its_password_and_that_is_in_the_pages_journal(state: Path, plan: Path) -> None:
    found = approve(plan, "--signer", "ann", typed=lines(PASSWORD))
    path = plan.with_suffix(".approval.json")
    kept = state / "plans" / f"BENCH-{load_plan(plan).sha256[:12]}.toml"
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        f"BENCH approved by Ann Example for implant-40: {path}",
        f"It stands on the page too (pump-ctrl web), as {kept}",
    ]
    assert path.read_bytes() == kept.with_suffix(".approval.json").read_bytes()
    assert load_plan(kept).sha256 == load_plan(plan).sha256
    assert (approval(plan)["signers"], approval(plan)["authenticated"]) == (["Ann Example"], True)
    kind, about = journal(state)[-1]
    assert (kind, about["by"], about["number"], about["how"]) == ("signed", "ann", 1, "plan approve")
    assert about["plan"] == load_plan(plan).sha256


def test_two_accounts_sign_each_with_its_own_password(state: Path, soft: Path) -> None:
    found = approve(
        soft, "--signer", "ann", "--second", "bob", *WHY, "--json", typed=lines(PASSWORD, PASSWORD)
    )
    assert found.exit_code == 0, found.stderr
    said = json.loads(found.stdout)
    assert (said["signers"], said["authenticated"]) == (["Ann Example", "Bob Example"], True)
    assert approval(soft)["signers"] == ["Ann Example", "Bob Example"]
    assert [(about["number"], about["by"]) for _, about in journal(state)[-2:]] == [(1, "ann"), (2, "bob")]


@pytest.mark.parametrize(
    ("words", "typed", "says"),
    [
        (("--signer", "ann"), ("wrong",), "The account or its password is wrong."),
        (("--signer", "ann"), (), "The account or its password is wrong."),
        (
            ("--signer", "ann", "--second", "bob"),
            (PASSWORD, "wrong"),
            "The account or its password is wrong.",
        ),
        (("--signer", "ann", "--second", "bob"), (PASSWORD,), "The account or its password is wrong."),
        (
            ("--signer", "Ann Example"),
            (),
            "there is no account 'Ann Example'. A signer is named as at the login",
        ),
        (("--signer", "bob"), (), "bob (second) may not."),
        (("--signer", "dan"), (), "dan (viewer) may not."),
        (("--signer", "ann", "--second", "cleo"), (), "cleo (bench) may not."),
        (("--signer", "ann", "--second", "ann"), (), "Ann Example cannot be the second person too."),
        (("--signer", "ann"), None, "start-soft:baclofen need a second person"),
    ],
)
def test_who_is_not_known_or_may_not_signs_nothing(
    state: Path, plan: Path, soft: Path, words: tuple[str, ...], typed: tuple[str, ...] | None, says: str
) -> None:
    target, why = (plan, ()) if typed is not None else (soft, WHY)
    refused(approve(target, *words, *why, typed=lines(*(typed or ()))), says)
    assert not target.with_suffix(".approval.json").exists()
    assert "signed" not in [kind for kind, _ in journal(state)]


def test_what_can_be_refused_is_refused_before_a_password_is_asked_for(
    state: Path, plan: Path, soft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pump_ctrl.cli.signers.asked_password", lambda *_, **__: pytest.fail("it was asked for")
    )
    said = approve(soft, "--signer", "ann", "--second", "bob")
    refused(said, "no reason for start-soft:baclofen")
    assert "--reason KEY=TEXT" in said.stderr
    refused(approve(plan, "--signer", "dan"), "may not")
    bad = plan.with_name("bad.toml")
    bad.write_text(plan.read_text().replace("schema = 1", "schema = 9"))
    assert approve(bad, "--signer", "ann").exit_code == 3


def test_a_disabled_account_signs_nothing(state: Path, plan: Path) -> None:
    run("user", "disable", "ann")
    refused(approve(plan, "--signer", "ann", typed=lines(PASSWORD)), "ann (disabled) may not")


def test_wrong_passwords_lock_here_as_on_the_page(state: Path, plan: Path) -> None:
    for _ in range(5):
        assert approve(plan, "--signer", "ann", typed=lines("wrong")).exit_code == 3
    refused(approve(plan, "--signer", "ann", typed=lines(PASSWORD)), "5 wrong passwords in a row")


def test_without_accounts_a_name_is_taken_as_it_is_given_and_that_is_said(home: Path, plan: Path) -> None:
    found = approve(plan, "--signer", "Dr Bench")
    assert found.exit_code == 0
    assert found.stdout.splitlines()[1:] == [f"Nobody verified the name: {UNVERIFIED}"]
    assert (approval(plan)["signers"], approval(plan)["authenticated"]) == (["Dr Bench"], False)
    assert list(home.iterdir()) == []  # and nothing is made


def test_two_names_that_nobody_verified_are_two_names(soft: Path) -> None:
    found = approve(soft, "--signer", "Ada", "--second", "Grace", *WHY)
    assert found.stdout.splitlines()[1:] == [f"Nobody verified the names: {UNVERIFIED}"]
    found = approve(soft, "--signer", "Ada", "--second", "Grace", *WHY, "--json")
    assert json.loads(found.stdout)["authenticated"] is False


def test_a_state_directory_without_accounts_is_as_none_unless_it_was_named(home: Path, plan: Path) -> None:
    assert run("user", "list").exit_code == 0
    assert approve(plan, "--signer", "Dr Bench").exit_code == 0
    assert approval(plan)["authenticated"] is False
    place = home / "pump-ctrl"
    refused(
        approve(plan, "--signer", "Dr Bench", "--state", place),
        f"Nothing was signed: there are no accounts in {place}, and where --state names a directory only its accounts "
        f"sign. pump-ctrl user add NAME --role prescriber --state {place} makes one; or leave --state out",
    )
    nowhere = home / "no such"
    refused(approve(plan, "--signer", "Dr Bench", "--state", nowhere), f"--state '{nowhere}' makes one")
    assert not nowhere.exists()


def test_the_accounts_are_those_of_the_directory_that_is_named(
    state: Path, tmp_path: Path, plan: Path
) -> None:
    other = tmp_path / "other"
    run("user", "add", "zed", "--role", "prescriber", "--state", other, typed=lines("eight green pumps"))
    named = approve(plan, "--signer", "zed", "--state", other, typed=lines("eight green pumps"))
    assert named.exit_code == 0, named.stderr
    assert approval(plan)["signers"] == ["zed"]
    assert journal(other)[-1][0] == "signed"
    refused(approve(plan, "--signer", "zed", typed=lines("eight green pumps")), "there is no account 'zed'")


def test_a_place_that_cannot_be_written_leaves_no_approval_and_says_so(
    state: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pump_ctrl.therapy.approval.replace_durably", full)
    kept = state / "plans" / f"BENCH-{load_plan(plan).sha256[:12]}.toml"
    said = f"No space left on device. It is approved all the same: run {kept}, which has it beside it."
    refused(approve(plan, "--signer", "ann", typed=lines(PASSWORD)), said)
    assert not plan.with_suffix(".approval.json").exists()
    assert load_approval(kept.with_suffix(".approval.json"), load_plan(plan)).signer == "Ann Example"


def test_without_accounts_a_place_that_cannot_be_written_leaves_nothing_at_all(
    home: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pump_ctrl.therapy.approval.replace_durably", full)
    said = approve(plan, "--signer", "Dr Bench")
    refused(said, "cannot be written: No space left on device")
    assert "approved" not in said.stderr
    assert list(home.iterdir()) == []


def test_what_is_approved_already_is_refused_before_a_password_is_asked_for_and_says_where_it_is(
    state: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert approve(plan, "--signer", "ann", typed=lines(PASSWORD)).exit_code == 0
    plan.with_suffix(".approval.json").unlink()
    monkeypatch.setattr(
        "pump_ctrl.cli.signers.asked_password", lambda *_, **__: pytest.fail("it was asked for")
    )
    kept = state / "plans" / f"BENCH-{load_plan(plan).sha256[:12]}.toml"
    refused(
        approve(plan, "--signer", "eve"),
        f"BENCH in exactly this form is approved already, by Ann Example: {kept}, with its approval beside it. "
        "Run that file.",
    )
    assert not plan.with_suffix(".approval.json").exists()


def test_limits_of_ones_own_that_changed_are_approved_under_anew(
    state: Path, plan: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    text = (Path(server.__file__).parents[1] / "data" / "formulary.toml").read_text(encoding="utf-8")
    own.write_text(text.replace("24 ug", "25 ug", 1), encoding="utf-8")
    assert approve(plan, "--signer", "ann", typed=lines(PASSWORD)).exit_code == 0
    first = approval(plan)["formulary_sha256"]
    again = approve(plan, "--signer", "eve", "--formulary", own, typed=lines(PASSWORD))
    assert again.exit_code == 0, again.stderr
    assert (approval(plan)["formulary_sha256"] != first, approval(plan)["signers"]) == (True, ["Eve Example"])
    refused(approve(plan, "--signer", "eve", "--formulary", own), "approved already, by Eve Example")


# --- web --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where the page would have been served."""
    found: list[tuple[str, int]] = []

    def serve(_: object, listening: socket.socket) -> None:
        found.append(listening.getsockname()[:2])

    monkeypatch.setattr(server, "serve", serve)
    return found


def taken() -> tuple[socket.socket, int]:
    """A port on which somebody listens."""
    found = socket.create_server(("127.0.0.1", 0))
    return found, found.getsockname()[1]


def test_a_port_that_is_in_use_is_told_before_anything_is_served(served: list[object]) -> None:
    other, port = taken()
    with other:
        refused(
            run("web", "--port", port),
            f"Nothing is served: 127.0.0.1 port {port} cannot be had (Address already in use). Another page may be "
            "there already. Take another port with --port N, or end that one.",
        )
    assert served == []


@pytest.mark.parametrize("host", ["203.0.113.7", "a..b"])
def test_an_address_that_is_not_ours_is_told(served: list[object], host: str) -> None:
    refused(run("web", "--host", host), f"Nothing is served: {host} port 8080 cannot be had (")
    assert served == []


@pytest.mark.parametrize("what", ["missing", "broken", "folder"])
def test_drug_limits_that_cannot_be_used_are_told_before_anything_is_served(
    served: list[object], tmp_path: Path, what: str
) -> None:
    file = tmp_path / "limits.toml"
    if what == "broken":
        file.write_text("schema = 'x'")
    elif what == "folder":
        file.mkdir()
    refused(run("web", "--formulary", file), str(file))
    assert served == []


def test_a_page_that_is_served_from_there_already_is_told(served: list[object], state: Path) -> None:
    with Clinic.open(state, SystemClock()) as page:
        page.acts.hold()
        refused(
            run("web"), "held by another page that is served from there. Use that page, or end it first.", 5
        )
    assert served == []


def test_a_damaged_journal_of_the_page_is_told_before_anything_is_served(
    served: list[object], state: Path
) -> None:
    (state / "page.jsonl").write_text("no journal\n")
    refused(run("web"), "put " + str(state / "page.jsonl"), 5)
    assert served == []


def test_the_address_is_said_and_that_there_are_no_accounts(
    served: list[tuple[str, int]], home: Path
) -> None:
    other, port = taken()
    other.close()
    found = run("web", "--port", port)
    assert (found.exit_code, found.stdout) == (0, "")
    assert served == [("127.0.0.1", port)]
    assert f"http://127.0.0.1:{port}/ (state in {home / 'pump-ctrl'}); end it with Ctrl-C" in found.stderr
    assert "There are no accounts yet: pump-ctrl user add NAME --role prescriber" in found.stderr
    assert "not encrypted" not in found.stderr


def test_who_lets_others_reach_it_is_told_that_the_line_is_not_encrypted(
    served: list[tuple[str, int]], state: Path
) -> None:
    other, port = taken()
    other.close()
    found = run("web", "--host", "127.0.0.2", "--port", port)
    assert served == [("127.0.0.2", port)]
    assert "Others on the network reach it, over a line that is not encrypted." in found.stderr
    assert "no accounts" not in found.stderr
