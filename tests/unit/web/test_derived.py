"""What the page derives of a plan, against the worked plans' arithmetic, each typed in other units than its file has.

Figures are those of the worked plans (domain notes, section 7), worked out by hand in the comments.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Final

import pytest

from pump_ctrl.therapy.plan import load_plan, plan_from
from pump_ctrl.web.entry.draft import fields_of, typed
from tests.unit.web.kit import Desk, Page

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
CAN_HOLD: Final = {"reservoir.filled": "40000 uL", "reservoir.alarm": "2000 uL"}
# Worked plan, what is typed in another unit, what has to be told.
PLANS: Final = {
    # 75 + 169 + 96 ug of infusion and 60 ug of bolus: 400 ug/day; / 1000 ug/mL = 0.4 mL/day; (40 - 2) / 0.4 = 95 days.
    # The worst hour ends with the bolus: 60 + 13 * 40 / 60 = 68.67 ug.
    "a-flex-night-bolus": (
        {
            **CAN_HOLD,
            "reservoir.drugs#1.concentration": "1 mg/mL",
            "basal.steps#1.dose": "0.075 mg",
            "basal.steps#2.dose": "169000 ng",
            "basal.steps#4.dose": "0.096 mg",
            "bolus#1.dose": "0.06 mg",
            "bolus#1.over": "1200 s",
            "catheter.length": "890 mm",
        },
        (
            "baclofen 340 ug 60 ug 400 ug 400 ug",
            "volume 0.400 mL/day 0.400 mL/day",
            "06:00 09:00 every day 75 ug 25 ug/h 0.6000 mL/day",
            "22:00 22:20 every day, ▼ bolus 60 ug 180 ug/h 4.3200 mL/day",
            "22:20 06:00 every day 96 ug 12.52 ug/h 0.3005 mL/day",
            "baclofen 1 h 68.67 ug",
            "baclofen 24 h 400 ug",
            "bolus at 22:00 60 uL 60 ug 60 uL 60 ug",
            "(95 days), because of the alarm volume; 2.000 mL will be left",
        ),
    ),
    # 4 mg/day + 4 * 0.4 mg = 5.6 mg; / 15 mg/mL: 0.2667 and 0.3733 mL/day; (40 - 2) / 0.3733 = 101.8 days, 142.5
    # without any bolus, and 90 days of stability: 40 - 90 * 0.3733 = 6.4 mL are left. 26.667 uL: 133 steps of 0.2 uL.
    "c-patient-bolus": (
        {
            **CAN_HOLD,
            "basal.rate": "4000 ug/day",
            "reservoir.drugs#1.concentration": "15000 ug/mL",
            "reservoir.drugs#3.concentration": "0.2 mg/mL",
            "patient_bolus.dose": "0.4 mg",
            "patient_bolus.over": "600 s",
            "patient_bolus.lockout": "180 min",
        },
        (
            "morphine 4 mg 0 mg 4 mg 5.6 mg",
            "bupivacaine 5.3333 mg 0 mg 5.3333 mg 7.4667 mg",
            "clonidine 53.33 ug 0 ug 53.33 ug 74.67 ug",
            "volume 0.267 mL/day 0.373 mL/day",
            "morphine 1 h 0.5667 mg",
            "morphine 24 h 5.6 mg 5.6 mg",
            "clonidine 24 h 74.67 ug",
            "patient bolus 26.667 uL 0.4 mg 26.6 uL 0.399 mg",
            "(142.5 days); with all patient boluses",
            "(101.8 days)",
            "(90 days), because of the stability of",
            "6.400 mL will be left by calculation",
        ),
    ),
    # 0.3358 mL of 10 mg/mL: 3.358 mg, at 1 mL/h in 20.15 min; (20 - 2 - 0.3358) / 0.15 = 117.8 days; 90 days of
    # stability: 20 - 0.3358 - 90 * 0.15 = 6.164 mL are left.
    "b-morphine-continuous": (
        {"basal.rate": "62.5 ug/h", "prime.volume": "335.8 uL", "reservoir.drugs#1.concentration": "10000 ug/mL"},
        (
            "morphine 1.5 mg 0 mg 1.5 mg 1.5 mg",
            "00:00 24:00 every day 1.5 mg 0.0625 mg/h 0.1500 mL/day",
            "(117.8 days)",
            "(90 days), because of the stability of morphine; 6.164 mL will be left",
            "prime 0.336 mL in at least 20.1 min, moves 3.358 mg morphine into the path",
        ),
    ),
    # The path holds 0.3358 mL of 5 mg/mL: 1.679 mg; at 3 / 5 = 0.6 mL/day that takes 13.43 h; then 3 / 10 = 0.3 mL/day.
    "e-bridge": (
        {"basal.rate": "0.125 mg/h", "reservoir.drugs#1.concentration": "10000 ug/mL", "catheter.length": "890 mm"},
        (
            "volume 0.300 mL/day 0.300 mL/day",
            "bridge 0.336 mL of the old fluid, nominally 13.4 h, carries 1.679 mg hydromorphone; the old rate "
            "(0.600 mL/day)",
            "then the lower of old and new rate (0.300 mL/day)",
            "(60 days)",
        ),
    ),
}  # fmt: skip


def told(ann: Desk, key: str) -> str:
    """What the panel beside the form says, without its drawing."""
    text = ann.get(f"/plans/{key}/infusion").text.partition('id="panel"')[2]
    text = re.sub(r"<svg.*?</svg>|<[^>]*>", " ", text, flags=re.DOTALL)
    return re.sub(r" (?=,)", "", " ".join(unescape(text).split()))


@pytest.mark.parametrize("name", PLANS)
def test_a_worked_plan_typed_in_other_units_is_told_in_its_own_figures(
    page: Page, ann: Desk, name: str
) -> None:
    typed_anew, sentences = PLANS[name]
    account, file = page.clinic.accounts.get("ann"), load_plan(EXAMPLES / f"{name}.toml")
    assert account is not None
    if file.previous:
        page.clinic.versions.know(load_plan(EXAMPLES / f"{name}-before.toml"), account)
    draft = fields_of(file)
    for field, text in typed_anew.items():
        assert f"{draft[field]} {draft[f'{field}~unit']}" != text
        draft[field], _, draft[f"{field}~unit"] = text.partition(" ")
    assert plan_from(typed(draft).values).sha256 == file.sha256
    panel = told(ann, page.clinic.drafts.new("ann", draft).key)
    for sentence in sentences:
        assert sentence in panel, panel
