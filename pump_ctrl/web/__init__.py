"""The clinician's page: enter, check, compare, sign, print and watch a dosing plan, in a browser.

Layer      above bench, live and clinic. It reaches a running controller over its console, and a simulation as a
           process of its own; it holds no driver and no pump.
Hazard     a page of another site that presses a button here; a status that looks fresh though nobody speaks any more.
Invariant  whatever becomes of this process, a running controller and its pump never notice.
Tests      tests/unit/web, tests/web

``app`` lists the rooms, ``door`` is what every request passes first, ``house`` what every room uses. Each module of
``pages`` is a room: its routes, and what stands on its pages.
"""
