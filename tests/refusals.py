"""What a test says of a refusal: its code, and its words only where the words are the point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pump_ctrl.errors import NotAllowed


@contextmanager
def refused(code: str, match: str | None = None) -> Iterator[pytest.ExceptionInfo[NotAllowed]]:
    """What is done in here is refused, with this code; ``match`` is searched in its words."""
    with pytest.raises(NotAllowed, match=match) as found:
        yield found
    assert found.value.code == code
