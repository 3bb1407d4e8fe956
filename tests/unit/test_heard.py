"""What was heard comes back from its file block by block."""

import pytest

from bridge.write import heard


@pytest.mark.parametrize("blocks", [[], [b"a"], [b"abc", b"", b"x" * 70_000]])
def test_blocks_come_back_as_they_were(tmp_path, blocks):
    heard.write(tmp_path / "heard", blocks)
    assert list(heard.read(tmp_path / "heard")) == blocks


@pytest.mark.parametrize("length", [5, 2])
def test_a_file_that_ends_within_a_block_is_refused(tmp_path, length):
    heard.write(tmp_path / "heard", [b"abc"])
    (tmp_path / "heard").write_bytes((tmp_path / "heard").read_bytes()[:length])
    with pytest.raises(ValueError, match="ends within a block"):
        list(heard.read(tmp_path / "heard"))
