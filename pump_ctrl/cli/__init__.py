"""The ``pump-ctrl`` command: printing and exit codes, no decisions."""
