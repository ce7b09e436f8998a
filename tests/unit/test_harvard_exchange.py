"""One command and its reply on a bad line: what counts as the reply, what as silence (F-05, F-08, F-14, F-17)."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.harvard_amounts import parse_volume
from pump_ctrl.drivers.harvard_codec import Prompt
from pump_ctrl.drivers.harvard_exchange import (
    Answer,
    Conversation,
    Objection,
    Silence,
    anything,
    as_told,
    line,
    nothing,
    words,
)
from pump_ctrl.errors import LinkError
from tests.unit.harvard_page import PaperLink, PaperPump

VOLUME = line(parse_volume)


@pytest.fixture
def link() -> PaperLink:
    return PaperLink(PaperPump(poll=True, target="20 ul"))


@pytest.fixture
def talk(link: PaperLink) -> Conversation:
    made = Conversation(link, 0)
    made.polling = True
    made.ask("", anything)
    return made


def says(*pieces: tuple[int, bytes]) -> object:
    return lambda _link, _request: list(pieces)


def ask(link: PaperLink, talk: Conversation, *pieces: tuple[int, bytes]) -> Answer[int] | Objection | Silence:
    link.faults[len(link.sent) + 1] = says(*pieces)  # type: ignore[assignment]
    return talk.ask("tvolume", VOLUME)


def test_a_reply_is_what_it_says_and_the_prompt_behind_it(link: PaperLink, talk: Conversation) -> None:
    began = link.now
    assert talk.ask("tvolume", VOLUME) == Answer(20 * 10**9, Prompt.IDLE, polled=True)
    assert link.now - began == 20  # no waiting for a quiet line when the last reply came
    assert talk.noise == 0


@pytest.mark.parametrize(
    "pieces",
    [
        [(5, b"\n20 ul\r\n:\x11")],
        [(5, b"\n2"), (200, b"0 ul\r"), (400, b"\n:"), (499, b"\x11")],
        [(5, b"\xff\x00junk\n20 ul\r\n:\x11")],
        [(5, b"\n:\x11"), (9, b"\n20 ul\r\n:\x11")],  # a stray prompt first
        [(5, b"\n07:1 ml\r\n07:\x11"), (9, b"\n20 ul\r\n:\x11")],  # a wrong prefix first
        [(5, b"\n1 ml/min\r\n:\x11"), (9, b"\n20 ul\r\n:\x11")],  # the late reply to another question
        [(5, b"\nT*20 ul\r\nT*\x11")],
        [(5, b"tvolume\r\n20 ul\r\n:\x11")],  # echo
        [(5, b"\x11\x11\n20 ul\r\n:\x11\x11")],
    ],
)
def test_what_stands_around_a_reply_does_not_hide_it(
    link: PaperLink, talk: Conversation, pieces: list[tuple[int, bytes]]
) -> None:
    found = ask(link, talk, *pieces)
    assert isinstance(found, Answer)
    assert found.value == 20 * 10**9


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [(501, b"\n20 ul\r\n:\x11")],
        [(5, b"\n:\x11")],
        [(5, b"\n20 ul\r\n20 ul\r\n:\x11")],
        [(5, b"\n20 ul/min\r\n:\x11")],
        [(5, b"\n20 u")],
        [(5, b"\n20 ul\r\n")],  # its prompt is missing
        [(5, b"\n07:20 ul\r\n07:\x11")],
        [(5, b"20 ul\r\n:\x11")],
        [(5, b"\n20 ul\r\n:x\x11")],
    ],
)
def test_anything_else_is_silence_within_500_ms(
    link: PaperLink, talk: Conversation, pieces: list[tuple[int, bytes]]
) -> None:
    began = link.now
    assert isinstance(ask(link, talk, *pieces), Silence)
    assert link.now - began == 500


def test_a_reply_without_xon_is_taken_at_the_end_and_says_so(link: PaperLink, talk: Conversation) -> None:
    assert ask(link, talk, (5, b"\n20 ul\r\n:")) == Answer(20 * 10**9, Prompt.IDLE, polled=False)
    began = link.now
    talk.polling = False
    assert ask(link, talk, (5, b"\n20 ul\r\n:")) == Answer(20 * 10**9, Prompt.IDLE, polled=False)
    assert link.now - began == 105  # a quiet of 100 ms ends it before polling mode is on


@pytest.mark.parametrize("rest", [b"\r\n20 ul\r\n", b"\n20 ul\r\n\x11"])
def test_old_phd_firmware_sends_the_prompt_before_the_text(
    link: PaperLink, talk: Conversation, rest: bytes
) -> None:
    found = ask(link, talk, (5, b"\n>\x11"), (8, rest))
    assert isinstance(found, Answer)
    assert (found.value, found.prompt) == (20 * 10**9, Prompt.INFUSING)


def test_the_late_reply_to_a_lost_exchange_is_not_taken_for_the_next(
    link: PaperLink, talk: Conversation
) -> None:
    late = [(510, b"\n99 ul\r\n:\x11"), (560, b"\n98 ul\r\n:\x11")]
    assert isinstance(ask(link, talk, *late), Silence)
    began = link.now
    found = talk.ask("tvolume", VOLUME)
    assert isinstance(found, Answer)
    assert found.value == 20 * 10**9
    assert link.at[-1] - began == 160  # 100 ms after the last late byte, not sooner
    assert talk.noise == 2


def test_an_urgent_command_waits_for_nothing(link: PaperLink, talk: Conversation) -> None:
    assert isinstance(ask(link, talk), Silence)
    began = link.now
    assert isinstance(talk.ask("stop", nothing, urgent=True), Answer)
    assert link.at[-1] == began


def test_a_line_that_is_never_quiet_is_not_waited_for_for_ever(link: PaperLink, talk: Conversation) -> None:
    assert isinstance(ask(link, talk), Silence)
    for later in range(1, 700):
        link.arrive(later, b"\n:\x11")
    began = link.now
    talk.ask("tvolume", VOLUME)
    assert link.at[-1] - began <= 250
    assert link.now - began <= 500


@pytest.mark.parametrize("piece", [b"\n:zz", b"\x11", b"\n:\x11", b"\n20 ul/min\r\n:\x11"])
def test_a_babbling_pump_is_given_up(link: PaperLink, talk: Conversation, piece: bytes) -> None:
    found = ask(link, talk, *[(0, piece * 100) for _ in range(400)])
    assert isinstance(found, Silence)
    assert "babbles" in found.detail
    assert isinstance(talk.ask("tvolume", VOLUME), Answer | Silence)


@pytest.mark.parametrize("error", [LinkError("The cable is out."), OSError("unplugged")])
def test_a_broken_link_is_silence(link: PaperLink, talk: Conversation, error: Exception) -> None:
    def broken(_: PaperLink, __: str) -> list[tuple[int, bytes]]:
        raise error

    link.on["tvolume"] = broken
    found = talk.ask("tvolume", VOLUME)
    assert isinstance(found, Silence)
    assert str(error) in found.detail


def test_an_objection_is_told_in_the_pumps_words(link: PaperLink, talk: Conversation) -> None:
    told = ask(link, talk, (5, b"\nArgument error: 9999\r\n   Out of range\r\n>\x11"))
    assert told == Objection("Argument error: 9999 Out of range", Prompt.INFUSING)


def test_a_setting_takes_no_text_and_a_question_no_prompt_alone(link: PaperLink, talk: Conversation) -> None:
    link.faults[len(link.sent) + 1] = says((5, b"\n20 ul\r\n:\x11"), (9, b"\n:\x11"))  # type: ignore[assignment]
    assert talk.ask("ctvolume", nothing) == Answer(None, Prompt.IDLE, polled=True)
    assert talk.noise == 1


def test_only_the_prompts_that_are_waited_for_are_taken(link: PaperLink, talk: Conversation) -> None:
    link.faults[len(link.sent) + 1] = says((5, b"\n>\x11"), (9, b"\n:\x11"))  # type: ignore[assignment]
    told = talk.ask("stop", nothing, until=lambda prompt: prompt.stands)
    assert told == Answer(None, Prompt.IDLE, polled=True)


def test_silence_names_the_other_pump_that_answers(link: PaperLink, talk: Conversation) -> None:
    found = ask(link, talk, (5, b"\n07:20 ul\r\n07:\x11"))
    assert found == Silence("a pump with address 7 answers, asked was 0")


def test_listening_throws_away_what_comes_and_takes_its_time(link: PaperLink, talk: Conversation) -> None:
    link.arrive(300, b"\n>\x11")
    began = link.now
    talk.listen(1_000)
    assert link.now - began == 1_000
    assert link.flight == []


def test_readers_of_words() -> None:
    assert words("Target time not set")(("target time NOT set",)) is None
    assert line(as_told)((" as told ",)) == "as told"
    assert anything(("a", "b")) == ("a", "b")
