"""Original files wherever the user keeps them: a place to look in, an archive or a folder."""

import gzip
import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar, cast

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Note, SourceFile

T = TypeVar("T")

CHUNK = 1 << 22
READ_AGAIN = "fetch the file again, or point to a whole copy with data.root=FOLDER"


@dataclass(frozen=True)
class DataFile:
    """A file on disk, plain or gzipped, or a member of a zip archive.

    Attributes:
        path: The file on disk.
        member: Name within the archive, or None.
    """

    path: Path
    member: str | None = None

    @property
    def label(self) -> str:
        """How errors name the file."""
        return str(self.path) if self.member is None else f"{self.path}/{self.member}"

    def read(self, reporter: Reporter) -> bytes:
        """Return the whole content, unpacked.

        Raises:
            DataError: The file is missing, a folder, unreadable, no archive, or cut short.
        """
        with open_faults(self.label), self._open() as (stream, size):
            parts = []
            with reporter.stage("read", size) as advance:
                while part := stream.read(CHUNK):
                    parts.append(part)
                    advance(len(part), note=self.path.name)
            return b"".join(parts)

    def peek(self, size: int) -> bytes:
        """Return the first ``size`` bytes."""
        with open_faults(self.label), self._open() as (stream, _):
            return stream.read(size)

    @contextmanager
    def _open(self) -> Iterator[tuple[IO[bytes], int | None]]:
        if self.member is not None:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as stream:
                yield stream, archive.getinfo(self.member).file_size
        elif self.path.suffix == ".gz":
            with gzip.open(self.path) as unpacked:
                yield cast("IO[bytes]", unpacked), None
        else:
            with self.path.open("rb") as stream:
                yield stream, self.path.stat().st_size


def named_file(path: str, word: str, *, folder: bool = False) -> DataFile:
    """Return the file that a word of the config names.

    Args:
        path: As the user wrote it, ``~`` for the home folder.
        word: The config key, for messages.
        folder: Whether a folder of files may be named.

    Raises:
        DataError: Nothing is there, or a folder where it may not be.
    """
    place = Path(path).expanduser()
    with open_faults(path):
        there, is_folder = place.exists(), place.is_dir()
    if not there:
        raise DataError(f"{word}: no file {path}", f"check the path: {word}=FILE")
    if is_folder and not folder:
        raise DataError(
            f"{word}: {path} is a folder, not a file", f"name the file in it: {word}=FILE"
        )
    return DataFile(place)


def source_file(path: Path) -> SourceFile:
    """Hash a file on disk for the manifest."""
    with open_faults(str(path)), path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return SourceFile(path.name, path.stat().st_size, digest)


@contextmanager
def open_faults(label: str) -> Iterator[None]:
    """Turn what opening and unpacking can raise into a ``DataError`` about ``label``."""
    try:
        yield
    except FileNotFoundError as fault:
        raise DataError(f"no file {label}", "check the path") from fault
    except IsADirectoryError as fault:
        raise DataError(f"{label} is a folder, not a file", "name the file in it") from fault
    except zipfile.BadZipFile as fault:
        raise DataError(f"{label} is not a whole zip archive: {fault}", READ_AGAIN) from fault
    except (zlib.error, EOFError, gzip.BadGzipFile) as fault:
        raise DataError(f"{label} cannot be unpacked: {fault}", READ_AGAIN) from fault
    except (NotImplementedError, RuntimeError) as fault:
        raise DataError(f"{label} cannot be unpacked: {fault}", READ_AGAIN) from fault
    except OSError as fault:
        raise DataError(
            f"cannot read {label}: {fault.strerror or fault}", "check its permissions"
        ) from fault


@dataclass(frozen=True)
class Wanted:
    """The files of one data set, as its publisher names them.

    Attributes:
        title: What people call the data set.
        archives: Names of the archive, best first.
        folders: Names of the folder it unpacks to, best first.
        members: The files that are needed.
        flat: Whether the members' names are telling enough to be taken without such a folder.
    """

    title: str
    archives: tuple[str, ...]
    folders: tuple[str, ...]
    members: tuple[str, ...]
    flat: bool = False

    @property
    def names(self) -> str:
        """Archive and folder for error messages."""
        return " or ".join([*self.archives[:1], *(f"{folder}/" for folder in self.folders[:1])])


