"""Many near-equal cases in one test, where to collect, to run and to report each would cost more than the case."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from itertools import product


def in_one(**values: Iterable[object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As ``pytest.mark.parametrize`` with every combination of ``values``, but all of them in one test.

    What fails says in which case it did, and the test ends there. Of a mapping the keys are what is said, the values
    what is given. A fixture is made once and kept by all of the cases.
    """
    rows = list(
        product(*[[(name, *pair) for pair in _said_and_given(each)] for name, each in values.items()])
    )
    assert rows, "a test without a case shows nothing"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def every_case(**fixtures: object) -> None:
            for row in rows:
                try:
                    test(**fixtures, **{name: given for name, _, given in row})
                except BaseException as error:
                    error.add_note(f"in the case {', '.join(f'{name}={said!r}' for name, said, _ in row)}")
                    raise

        asked = inspect.signature(test)
        rest = [part for name, part in asked.parameters.items() if name not in values]
        every_case.__signature__ = asked.replace(parameters=rest)  # type: ignore[attr-defined]
        return every_case

    return decorate


def _said_and_given(values: Iterable[object]) -> Iterable[tuple[object, object]]:
    return values.items() if isinstance(values, Mapping) else ((each, each) for each in values)
