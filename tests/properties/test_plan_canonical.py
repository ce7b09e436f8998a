"""Two files that mean the same have the same hash, however they are written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.therapy.plan import load_plan, parse_plan

EXAMPLES: Final = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))

# Each text and others that mean the same.
SAME = (
    ("40 mL", "40.0 mL", "40ml", "40000 uL", "40000µL", "40000000 nL"),
    ("2 mL", "2000 μL", "2.000 mL"),
    ("20 mL", "20 ml"),
    ("0 mL", "0 nL", "0.0 uL"),
    ("1000 ug/mL", "1 mg/mL", "1000 mcg/ml", "1 ug/uL", "1000.0 µg/mL"),
    ("10 mg/mL", "10000 ug/mL", "10 ug/uL"),
    ("60 ug", "0.06 mg", "60 mcg", "60000 ng"),
    ("0.4 mg", "400 ug", "0.400mg"),
    ("20 min", "1200 s", "1200000 ms"),
    ("10 min", "600 s"),
    ("3 h", "180 min", "0.125 d"),
    ("4 h", "240 min", "4 hours", "4hr"),
    ("7 d", "168 h", "7 days"),
    ("2 d", "48 h", "2880 min"),
    ("400 ug/day", "0.4 mg/d", "400 mcg/day"),
    ("1.5 mg/day", "62.5 ug/h"),
    ("+20 %", "+20%", "+20.0 %"),
    ("-20 %", "-20.00%"),
    ("89 cm", "890 mm", "89.0 cm"),
)
ALIASES = {text: texts for texts in SAME for text in texts}


def rewritten(value: object, data: st.DataObject) -> str:
    """Write a TOML value inline, with other units and with its keys in another order."""
    if isinstance(value, dict):
        keys = data.draw(st.permutations(list(value)))
        return "{" + ", ".join(f'"{key}" = {rewritten(value[key], data)}' for key in keys) + "}"
    if isinstance(value, list):
        inner = ", ".join(rewritten(each, data) for each in value)
        return f"[{inner}{data.draw(st.sampled_from(['', ',', chr(10)]))}]" if inner else "[]"
    if isinstance(value, str):
        return f'"{data.draw(st.sampled_from(ALIASES.get(value, (value,))))}"'
    return str(value).lower()


@given(path=st.sampled_from(EXAMPLES), data=st.data())
def test_a_file_written_in_another_way_has_the_same_hash(path: Path, data: st.DataObject) -> None:
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    if "bolus" in values:
        values["bolus"] = data.draw(st.permutations(values["bolus"]))
    for bolus in values.get("bolus", ()):
        bolus.update(
            data.draw(st.sampled_from([{}, {"within": "5 min"}, {"within": "300 s", "once": False}]))
        )
        bolus.update(
            data.draw(st.sampled_from([{}, {"days": ["sun", "sat", "fri", "thu", "wed", "tue", "mon"]}]))
        )
    keys = data.draw(st.permutations(list(values)))
    text = "\n".join(f"{key} = {rewritten(values[key], data)} # {key}" for key in keys)
    assert parse_plan(text).sha256 == load_plan(path).sha256
