from pathlib import Path

import pytest

from bridge import config
from bridge.config import Settings, WatchedFolder, describe, load, read, reference_page
from bridge.errors import InvalidRequest
from bridge.jobs.model import Options

REPOSITORY = Path(__file__).parents[2]

FILE = b"""# mine
osc_port = 17910
hang_timeout_s = 60
log_level = "debug"

[[watch]]
folder = "~/ideas"
recursive = true

[watch.options]
quantize = "1/16"
parts = ["bass", "drums"]
"""


def test_without_anything_all_settings_have_their_defaults() -> None:
    loaded = load(None, {}, {})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.origins.keys() == set(Settings.__struct_fields__)


def test_the_file_goes_before_defaults_the_environment_before_it_and_flags_before_all() -> None:
    environ = {"STEMBRIDGE_OSC_PORT": "17920", "STEMBRIDGE_HANG_TIMEOUT_S": "70.5", "HOME": "/"}
    loaded = load(FILE, environ, {"osc_port": 0, "stream": None}, "/etc/config.toml")
    assert (loaded.settings.osc_port, loaded.origins["osc_port"]) == (0, "--osc-port")
    assert (loaded.settings.hang_timeout_s, loaded.origins["hang_timeout_s"]) == (70.5, "STEMBRIDGE_HANG_TIMEOUT_S")
    assert (loaded.settings.log_level, loaded.origins["log_level"]) == ("debug", "/etc/config.toml, line 4")
    assert (loaded.settings.stream, loaded.origins["stream"]) == (False, "default")
    assert loaded.settings.watch == (
        WatchedFolder("~/ideas", recursive=True, options=Options(quantize="1/16", parts=("bass", "drums"))),
    )
    assert loaded.origins["watch"] == "/etc/config.toml, line 6"


@pytest.mark.parametrize(
    "variable,text,value",
    [
        ("STREAM", "true", True),
        ("STREAM", "0", False),
        ("CONCURRENCY", "3", 3),
        ("WATCH", "/a:~/b", (WatchedFolder("/a"), WatchedFolder("~/b"))),
        ("OSC_PORT", "", 17900),
    ],
)
def test_the_environment_writes_values_as_text(variable: str, text: str, value: object, monkeypatch) -> None:
    monkeypatch.setattr("os.pathsep", ":")
    settings = load(None, {f"STEMBRIDGE_{variable}": text}, {}).settings
    assert getattr(settings, variable.lower()) == value


def test_flags_name_folders_to_watch() -> None:
    assert load(FILE, {}, {"watch": ["/a"]}).settings.watch == (WatchedFolder("/a"),)


