"""What the clinician prescribes: pure values and arithmetic, no I/O beyond reading the named file."""
