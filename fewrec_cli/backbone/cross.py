"""``score=cross``: the user's text and the item's in one sequence, one vector, one score."""

from fewrec_cli.backbone.form import Form
from fewrec_cli.backbone.pair_texts import PairTexts, PairTokens
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.encode import Pooling
from fewrec_cli.text.language import Language
from fewrec_cli.text.layout import Layout, Segment
from fewrec_cli.text.tokens import check_max_tokens


def cross(
    language: Language, texts: PairTexts, *, max_tokens: int, pooling: Pooling, soft: int
) -> Form:
    """Lay out ``[CLS] user [SEP] item [SEP]`` (BERT) or ``user, line break, item, end`` (GPT-2).

    Where no user has a text, the item's stands alone.

    Args:
        language: Its tokenizer is used.
        texts: Of users and items.
        max_tokens: Of a whole sequence.
        pooling: What becomes of the hidden states.
        soft: Places of learned vectors at the start.

    Raises:
        ConfigError: ``pooling`` or ``max_tokens`` does not suit the model, or there is no room.

    Source:
        Nogueira, Cho, "Passage Re-ranking with BERT", 2019, with the user's text as the query.
    """
    if pooling == "cls" and language.family == "gpt2":
        raise ConfigError(
            "backbone.pooling=cls: the first token of a gpt2 model has seen no other",
            "take backbone.pooling=last or mean",
        )
    check_max_tokens(language, max_tokens)
    tokenizer, alone = language.tokenizer, not any(texts.users)
    place = Segment.fixed([language.pad] * soft)
    if language.family == "bert":
        first, end = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
        between, second = end, 1
    else:
        between = tokenizer("\n", add_special_tokens=False)["input_ids"]
        first, end, second = [], [tokenizer.eos_token_id], 0
    apart = 0 if alone else len(between)
    room = max_tokens - len(first) - apart - len(end) - soft
    tokens = PairTokens.of(language, texts.users, texts.items, room)
    user = Segment("user", tokens.users.ids, tokens.users.lengths)
    opening = (Segment.fixed(first), place)

    def of_item(kind: int) -> tuple[Segment, ...]:
        item = Segment("item", tokens.items.ids, tokens.items.lengths, kind)
        return item, Segment.fixed(end, kind=kind)

    telling = (*opening, user, Segment.fixed(between), *of_item(second))
    layout = Layout((*opening, *of_item(0)) if alone else telling, language.pad)
    room = max_tokens - len(first) - len(between) - len(end) - soft
    return Form(layout, pooling, None, None, tokens.notes(), telling, room)
