"""What tests of the model share."""

import pytest

from handmade import make_model


@pytest.fixture(scope="session")
def model(world):
    """A model of the tasks alpha and beta as TSN makes it; tests leave it as it is."""
    return make_model(world.backbone())
