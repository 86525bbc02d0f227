"""Fetching a published archive: checked against its published checksum, whole or absent."""

import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import requests

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Note
from fewrec_cli.data.files import Wanted, describe_places, places

MD5 = re.compile(r"\b[0-9a-fA-F]{32}\b")
CHUNK = 1 << 16


@dataclass(frozen=True)
class Archive:
    """A fetched archive.

    Attributes:
        path: Where it lies.
        note: Where it came from and whether its checksum was published.
    """

    path: Path
    note: Note


def target(root: str | None) -> Path:
    """Return the folder to fetch into: ``data.root``, else FEWREC_DATA if writable, else ``data/``.

    The folder is created if need be.
    """
    known = places(root)
    shared = known.get("FEWREC_DATA")
    if root is None and shared is not None and shared.is_dir() and os.access(shared, os.W_OK):
        return shared
    folder = known["data.root" if root is not None else "data/"]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Download:
    """Fetches archives from one address.

    Args:
        url: Address of the folder that holds the archives.
        timeout: How long to wait for an answer of the server (seconds).
    """

    def __init__(self, *, url: str, timeout: float) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout

    def fetch(self, wanted: Wanted, root: str | None, reporter: Reporter) -> Archive:
        """Fetch the archive of ``wanted`` into the folder that ``target`` names.

        It is written beside its place and renamed once whole, so that an interruption leaves
        nothing that looks whole.

        Raises:
            DataError: No network, no such file, a wrong checksum, or a folder that cannot be
                written to.
        """
        if not self.timeout > 0:
            raise DataError(f"data.timeout={self.timeout} is no time", "give seconds above 0")
        name = wanted.archives[0]
        advice = f"fetch {self.url}/{name} and put it into {describe_places(root)}"
        try:
            checksum = self._checksum(name)
            folder = target(root)
            reporter.say(f"fetching {self.url}/{name} into {folder}")
            path = self._retrieve(name, checksum, folder, reporter)
        except requests.RequestException as fault:
            raise DataError(
                f"{wanted.title} is not on disk, and fetching it from {self.url} failed: "
                f"{_reason(fault)}",
                advice,
            ) from fault
        except OSError as fault:
            raise DataError(
                f"cannot write into {fault.filename or folder}: {fault.strerror}",
                "choose another folder with data.root=FOLDER",
            ) from fault
        except ValueError as fault:  # pooch's word for a wrong checksum
            raise DataError(
                f"{self.url}/{name} does not match its published md5 {checksum}; nothing was kept",
                f"try again later, or {advice}",
            ) from fault
        if not zipfile.is_zipfile(path):
            path.unlink()
            raise DataError(f"{self.url}/{name} is no zip archive; nothing was kept", advice)
        checked = "md5 as published" if checksum else "no checksum is published"
        return Archive(path, Note("files", 1, f"fetched from {self.url}/{name}, {checked}"))

    def _checksum(self, name: str) -> str | None:
        """Return the published md5, or None where the server has none."""
        answer = requests.get(f"{self.url}/{name}.md5", timeout=self.timeout)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        found = MD5.search(answer.text[:4096])
        return found.group().lower() if found else None

    def _retrieve(self, name: str, checksum: str | None, folder: Path, reporter: Reporter) -> Path:
        pooch.get_logger().setLevel("ERROR")

        def download(url: str, output: str, _: Any) -> None:
            with (
                requests.get(url, timeout=self.timeout, stream=True) as answer,
                Path(output).open("wb") as file,
            ):
                answer.raise_for_status()
                total = int(answer.headers.get("content-length", 0)) or None
                with reporter.stage("download", total) as advance:
                    for part in answer.iter_content(CHUNK):
                        file.write(part)
                        advance(len(part), note=name)

        path = pooch.retrieve(
            f"{self.url}/{name}",
            known_hash=f"md5:{checksum}" if checksum else None,
            fname=name,
            path=folder,
            downloader=download,
        )
        return Path(path)


def _reason(fault: Exception) -> str:
    """Return what went wrong in a few words; the library's own texts run over several lines."""
    if isinstance(fault, requests.HTTPError) and fault.response is not None:
        return f"the server answers {fault.response.status_code}"
    if isinstance(fault, requests.Timeout):
        return "no answer in time"
    if isinstance(fault, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(fault, requests.ConnectionError):
        return "no connection"
    return type(fault).__name__
