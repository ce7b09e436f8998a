"""A plan as the text of a plan file: what ``load_plan`` reads back as the same plan.

Layer      therapy; imports plan. The one way from a plan that was typed on a page to a file.
Hazard     a file that says something else than what was reviewed and signed.
Invariant  ``parse_plan(plan_text(plan)).sha256 == plan.sha256``; quantities stand in their canonical form.
Tests      tests/unit/test_plan_write.py, tests/properties/test_plan_round_trip.py
"""

from __future__ import annotations

import json
from typing import Final

import tomli_w

from pump_ctrl.therapy.plan import DosingPlan, parse_plan

_HEAD: Final = "# {id}, sha256 {sha256}. A change makes it another plan, which nobody has signed.\n"


def plan_text(plan: DosingPlan) -> str:
    """Write the plan as TOML, its parts in the order of the model, defaults written out.

    Raises:
        AssertionError: what was written does not read back as the same plan; nothing may be done with it.
    """
    order = {info.alias or name: at for at, (name, info) in enumerate(DosingPlan.model_fields.items())}
    written = json.loads(plan.canonical_json())
    values = {key: written[key] for key in sorted(written, key=order.__getitem__)}
    text = _HEAD.format(id=plan.id, sha256=plan.sha256) + tomli_w.dumps(values)
    if parse_plan(text).sha256 != plan.sha256:
        raise AssertionError(f"{plan.id} was not written as it is")
    return text
