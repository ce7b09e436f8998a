"""Decides what to give and when: pure state machine, no driver, no clock, no I/O."""
