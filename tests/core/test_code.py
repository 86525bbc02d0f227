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


def test_every_module_that_settles_a_kind_is_there_and_names_it() -> None:
    home = Path(code.__file__).resolve().parents[1]
    for kind, module in code.MADE_IN.items():
        assert f'KIND = "{kind}"' in (home / module).read_text(encoding="utf-8")
        assert code.code_version(kind) != code.code_version()


def test_a_kind_follows_what_its_module_leads_to_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "package"
    sources = {
        "core/__init__.py": "",
        "core/code.py": "x = 1",
        "text/encode.py": "from package.core import code\nfrom package.text import tokens",
        "text/tokens.py": "def late():\n    import package.data.base",
        "data/base.py": "import package.text.tokens",
        "data/other.py": "x = 1",
        "strategy/maml.py": "x = 1",
    }
    for name, text in sources.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    monkeypatch.setattr(code, "__file__", str(home / "core" / "code.py"))

    def changes(name: str) -> bool:
        found = []
        for text in (sources[name], sources[name] + "  # other"):
            (home / name).write_text(text)
            code.code_version.cache_clear()
            found.append(code.code_version("vectors"))
        return found[0] != found[1]

    try:
        stale = {name for name in sources if changes(name)}
    finally:
        code.code_version.cache_clear()
    assert stale == set(sources) - {"data/other.py", "strategy/maml.py"}
