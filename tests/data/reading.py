"""Readers made from their yaml, and tiny files for them to read."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

import fewrec_cli
from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset, DataSource

CONFIGS = Path(fewrec_cli.__file__).parent.parent / "configs" / "data"
QUIET = Reporter(quiet=True)


def reader(option: str, **keys: Any) -> DataSource:
    """Return the reader of ``data=option`` with some keys of its yaml overridden."""
    config = OmegaConf.create({"data": OmegaConf.load(CONFIGS / f"{option}.yaml")})
    for key, value in keys.items():
        OmegaConf.update(config.data, key, value, merge=isinstance(value, dict))
    source: DataSource = instantiate(config.data)
    return source


def load(option: str, **keys: Any) -> Dataset:
    """Read a data set without a word."""
    return reader(option, **keys).load(QUIET)


def refused(problem: str, option: str, **keys: Any) -> DataError:
    """Check that reading ends in the two-line error whose first line contains ``problem``."""
    with pytest.raises(DataError, match=re.escape(problem)) as caught:
        load(option, **keys)
    assert "\n" not in caught.value.problem
    assert "\n" not in caught.value.remedy
    assert len(str(caught.value)) < 1000
    assert caught.value.exit_code == 2
    return caught.value


def counted(dataset: Dataset, subject: str) -> dict[str, int]:
    """Return the notes on one subject, text to count."""
    return {note.text: note.count for note in dataset.notes if note.subject == subject}


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files; texts are written in latin-1."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content.encode("latin-1") if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder


def pack(archive: Path, files: Mapping[str, str | bytes], inside: str = "") -> Path:
    """Write a zip whose members lie in the folder ``inside``."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            data = content.encode("latin-1") if isinstance(content, str) else content
            zipped.writestr(f"{inside}{name}", data)
    return archive


def item_line(number: int, title: str, *genres: int) -> str:
    """Return a line of ``u.item``; genres are numbers of the 19 flags."""
    flags = "|".join("1" if flag in genres else "0" for flag in range(19))
    return f"{number}|{title}|01-Jan-1995||http://x|{flags}\n"


ML_100K = {
    "u.data": "2\t10\t3\t881250949\n1\t30\t5\t881250950\n"
    "1\t10\t4\t881250951\n2\t20\t1\t881250952\n",
    "u.item": (
        item_line(10, "Toy Story (1995)", 3, 5)
        + item_line(20, "Caf\xe9 Noir (1949)", 10)
        + item_line(30, "unknown", 0)
        + item_line(40, "Never Seen (1999)", 8)
    ),
    "u.user": "1|24|M|technician|85711\n2|53|F|other|T8H1N\n",
}
ML_1M = {
    "ratings.dat": "1::10::5::978300760\n1::20::3::978302109\n2::10::4::978301968\n",
    "movies.dat": "10::Alien: Odd::Action|Sci-Fi\n".replace("Odd", "Odd; 'quoted\" (1979)")
    + "20::L\xe9on (1994)::Drama\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
}
ML_CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,10,0.5,1260759144\n1,20,4.5,1260759179\n"
    "2,10,3.0,1260759182\n",
    "movies.csv": "movieId,title,genres\n"
    '10,"American President, The (1995)",Comedy|Drama\n20,Odd,(no genres listed)\n',
}
