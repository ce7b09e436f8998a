"""The journal: one append-only file, a line of JSON per record, each chained to the one before by SHA-256.

Layer      beside the controller and the console; imports the kernel only. Fulfils safety's ``IntentLog``.
Hazard     F-48 to F-54: a dose forgotten as its record was torn, edited, cut off, swapped or never on disk.
Invariant  ``append`` returns only when its record is on disk; a journal in which a byte was changed, removed,
           moved or brought in from elsewhere does not open, except that a torn tail, whose command was never
           sent, is dropped and recorded (S-05, S-27).
Tests      tests/unit/test_journal.py, test_journal_line.py, test_journal_head.py, test_journal_damage.py,
           test_journal_disk.py, test_journal_forms.py, test_journal_taken_up.py, test_journal_signs.py,
           test_put_back.py, tests/properties/test_journal_chain.py

A line is ``{"seq":0,"kind":"..","boot_ms":1,"boot_id":"..","utc_ms":1,"data":{},"prev":"..","hash":".."}`` in
ASCII, without blanks, the keys within ``data`` sorted. ``hash`` is the SHA-256 of the line without it: of the
bytes before ``,"hash"`` and a closing brace. ``prev`` is the hash of the line before, 64 zeros in the first
record, which is of kind ``journal`` and says what the journal is about. What ``data`` holds, ``forms`` tells.

``NAME.head`` holds seq and hash of a record that is on disk, and so does each sign of life (``life``). A chain alone
does not show that its end was cut off; up to what these know it shows. What was cut off behind that is for the pump's
own counter to show.
"""

from __future__ import annotations

from pump_ctrl.journal.chain import Journal, Record, canonical_json
from pump_ctrl.journal.file import FileJournal, HeldError
from pump_ctrl.journal.forms import ours, understood
from pump_ctrl.journal.memory import MemoryJournal
from pump_ctrl.journal.reader import JournalReader, Verdict, read_journal, verify

__all__ = [
    "FileJournal",
    "HeldError",
    "Journal",
    "JournalReader",
    "MemoryJournal",
    "Record",
    "Verdict",
    "canonical_json",
    "ours",
    "read_journal",
    "understood",
    "verify",
]