@pytest.mark.parametrize(
    "text,words",
    [
        ("osc_prot = 1", ["config.toml, line 1", "'osc_prot'", "did you mean osc_port?"]),
        ("\n\nzzzz = 1", ["line 3", "'zzzz'", "there are osc_port, out_dir"]),
        ("\nosc_port = 'x'", ["line 2", "osc_port must be a port, 0 to 65535, not 'x'"]),
        ("osc_port = 65536", ["osc_port must be a port", ", not 65536"]),
        ("out_dir = '~nosuchuser/x'", ["line 1", "out_dir must be a folder"]),
        ("[[watch]]\nfolder = '~nosuchuser/x'", ["line 2", "there is no home folder for '~nosuchuser'"]),
        ("[[watch]]\nfolder='/a'\n\n[[watch]]\nfolder='/b'\nrecursive='yes'", ["line 6: recursive: expected bool"]),
        ("[[watch]]\nfolder='/a'\n[[watch]]\nout='/b'", ["line 3: missing required field `folder`"]),
        ("[[watch]]\nfolder='/a'\nout='/b'\n[[watch]]\nfolder='/b'\nout='b'", ["line 6", "must be absolute"]),
        ("[[watch]]\nfolder='/a'\noptions = {quantise = '1/8'}", ["line 3", "did you mean quantize?"]),
        ("[[watch]]\nfolder='/a'\noptions.quantise = '1/8'", ["line 3", "did you mean quantize?"]),
        ("[[watch]]\nfolder='/a'\noptions.stems = 1\nstream = true", ["line 4", "'stream'"]),
        ("[[watch]]\nfolder='/a'\n[watch.options]\nswing = 7", ["line 4: options.swing: expected float <= 1.0"]),
        ("watch = [3]", ["line 1: watch must be"]),
        ("osc_port = true", ["osc_port must be a port"]),
        ("concurrency = 0", ["concurrency must be a whole number, 1 to 16"]),
        ("hang_timeout_s = nan", ["hang_timeout_s must be seconds"]),
        ("log_level = 'loud'", ["log_level must be debug, info, warning or error"]),
        ("out_dir = 'music'", ["out_dir must be a folder, absolute"]),
        ("watch = 3", ["watch must be"]),
        ("[[watch]]\nfolder = 'ideas'", ["line 2", "must be absolute or begin with ~"]),
        ("[[watch]]\nrecursive = true", ["missing required field `folder`"]),
        ("[[watch]]\nfolder='/a'\nrecursiv = true", ["line 3", "did you mean recursive?"]),
        ("[[watch]]\nfolder='/a'\n[watch.options]\nquantise = '1/8'", ["line 4", "did you mean quantize?"]),
        ("[[watch]]\nfolder='/a'\n[watch.options]\nquantize = '1/7000'", ["line 4: quantize must be a note value"]),
        ("osc_port = ", ["isn't valid TOML", "at end"]),
        ("osc_port = 1\nosc_port = 2", ["isn't valid TOML"]),
        ("a" + ".a" * 3000 + " = 1", ["config.toml"]),
        ("\udcff", ["isn't UTF-8"]),
    ],
)
def test_what_is_wrong_in_the_file_is_refused_with_its_place(text: str, words: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        load(text.encode("utf-8", "surrogateescape"), {}, {})
    assert all(word in str(refused.value) for word in words), str(refused.value)
    assert "\n" not in str(refused.value)
    assert "$" not in str(refused.value), "no other program's notation"
    assert len(str(refused.value)) < 600


def test_unknown_variables_and_flags_are_refused_but_those_of_other_parts_are_not() -> None:
    others = ("DATA_DIR", "CACHE_DIR", "CONFIG_DIR", "MODELS_DIR", "MIDI_API")
    load(None, {"PATH": "/bin", **{f"STEMBRIDGE_{name}": "/x" for name in others}}, {})
    with pytest.raises(InvalidRequest, match=r"STEMBRIDGE_STREEM.*did you mean stream\?"):
        load(None, {"STEMBRIDGE_STREEM": "1"}, {})
    with pytest.raises(InvalidRequest, match="--osc-prot"):
        load(None, {}, {"osc_prot": 1})


def test_a_byte_order_mark_is_no_part_of_the_file() -> None:
    assert load(b"\xef\xbb\xbfosc_port = 5", {}, {}).settings.osc_port == 5


def test_the_description_shows_what_is_in_force_and_where_it_comes_from(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    rows = {row.key: row for row in describe(load(FILE, {"STEMBRIDGE_OUT_DIR": "~/out"}, {}))}
    assert rows.keys() == set(Settings.__struct_fields__)
    assert (rows["osc_port"].value, rows["osc_port"].origin) == ("17910", "config.toml, line 2")
    assert (rows["out_dir"].value, rows["out_dir"].origin) == ('"/home/me/out"', "STEMBRIDGE_OUT_DIR")
    assert rows["watch"].value == (
        '[{folder = "/home/me/ideas", recursive = true, options = {parts = ["bass", "drums"], quantize = "1/16"}}]'
    )
    assert rows["stream"].value == "false"


def test_the_file_lies_in_the_folder_of_settings_and_may_be_missing(tmp_path: Path) -> None:
    assert read({}, {}, tmp_path).settings == Settings()
    (tmp_path / "config.toml").write_bytes(FILE)
    loaded = read({}, {}, tmp_path)
    assert loaded.origins["osc_port"] == f"{tmp_path / 'config.toml'}, line 2"
    (tmp_path / "config.toml").unlink()
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(InvalidRequest, match="cannot read"):
        read({}, {}, tmp_path)


def test_results_go_to_the_music_folder_unless_said_otherwise() -> None:
    assert Settings().results_folder.name == "Stembridge"
    assert Settings(out_dir="/x").results_folder == Path("/x")


def test_the_reference_page_is_fresh_and_its_example_is_right() -> None:
    page = reference_page()
    path = REPOSITORY / "docs/reference/settings.md"
    assert path.read_text("utf-8") == page, f"{path} is stale: run tools/make_reference.py"
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert load(example.encode(), {}, {}).settings.watch[0].options.quantize == "1/16"
    assert all(f"| `{key}` |" in page for key in (*Settings.__struct_fields__, *WatchedFolder.__struct_fields__))


def test_a_file_that_is_far_too_large_is_not_read() -> None:
    with pytest.raises(InvalidRequest, match="larger"):
        load(b"#" * (config._MAX_FILE_BYTES + 1), {}, {})
