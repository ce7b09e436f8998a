"""What stands beside a pump: balances and relays, each number and each byte with its source.

Layer      therapy; imports therapy.sourced and the kernel.
Hazard     a balance that is believed more than it can tell; a relay that is told the wrong bytes.
Invariant  a file is read whole or refused, with file:line.
Tests      tests/unit/test_devices.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import PlainValidator

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy.profiles import DATA
from pump_ctrl.therapy.sourced import (
    FlowText,
    ShareText,
    Sourced,
    SourcedModel,
    VolumeText,
    check,
    read_data,
)
from pump_ctrl.units import shown

M = TypeVar("M", bound=SourcedModel)
SLOWEST_BAUD: Final = 300
FASTEST_BAUD: Final = 921_600
MOST_BYTES: Final = 64


def _baud(raw: object) -> int:
    if type(raw) is not int or not SLOWEST_BAUD <= raw <= FASTEST_BAUD:
        raise ValueError(f"{shown(raw)} is no speed; allowed: {SLOWEST_BAUD} to {FASTEST_BAUD} bit/s")
    return raw


def _density(raw: object) -> int:
    """``"0.9972 g/mL"`` as millionths of 1 ug/nL."""
    match = re.fullmatch(r"([01])\.([0-9]{1,6}) g/mL", raw, re.ASCII) if isinstance(raw, str) else None
    if match is None:
        raise ValueError(f'{shown(raw)} is no density; allowed: such as "0.9972 g/mL", up to six decimals')
    ppm = int(match[1] + match[2].ljust(6, "0"))
    if not 500_000 <= ppm <= 1_999_999:
        raise ValueError(f"{raw!r} is out of range; allowed: 0.5 to 1.999999 g/mL")
    return ppm


def _bytes(raw: object) -> bytes:
    pattern = rf"(?:[0-9A-F]{{2}})(?: [0-9A-F]{{2}}){{0,{MOST_BYTES - 1}}}"
    if not isinstance(raw, str) or not re.fullmatch(pattern, raw, re.ASCII):
        raise ValueError(f'{shown(raw)} is no bytes; allowed: such as "A0 01 01 A2", at most {MOST_BYTES}')
    return bytes.fromhex(raw)


BaudNumber = Annotated[int, PlainValidator(_baud)]
DensityText = Annotated[int, PlainValidator(_density)]
BytesText = Annotated[bytes, PlainValidator(_bytes)]


class _BalanceFile(SourcedModel):
    title: str
    protocol: Literal["mt-sics"]
    baud: Sourced[BaudNumber]
    resolution: Sourced[VolumeText]
    accuracy: Sourced[ShareText]
    creep: Sourced[FlowText]
    loss: Sourced[FlowText]
    density: Sourced[DensityText]


class _RelayFile(SourcedModel):
    title: str
    protocol: Literal["bytes"]
    baud: Sourced[BaudNumber]
    cut: Sourced[BytesText]
    answer: Sourced[BytesText] | None = None


@dataclass(frozen=True, slots=True)
class BalanceData:
    """A balance: its speed (bit/s), its declared errors, and what it shows of 1 nL (millionths of 1 ug)."""

    name: str
    title: str
    protocol: str
    baud: int
    resolution_nl: int
    accuracy_ppm: int
    creep_nl_per_h: int
    loss_nl_per_h: int
    density_ppm: int


@dataclass(frozen=True, slots=True)
class RelayData:
    """A relay: its speed (bit/s), the bytes that cut, and the answer to them; empty if it gives none."""

    name: str
    title: str
    protocol: str
    baud: int
    cut: bytes
    answer: bytes


def load_balance(name_or_path: str) -> BalanceData:
    """Read the packaged balance of that name, or a file of one (a text that ends in ``.toml``).

    Raises:
        InvalidInput: no such balance, or anything missing, unknown or out of range, with file:line.
    """
    path, file = _read("balances", name_or_path, _BalanceFile)
    return BalanceData(
        name=path.stem,
        title=file.title,
        protocol=file.protocol,
        baud=file.baud.value,
        resolution_nl=file.resolution.value.nl,
        accuracy_ppm=file.accuracy.value * 1_000,
        creep_nl_per_h=ceil(file.creep.value.nl_per_day / 24),
        loss_nl_per_h=ceil(file.loss.value.nl_per_day / 24),
        density_ppm=file.density.value,
    )


def load_relay(name_or_path: str) -> RelayData:
    """Read the packaged relay of that name, or a file of one (a text that ends in ``.toml``).

    Raises:
        InvalidInput: no such relay, or anything missing, unknown or out of range, with file:line.
    """
    path, file = _read("relays", name_or_path, _RelayFile)
    answer = b"" if file.answer is None else file.answer.value
    return RelayData(path.stem, file.title, file.protocol, file.baud.value, file.cut.value, answer)


def _read(folder: str, name_or_path: str, model: type[M]) -> tuple[Path, M]:
    path = Path(name_or_path)
    if not name_or_path.endswith(".toml"):
        names = sorted(known.stem for known in (DATA / folder).glob("*.toml"))
        if name_or_path not in names:
            what = f"nothing is called {name_or_path!r}"
            raise InvalidInput((Problem("", None, folder, what, ", ".join(names)),))
        path = DATA / folder / f"{name_or_path}.toml"
    return path, check(read_data(path), model)
