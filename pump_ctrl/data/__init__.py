"""Formulary, pump profiles, catheters and timing: data, each number with its source."""