@dataclass(frozen=True)
class Found:
    """Where the files are.

    Attributes:
        files: One per wanted member.
        note: Which place they were found in.
    """

    files: Mapping[str, DataFile]
    note: Note

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The files on disk, hashed; an archive counts as one."""
        paths = dict.fromkeys(file.path for file in self.files.values())
        return tuple(source_file(path) for path in paths)


def places(root: str | None) -> dict[str, Path]:
    """Return the folders to look in, in order, by the word that names each."""
    found = {}
    if root is not None:
        found["data.root"] = Path(root).expanduser()
    if os.environ.get("FEWREC_DATA"):
        found["FEWREC_DATA"] = Path(os.environ["FEWREC_DATA"]).expanduser()
    return found | {"data/": Path("data")}


def describe_places(root: str | None) -> str:
    """Return the places to look in as part of a sentence."""
    words = [word if word == "data/" else f"{word}={path}" for word, path in places(root).items()]
    return " or ".join([*([", ".join(words[:-1])] if words[:-1] else []), words[-1]])


def first_place(root: str | None, look: Callable[[Path], T | None]) -> tuple[str, T] | None:
    """Return what ``look`` finds in the first place that has it, with the place's word.

    Raises:
        DataError: ``data.root`` or FEWREC_DATA, when its turn comes, names no folder.
    """
    for word, place in places(root).items():
        with open_faults(str(place)):
            _refuse_no_folder(word, place)
            found = look(place)
        if found is not None:
            return word, found
    return None


def _refuse_no_folder(word: str, place: Path) -> None:
    """Refuse a named place that is no folder; ``data/`` is a default and need not be there."""
    if place.is_file():
        raise DataError(f"{word}={place} is a file", "name the folder that holds it")
    if word == "data/" or place.is_dir():
        return
    remedy = "name the folder that holds the data, or create it first"
    if word == "FEWREC_DATA":
        remedy = "set FEWREC_DATA to the folder that holds the data, or unset it"
    raise DataError(f"{word}={place} is no folder", remedy)


def place_found(root: str | None, word: str) -> str:
    """Return the place where something was found, and that it was not where it was asked for.

    Example:
        >>> place_found("mine", "FEWREC_DATA")
        'FEWREC_DATA, as data.root has no such file'
    """
    missed = root is not None and word != "data.root"
    return f"{word}, as data.root has no such file" if missed else word


def find(wanted: Wanted, root: str | None) -> Found | None:
    """Look for the files in ``data.root``, ``FEWREC_DATA`` and ``data/``, in this order.

    Raises:
        DataError: An archive is broken, or archive or folder lack some of the files.
    """
    hit = first_place(root, lambda place: _find_in(wanted, place))
    if hit is None:
        return None
    word, files = hit
    where = next(iter(files.values())).path
    where = where if len({file.path for file in files.values()}) == 1 else where.parent
    text = f"read from {where.name} in {place_found(root, word)}"
    return Found(files, Note("files", len(files), text))


def require(wanted: Wanted, root: str | None, remedy: str) -> Found:
    """Return the files of a data set that cannot be downloaded.

    Raises:
        DataError: They are nowhere, or broken.
    """
    found = find(wanted, root)
    if found is None:
        raise DataError(
            f"{wanted.title} not found: no {wanted.names} in {describe_places(root)}", remedy
        )
    return found


def _find_in(wanted: Wanted, place: Path) -> dict[str, DataFile] | None:
    folders = [place / name for name in wanted.folders]
    if place.name in wanted.folders:
        folders.append(place)
    for folder in [place, *folders]:
        for name in wanted.archives:
            if (folder / name).exists():
                return _members(wanted, folder / name)
    # An archive unpacked into a folder of its own name holds that folder once more.
    nested = [folder / name for folder in folders for name in wanted.folders]
    for folder in [*folders, *nested, *([place] if wanted.flat else [])]:
        files = {name: DataFile(folder / name) for name in wanted.members}
        there = [name for name in wanted.members if (folder / name).exists()]
        if there:
            _complain_of_missing(wanted, str(folder), there)
            return files
    return None


def _members(wanted: Wanted, archive: Path) -> dict[str, DataFile]:
    if archive.is_dir():
        raise DataError(f"{archive} is a folder, not a zip archive", "unpack or rename it")
    with open_faults(str(archive)), zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    files = {}
    for member in wanted.members:
        same = [name for name in names if name == member or name.endswith(f"/{member}")]
        if same:
            files[member] = DataFile(archive, min(same, key=len))
    _complain_of_missing(wanted, str(archive), list(files))
    return files


def _complain_of_missing(wanted: Wanted, label: str, there: Sequence[str]) -> None:
    missing = [name for name in wanted.members if name not in there]
    if missing:
        raise DataError(f"{label} lacks {', '.join(missing)} of {wanted.title}", READ_AGAIN)
