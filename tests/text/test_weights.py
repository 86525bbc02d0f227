"""Weights are found without the network, and what is absent is told with what to do."""

import json
from pathlib import Path

import pytest

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text import weights
from fewrec_cli.text.weights import Family, locate

FILES = {
    "config.json": json.dumps({"model_type": "bert", "hidden_size": 4}),
    "tokenizer.json": "{}",
    "model.safetensors": "numbers",
}


def placed(folder: Path, **changed: str | None) -> Path:
    """Write a model's files; None leaves one out (dots of names written as ``_``)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        text = changed.get(name.replace(".", "_"), text)
        if text is not None:
            (folder / name).write_text(text)
    return folder


def refused(word: str, family: Family = "bert", *, download: bool = False) -> ConfigError:
    """Check that locating ends in the two-line error."""
    with pytest.raises(ConfigError) as caught:
        locate(word, family, download=download)
    assert "\n" not in caught.value.problem
    assert "\n" not in caught.value.remedy
    return caught.value


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of the hub's client, which reads its place when it is imported."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def test_scratch_needs_no_folder() -> None:
    source = locate("scratch", "gpt2", download=False)
    assert (source.family, source.folder, source.hash) == ("gpt2", None, "scratch")


def test_a_folder_is_found_and_hashed_by_the_files_that_settle_its_vectors(tmp_path: Path) -> None:
    one = locate(str(placed(tmp_path / "one")), "bert", download=False)
    other = placed(tmp_path / "other")
    (other / "README.md").write_text("words")
    assert one.folder == tmp_path / "one"
    assert locate(str(other), "bert", download=False).hash == one.hash
    for name in FILES:
        changed = placed(tmp_path / f"changed-{name}")
        (changed / name).write_text((changed / name).read_text() + " ")
        assert locate(str(changed), "bert", download=False).hash != one.hash


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"config_json": None}, "the folder holds no config.json"),
        ({"config_json": "{"}, "cannot be read"),
        ({"config_json": "[]"}, "is no model's"),
        ({"model_safetensors": None}, "lacks weights (model.safetensors)"),
        ({"tokenizer_json": None}, "lacks a tokenizer (tokenizer.json)"),
        ({"config_json": '{"model_type": "llama"}'}, "is a model of type llama, not bert"),
    ],
)
def test_a_folder_of_something_else_is_refused(
    changed: dict[str, str | None], said: str, tmp_path: Path
) -> None:
    assert said in refused(str(placed(tmp_path / "model", **changed))).problem


def test_the_other_family_is_named(tmp_path: Path) -> None:
    fault = refused(str(placed(tmp_path / "model")), "gpt2")
    assert fault.remedy == "take backbone=bert, or name other weights"


@pytest.mark.parametrize("word", ["/no/such/folder", "./none", "~/none-at-all", "a/b/c"])
def test_a_path_is_no_name_on_the_hub(word: str) -> None:
    assert refused(word, download=True).problem == f"backbone.weights={word}: no such folder"


@pytest.mark.parametrize("word", ["prajjwal1/bert-tiny", "bert-base-uncased", "no such name"])
def test_an_absent_name_is_told_how_to_get_it(word: str) -> None:
    fault = refused(word)
    assert fault.problem.startswith(f"backbone.weights={word} is not on this machine")
    assert "backbone.download=true" in fault.remedy


def test_a_failed_download_is_told_in_two_lines() -> None:
    fault = refused("prajjwal1/bert-tiny", download=True)
    assert "prajjwal1/bert-tiny could not be fetched" in fault.problem
    assert "check the name and the network" in fault.remedy


def test_a_name_in_the_hubs_cache_needs_no_network(tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "models--prajjwal1--bert-tiny"
    snapshot = placed(cached / "snapshots" / "0123456789abcdef0123456789abcdef01234567")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(snapshot.name)
    source = locate("prajjwal1/bert-tiny", "bert", download=False)
    assert source.folder == snapshot
    (snapshot / "model.safetensors").unlink()  # as a broken download leaves it
    assert "is not on this machine" in refused("prajjwal1/bert-tiny").problem


def test_minilm_is_told_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    fault = refused("minilm")
    assert fault.problem == "backbone.weights=minilm: the encoder is not installed"
    assert "make llm" in fault.remedy
    assert "is a bert model, not gpt2" in refused("minilm", "gpt2").problem


def test_without_the_extra_a_name_ends_in_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    fault = refused("bert-base-uncased")
    assert "need transformers" in fault.problem
    assert "pip install 'fewrec[llm]'" in fault.remedy
