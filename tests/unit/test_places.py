from pathlib import Path

import pytest

from bridge import places


@pytest.mark.parametrize(
    "variable,folder",
    [
        ("STEMBRIDGE_DATA_DIR", places.data_dir),
        ("STEMBRIDGE_CACHE_DIR", places.cache_dir),
        ("STEMBRIDGE_CONFIG_DIR", places.config_dir),
    ],
)
def test_each_folder_can_be_moved(variable: str, folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable, raising=False)
    usual = folder()
    assert usual.is_absolute()
    assert "stembridge" in str(usual)
    monkeypatch.setenv(variable, str(tmp_path))
    assert folder() == tmp_path
    monkeypatch.setenv(variable, "")
    assert folder() == usual
