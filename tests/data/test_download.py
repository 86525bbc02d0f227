"""Fetching an archive, against a server on this machine: good, wrong, cut short, absent."""

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fewrec_cli.data.download import target
from tests.data.reading import ML_100K, counted, load, pack, refused

pytestmark = pytest.mark.usefixtures("folder")


@dataclass
class Site:
    """What the server answers, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: int | None = None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server that has the tiny ML-100K archive and its checksum."""
    found = Site()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            found.asked.append(name)
            body = found.files.get(name)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: found.cut] if name.endswith(".zip") else body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    body = pack(tmp_path / "made" / "ml-100k.zip", ML_100K, "ml-100k/").read_bytes()
    digest = hashlib.md5(body).hexdigest()
    found.files = {
        "ml-100k.zip": body,
        "ml-100k.zip.md5": f"MD5 (ml-100k.zip) = {digest}\n".encode(),
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/movielens"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def left(folder: Path) -> list[str]:
    """Return everything below a folder that exists or not."""
    return sorted(path.name for path in folder.rglob("*"))


def test_missing_archive_is_fetched_once_and_checked(site: Site, folder: Path) -> None:
    data = load("movielens", url=site.url)
    assert left(folder / "data") == ["ml-100k.zip"]
    assert counted(data, "files") == {f"fetched from {site.url}/ml-100k.zip, md5 as published": 1}
    assert len(data.interactions) == 4
    asked = list(site.asked)
    assert load("movielens", url=site.url).hash == data.hash
    assert site.asked == asked


def test_archive_without_published_checksum_is_fetched_and_said(site: Site) -> None:
    del site.files["ml-100k.zip.md5"]
    data = load("movielens", url=site.url)
    assert counted(data, "files") == {
        f"fetched from {site.url}/ml-100k.zip, no checksum is published": 1
    }


def test_wrong_checksum_keeps_nothing(site: Site, folder: Path) -> None:
    site.files["ml-100k.zip.md5"] = b"0" * 32 + b"  ml-100k.zip\n"
    refused("does not match its published md5 00000", "movielens", url=site.url)
    assert left(folder / "data") == []


@pytest.mark.parametrize("published", [True, False])
def test_interrupted_download_keeps_nothing(site: Site, folder: Path, published: bool) -> None:
    site.cut = 100
    if not published:
        del site.files["ml-100k.zip.md5"]
    fault = refused("the connection broke off", "movielens", url=site.url)
    assert f"fetch {site.url}/ml-100k.zip and put it into data/" in fault.remedy
    assert left(folder / "data") == []


def test_page_instead_of_an_archive_keeps_nothing(site: Site, folder: Path) -> None:
    site.files = {"ml-100k.zip": b"<html>sign in first</html>"}
    refused("is no zip archive; nothing was kept", "movielens", url=site.url)
    assert left(folder / "data") == []


def test_archive_that_the_server_lacks_is_said(site: Site) -> None:
    site.files = {}
    refused("the server answers 404", "movielens", url=site.url)


def test_without_a_network_two_lines_say_what_to_fetch_and_where_to_put_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("FEWREC_DATA", "shared")
    for name in ("shared", "own"):
        (folder / name).mkdir()
    fault = refused("failed: no connection", "movielens", url=url, root="own")
    assert fault.remedy == (
        f"fetch {url}/ml-100k.zip and put it into data.root=own, FEWREC_DATA=shared or data/"
    )
    assert list((folder / "own").iterdir()) == []


def test_silent_server_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        refused("failed: no answer in time", "movielens", url=url, timeout=0.2)


def test_target_is_root_then_writable_shared_folder_then_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert target(None) == Path("data")
    shared = folder / "shared"
    shared.mkdir()
    monkeypatch.setenv("FEWREC_DATA", str(shared))
    assert target(None) == shared
    assert target("own") == Path("own")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert target(None) == Path("data")


def test_target_that_cannot_be_made_is_refused(site: Site, folder: Path) -> None:
    (folder / "own").write_text("a file")
    refused("own", "movielens", url=site.url, root="own/below")
