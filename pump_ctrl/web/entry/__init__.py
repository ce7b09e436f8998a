"""Plan entry without a browser: the steps and their fields, a draft as values of a plan, what it means.

Layer      web; imports therapy and the kernel, no HTTP.
Tests      tests/unit/web/test_draft.py, tests/unit/web/test_steps.py
"""
