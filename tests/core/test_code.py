"""A stored result is one of this code, or it is not found."""

from pathlib import Path

import pytest

from fewrec_cli.core import code


def test_the_code_version_covers_every_source_but_the_commands_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "package"
    for name in ("core/code.py", "strategy/maml.py", "cli/words.py", "report/html.py"):
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text("x = 1\n")
    monkeypatch.setattr(code, "__file__", str(home / "core" / "code.py"))

    def version() -> str:
        code.code_version.cache_clear()
        return code.code_version()

    try:
        first = version()
        (home / "cli" / "words.py").write_text("x = 2\n")
        (home / "report" / "html.py").write_text("x = 2\n")
        assert version() == first
        (home / "strategy" / "maml.py").write_text("x = 2\n")
        second = version()
        (home / "strategy" / "maml.py").rename(home / "strategy" / "other.py")
        assert len({first, second, version()}) == 3
    finally:
        code.code_version.cache_clear()
