"""Language models are loaded late, whole, and by what their files say."""

from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.language import load
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.weights import Family, locate
from tests.text.small import FORM, TEXTS, saved, small


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_saved_model_is_the_same_again(family: Family, tmp_path: Path) -> None:
    language = small(family)
    folder = saved(language, tmp_path / "model")
    again = load(locate(str(folder), family, download=False), (), FORM, attention="eager")
    assert (again.hidden, again.positions, again.has_head) == (16, 32, True)
    ids = torch.tensor([language.tokenizer("An old man.")["input_ids"]])
    assert again.tokenizer("An old man.")["input_ids"] == ids[0].tolist()
    assert type(again.model) is type(language.model)
    assert again.model.config._attn_implementation == "eager"
    with torch.no_grad():
        torch.testing.assert_close(again.model(ids).logits, language.model(ids).logits)
        states = again.body(ids).last_hidden_state
    assert states.shape == (1, ids.shape[1], 16)


def test_nothing_is_loaded_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("fewrec_cli.text.language.scratch", fail)
    language = small("bert")
    assert (language.hidden, language.positions, len(language.hash)) == (16, 32, 64)
    with pytest.raises(AssertionError):
        _ = language.model


def test_the_hash_of_scratch_tells_form_and_texts_apart() -> None:
    forms = [FORM, Scratch(1, 16, 2, 400), Scratch(1, 16, 2, 400, seed=1)]
    hashes = {small(family, texts, form).hash
              for family in ("bert", "gpt2")
              for texts in (TEXTS, ("ab", "c"), ("a", "bc"))
              for form in forms}  # fmt: skip
    assert len(hashes) == 18
    assert small("bert").hash in hashes


def test_a_bert_without_a_trained_head_is_its_trunk(tmp_path: Path) -> None:
    language = small("bert")
    folder = tmp_path / "trunk"
    language.body.save_pretrained(folder)
    language.tokenizer.save_pretrained(folder)
    again = load(locate(str(folder), "bert", download=False), (), FORM)
    assert not again.has_head
    assert type(again.model).__name__ == "BertModel"
    assert again.body is again.model


def test_a_gpt2_trunk_has_its_head_from_its_embeddings(tmp_path: Path) -> None:
    language = small("gpt2")
    language.body.save_pretrained(tmp_path)
    language.tokenizer.save_pretrained(tmp_path)
    again = load(locate(str(tmp_path), "gpt2", download=False), (), FORM)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        torch.testing.assert_close(again.model(ids).logits, language.model(ids).logits)


def test_a_damaged_file_is_told_in_two_lines(tmp_path: Path) -> None:
    folder = saved(small("bert"), tmp_path)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-100])
    language = load(locate(str(folder), "bert", download=False), (), FORM)
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        _ = language.model
    assert "\n" not in caught.value.problem


def test_lost_weights_are_told(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = saved(small("bert"), tmp_path)
    tensors = load_file(folder / "model.safetensors")
    lost = "bert.encoder.layer.0.attention.self.query.weight"
    del tensors[lost]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    language = load(locate(str(folder), "bert", download=False), (), FORM)
    with pytest.raises(ConfigError, match=f"lacks 1 of the model's weights, first {lost}"):
        _ = language.model


def test_a_config_without_the_width_is_told(tmp_path: Path) -> None:
    folder = saved(small("gpt2"), tmp_path)
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ConfigError, match="n_embd is None"):
        load(locate(str(folder), "gpt2", download=False), (), FORM)
