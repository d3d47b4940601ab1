"""Chromium for the tests of the page."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.serving.browser import Visitor, browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visitor]]:
    """Opens the page at an address, as `Visitor.arrive`; no visitor may be sent to another host."""
    visitors: list[Visitor] = []

    def arrive(address: str, **options: Any) -> Visitor:
        visitors.append(Visitor.arrive(chromium, address, **options))
        return visitors[-1]

    yield arrive
    for visitor in visitors:
        assert visitor.foreign == []
        visitor.page.context.close()
