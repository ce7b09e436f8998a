"""Which code enforces what, which tests show it, and which planted defects those tests have found."""
