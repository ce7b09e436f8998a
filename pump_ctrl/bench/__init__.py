"""Runs over the whole stack in virtual time."""
