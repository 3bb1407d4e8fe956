"""Weights: what is published, what is found and trusted, and fetching over a real connection to this machine itself."""

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.errors import Cancelled, EngineUnavailable, InvalidRequest, OutputUnwritable
from bridge.progress import Progress
from bridge.separation import weights, weights_download
from bridge.separation.weights_download import download

CONTENT = bytes(range(256)) * 4096  # 1 MiB
FILE = f"955717e8-{hashlib.sha256(CONTENT).hexdigest()[:8]}.th"


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of the user's own is looked at."""
    monkeypatch.setenv("STEMBRIDGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("STEMBRIDGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("STEMBRIDGE_MODELS_DIR", raising=False)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> weights.Published:
    """htdemucs as if it had been published with a file of 1 MiB."""
    model = weights.Published("htdemucs", "hybrid_transformer/", (FILE,), None, len(CONTENT))
    monkeypatch.setattr(weights, "published", lambda name: model)
    monkeypatch.setattr(weights_download, "published", lambda name: model)
    return model


@dataclass
class Server:
    """A file server; what it does with the first request of a test can be chosen."""

    content: bytes = CONTENT
    cut_first_after: int | None = None
    ranges: bool = True
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if state.status != 200:
                self.send_error(state.status)
                return
            if start >= len(state.content):
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            first = len(state.asked) == 1
            self.wfile.write(body[: state.cut_first_after] if first else body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.url = f"http://127.0.0.1:{httpd.server_port}"
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield state
        httpd.shutdown()


def target() -> Path:
    return weights.models_dir("htdemucs") / FILE


def part() -> Path:
    return target().with_name(FILE + ".part")


def write_part(content: bytes) -> None:
    part().parent.mkdir(parents=True)
    part().write_bytes(content)


def test_what_is_published_comes_from_demucs() -> None:
    assert weights.published("htdemucs").files == ("955717e8-8726e21a.th",)
    ft = weights.published("htdemucs_ft")
    assert ft.files[0] == "f7e0c4bc-ba3fe64a.th"
    assert ft.rows == ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    assert ft.folder == "hybrid_transformer/"
    assert weights.published("htdemucs_6s").files == ("5c90dfd2-34c22ccb.th",)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="htdemucs_ft, htdemucs, htdemucs_6s"):
        weights.published("spleeter")


def test_the_table_says_licence_author_and_what_is_installed(small: weights.Published, server: Server) -> None:
    assert weights.best_installed() is None
    download("htdemucs", Progress(), base_url=server.url)
    row = next(row for row in weights.describe() if row.name == "htdemucs")
    assert row.installed == weights.models_dir("htdemucs")
    assert "research" in row.licence
    assert "508" in row.statement


def test_a_download_arrives_whole_with_its_description(small: weights.Published, server: Server) -> None:
    heard: list[float] = []
    folder = download("htdemucs", Progress(lambda report: heard.append(report.fraction)), base_url=server.url)
    assert (folder / FILE).read_bytes() == CONTENT
    assert "955717e8" in (folder / "htdemucs.yaml").read_text()
    assert not part().exists()
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert weights.find("htdemucs") == folder


def test_what_is_there_is_not_fetched_again(small: weights.Published, server: Server) -> None:
    download("htdemucs", Progress(), base_url=server.url)
    download("htdemucs", Progress(), base_url=server.url)
    assert len(server.asked) == 1


def test_a_download_goes_on_where_it_stopped(small: weights.Published, server: Server) -> None:
    write_part(CONTENT[:1000])
    download("htdemucs", Progress(), base_url=server.url)
    assert server.asked == ["bytes=1000-"]
    assert target().read_bytes() == CONTENT


def test_a_server_that_begins_anew_is_followed(small: weights.Published, server: Server) -> None:
    server.ranges = False
    write_part(b"x" * 1000)
    download("htdemucs", Progress(), base_url=server.url)
    assert target().read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_taken(small: weights.Published, server: Server) -> None:
    write_part(CONTENT)
    download("htdemucs", Progress(), base_url=server.url)
    assert target().read_bytes() == CONTENT


def test_a_connection_that_breaks_off_is_taken_up_again(small: weights.Published, server: Server) -> None:
    server.cut_first_after = 300_000
    download("htdemucs", Progress(), base_url=server.url)
    assert server.asked == [None, "bytes=300000-"]
    assert target().read_bytes() == CONTENT


def test_wrong_bytes_are_deleted_and_named(small: weights.Published, server: Server) -> None:
    server.content = b"<html>" + CONTENT
    with pytest.raises(EngineUnavailable, match="wrong SHA-256"):
        download("htdemucs", Progress(), base_url=server.url)
    assert not part().exists()
    assert not target().exists()


def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(small: weights.Published) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EngineUnavailable, match="no network") as caught:
        download("htdemucs", Progress(), base_url=url)
    assert f"{url}/hybrid_transformer/{FILE}" in str(caught.value)
    assert str(weights.models_dir("htdemucs")) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(weights.models_dir("htdemucs").iterdir()) == []


