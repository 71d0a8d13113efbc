"""What tests of strategies share."""

import pytest

from tsniqa.training.context import Setting


@pytest.fixture
def tight(monkeypatch):
    """A memory of 20 images: of the tests' tasks (16 images each) one fits, two do not."""
    monkeypatch.setattr(Setting, "memory", property(lambda _: 20, lambda _, value: None))
