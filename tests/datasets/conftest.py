import pytest
from mock_observation import observed_arrays


@pytest.fixture
def arrays():
    return observed_arrays()
