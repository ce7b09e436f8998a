"""pump_ctrl: a dosing controller for intrathecal pumps. Bench and research software, not a medical device.

Public names are resolved on first use, so that importing one layer (say ``pump_ctrl.safety``) does not pull
in the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Acked": "pump_ctrl.drivers.base",
    "DosingPlan": "pump_ctrl.therapy.plan",
    "Formulary": "pump_ctrl.therapy.formulary",
    "GuardedPump": "pump_ctrl.safety.guard",
    "Outcome": "pump_ctrl.drivers.base",
    "PumpDriver": "pump_ctrl.drivers.base",
    "Refused": "pump_ctrl.drivers.base",
    "Unknown": "pump_ctrl.drivers.base",
    "load_plan": "pump_ctrl.therapy.plan",
    "review": "pump_ctrl.therapy.review",
    "simulate": "pump_ctrl.bench.simulate",
}

__all__ = [  # noqa: PLE0604 - every name is in _HOME
    *_HOME,
    "__version__",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a lazy module attribute can be anything
    """Import the module that holds ``name`` and return it."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'pump_ctrl' has no attribute {name!r}")
    return getattr(import_module(home), name)