def test_a_file_that_the_server_lacks_is_named(small: weights.Published, server: Server) -> None:
    server.status = 404
    with pytest.raises(EngineUnavailable, match="answered 404"):
        download("htdemucs", Progress(), base_url=server.url)


def test_cancelling_keeps_the_part_for_the_next_time(small: weights.Published, server: Server) -> None:
    cancelled = threading.Event()
    with pytest.raises(Cancelled):
        download("htdemucs", Progress(lambda report: cancelled.set(), cancelled), base_url=server.url)
    assert 0 < part().stat().st_size < len(CONTENT)
    download("htdemucs", Progress(), base_url=server.url)
    assert target().read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_reported(small: weights.Published, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file is in the way")
    with pytest.raises(OutputUnwritable, match="STEMBRIDGE_DATA_DIR"):
        download("htdemucs", Progress(), base_url="http://127.0.0.1:9")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported_as_such(small: weights.Published, server: Server) -> None:
    part().parent.mkdir(parents=True)
    part().symlink_to("/dev/full")
    with pytest.raises(OutputUnwritable, match="free some space"):
        download("htdemucs", Progress(), base_url=server.url)


def test_a_damaged_file_is_not_found_even_when_its_hash_was_remembered(small: weights.Published) -> None:
    target().parent.mkdir(parents=True)
    target().write_bytes(CONTENT)
    assert weights.find("htdemucs") == target().parent
    target().write_bytes(CONTENT[:-1])
    assert weights.find("htdemucs") is None
    with pytest.raises(EngineUnavailable, match=r"damaged.*stembridge models download htdemucs"):
        weights.installed("htdemucs", target().parent)


def test_files_that_demucs_fetched_are_used_only_when_they_are_the_published_ones(
    small: weights.Published, tmp_path: Path
) -> None:
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(b"something else")
    assert weights.find("htdemucs") is None
    (folder / FILE).write_bytes(CONTENT)
    assert weights.find("htdemucs") == folder


def test_models_of_the_users_own_are_taken_from_their_folder_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own" / "htdemucs"
    for folder in (own, weights.models_dir("htdemucs")):
        folder.mkdir(parents=True)
        (folder / FILE).write_bytes(CONTENT)
        (folder / "htdemucs.yaml").write_text("models: ['955717e8']")
    assert weights.find("htdemucs") is None  # not the published hash
    monkeypatch.setenv("STEMBRIDGE_MODELS_DIR", str(tmp_path / "own"))
    assert weights.find("htdemucs") == own
    assert weights.installed("htdemucs", own).sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_the_best_installed_model_comes_first(small: weights.Published) -> None:
    assert weights.NAMES[0] == "htdemucs_ft"
    target().parent.mkdir(parents=True)
    target().write_bytes(CONTENT)
    assert weights.best_installed() == "htdemucs"
