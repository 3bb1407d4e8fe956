"""What holds for all tests: they leave the developer's own files alone, and a slow machine fails none of them."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# No deadline for single examples: their time says more of the machine than of the code. CI always tries the same ones.
settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("here")


@pytest.fixture(scope="session", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings, weights and cache in new folders, also for the children that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("CACHE", "CONFIG", "DATA"):
            patch.setenv(f"STEMBRIDGE_{kind}_DIR", str(tmp_path_factory.mktemp(kind.lower())))
        yield
