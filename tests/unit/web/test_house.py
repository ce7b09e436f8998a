"""What every room stands on: addresses, posted forms, escaping."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import InvalidInput
from pump_ctrl.web.house import Settings, environment, fields

FORM = "application/x-www-form-urlencoded"


def sent(body: bytes, kind: str = FORM) -> dict[str, str]:
    """What a room hears of a body."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", kind.encode())]}
    return asyncio.run(fields(Request(scope, receive)))


def settings(host: str, port: int = 8080) -> Settings:
    return Settings(Path("state"), VirtualClock(), host, port)


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_has_three_names(host: str) -> None:
    assert set(settings(host).hosts) == {"127.0.0.1:8080", "localhost:8080", "[::1]:8080"}


def test_another_address_has_one() -> None:
    assert settings("Bench.example").hosts == ("bench.example:8080",)


def test_browsers_leave_port_80_out() -> None:
    assert {"127.0.0.1", "127.0.0.1:80"} <= set(settings("127.0.0.1", 80).hosts)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_every_address_is_none(host: str) -> None:
    with pytest.raises(InvalidInput, match="every address and none"):
        settings(host)


# --- forms ----------------------------------------------------------------------------------------------------------


def test_a_form_is_text_by_name_and_ticked_boxes_are_joined() -> None:
    assert sent(b"a=1%0D%0A%09%C3%A9+x&days=mon&days=tue&empty=") == {
        "a": "1\r\n\t\u00e9 x",
        "days": "mon tue",
        "empty": "",
    }
    assert sent(b"") == {}
    assert sent(b"a=1", f"{FORM}; charset=UTF-8") == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b"a=%00",
        b"a%00b=1",
        b"a=%1B[31m",
        b"a=%C2%85",
        b"a=%ED%A0%80",  # half of a surrogate pair
        b"a=%FF",
        b"a=\xff",
        b"a=" + b"x" * 20_001,
        b"x" * 201 + b"=1",
        b"&".join(b"a%d=1" % number for number in range(2_001)),
    ],
)
def test_what_is_no_text_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(HTTPException) as refused:
        sent(body)
    assert refused.value.status_code == 400
    assert refused.value.detail.startswith("Nothing was done")


def test_two_thousand_fields_are_a_form_still() -> None:
    assert len(sent(b"&".join(b"a%d=1" % number for number in range(2_000)))) == 2_000


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_other_kinds_of_body_are_no_form_of_ours(kind: str) -> None:
    with pytest.raises(HTTPException, match="no form of this page"):
        sent(b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n1\r\n--x--', kind)


def test_who_hangs_up_in_the_middle_has_asked_for_nothing() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException, match="hung up"):
        asyncio.run(fields(Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)))


# --- pages ----------------------------------------------------------------------------------------------------------


def test_templates_escape_everything_and_know_every_name() -> None:
    made = environment().from_string("{{ text }}")
    assert made.render(text="<script>\"'&") == "&lt;script&gt;&#34;&#39;&amp;"
    with pytest.raises(Exception, match="'text' is undefined"):
        made.render()


def test_nothing_but_our_own_drawings_passes_unescaped() -> None:
    loader = environment().loader
    assert loader is not None
    sources = [loader.get_source(environment(), name)[0] for name in environment().list_templates()]
    passed = {
        found.partition("(")[0].strip() for found in re.findall(r"\{\{([^}]*)\|\s*safe", "".join(sources))
    }
    assert passed <= {"trial.drawing", "day_svg"}
    assert not [source for source in sources if "autoescape" in source]
