import subprocess
import sys
from pathlib import Path

import pytest

from bridge.app import cache_limit_bytes, default_cache, engines_for
from bridge.cache import DEFAULT_LIMIT_BYTES
from bridge.errors import EngineUnavailable, InvalidRequest
from bridge.model import ConversionRequest
from bridge.names import PARTS


def request(**options) -> ConversionRequest:
    return ConversionRequest(source=Path("song.wav"), out_dir=Path(), **options)


def test_without_weights_builtin_is_taken_and_the_user_is_told_why():
    choice = engines_for(request())
    assert choice.engines.separator.identity.name == "builtin"
    assert "no Demucs weights" in choice.reasons[0]


@pytest.mark.parametrize("part", PARTS)
def test_a_recording_of_one_part_is_not_separated(part):
    separator = engines_for(request(recording=part)).engines.separator
    assert separator.parts == (part,)
    assert separator.identity.name == "none"


@pytest.mark.parametrize("options", [{"recording": "mix"}, {"separator": "none"}])
def test_a_mix_has_no_separator(options):
    assert engines_for(request(**options)).engines.separator is None


@pytest.mark.parametrize(
    "options, source, surrounding",
    [
        ({"separator": "builtin"}, "mix", "+mixed"),
        ({"separator": "builtin", "drum_engine": "onset"}, "stem", ""),
        ({"recording": "drums"}, "stem", "+alone"),
        ({"recording": "mix"}, "mix", "+mixed"),
        ({"separator": "none"}, "mix", "+mixed"),
    ],
)
def test_drums_are_heard_where_they_are_heard_best(options, source, surrounding):
    engines = engines_for(request(**options)).engines

    assert engines.hearings["drums"].source == source
    assert surrounding in engines.drums.identity.version


@pytest.mark.parametrize(
    "options", [{"separator": "magic"}, {"drum_engine": "magic"}, {"recording": "bass", "separator": "builtin"}]
)
def test_what_does_not_exist_or_go_together_is_refused(options):
    with pytest.raises(InvalidRequest):
        engines_for(request(**options))


def test_a_model_without_weights_is_refused_with_the_mend():
    with pytest.raises(EngineUnavailable, match="stembridge models download htdemucs_ft"):
        engines_for(request(separator="htdemucs_ft"))


def test_choosing_engines_loads_none_of_their_libraries():
    """A conversion that is cached takes under a second, and loading scipy alone takes longer."""
    code = """
import sys
from pathlib import Path
from bridge.app import cache_limit_bytes, default_cache, engines_for
from bridge.cache import DEFAULT_LIMIT_BYTES
from bridge.model import ConversionRequest
engines_for(ConversionRequest(source=Path("song.wav"), out_dir=Path()))
heavy = {"scipy", "librosa", "numba", "onnxruntime", "torch", "basic_pitch", "av"}
print(sorted(heavy & set(sys.modules)))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


@pytest.mark.parametrize(
    "text,limit",
    [("2", 2 * 1024**3), ("0", 0), ("0.5", 512 * 1024**2), ("", None), ("much", None), ("-1", None), ("inf", None)],
)
def test_the_environment_says_how_large_the_cache_may_grow(text, limit, monkeypatch):
    monkeypatch.setenv("STEMBRIDGE_CACHE_GB", text)
    assert default_cache().limit_bytes == (DEFAULT_LIMIT_BYTES if limit is None else limit)
    assert default_cache(7).limit_bytes == 7


def test_without_a_word_on_it_the_cache_has_its_usual_size():
    assert cache_limit_bytes({}) == DEFAULT_LIMIT_BYTES
