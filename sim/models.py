"""What a simulated pump is: the numbers of `models.toml`, read once and checked.

Layer      sim. Imports the standard library only.
Invariant  every number is a positive int; an unknown or a missing key is an error, never a default.
Tests      tests/unit/sim/test_world.py
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Final

MODELS_FILE: Final = Path(__file__).with_name("models.toml")


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of pump. Volumes nL, times ms, the rest counts; sources stand in `models.toml`."""

    name: str
    title: str
    firmware: str
    capacity_nl: int
    tubing_nl: int
    step_nl: int
    max_nl_per_h: int
    max_lease_ms: int
    max_steps: int
    outcomes: int
    ttl_ms: int
    battery_life_days: int
    battery_low_percent: int

    def __post_init__(self) -> None:
        for field in fields(self):
            value: object = getattr(self, field.name)
            text = field.name in {"name", "title", "firmware"}
            if not (type(value) is str and value) if text else not (type(value) is int and value > 0):
                wanted = "a text" if text else "a positive int"
                raise ValueError(f"model {self.name}: {field.name} = {value!r} is not {wanted}")


def read_models(text: str) -> Mapping[str, Model]:
    """Read the models of a TOML text.

    Raises:
        ValueError: a key is missing, unknown or of the wrong kind; the message names model and key.
    """
    known = {field.name for field in fields(Model)} - {"name"}
    models = {}
    for name, row in tomllib.loads(text).items():
        if set(row) != known:
            raise ValueError(f"model {name}: missing or unknown keys: {', '.join(sorted(set(row) ^ known))}")
        models[name] = Model(name=name, **row)
    return models


@cache
def _shipped() -> Mapping[str, Model]:
    return read_models(MODELS_FILE.read_text(encoding="utf-8"))


def model_names() -> tuple[str, ...]:
    """Names of the shipped models, in the order of the file."""
    return tuple(_shipped())


def load_model(name: str) -> Model:
    """Return the shipped model called `name`.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    models = _shipped()
    if name not in models:
        raise ValueError(f"no pump model {name!r}; there are: {', '.join(models)}")
    return models[name]
