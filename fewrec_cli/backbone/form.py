"""What ``score=cross`` and ``score=prompt`` differ in: the sequence, what is read, the start."""

from dataclasses import dataclass

from torch import Tensor, nn

from fewrec_cli.data.base import Note
from fewrec_cli.text.layout import Layout, Segment
from fewrec_cli.text.trunk import Read


@dataclass(frozen=True)
class HeadStart:
    """A head that knows its answer before anything is trained.

    Attributes:
        weight: Of the vector that is read, ``(width,)``.
        bias: Of the score.
        user: Rows of the users' table of prompts without content, ``(prompts,)``.
        item: Rows of the items' table of the same prompts, ``(prompts,)``.
    """

    weight: Tensor
    bias: float
    user: Tensor
    item: Tensor


@dataclass(frozen=True)
class Form:
    """One way to score a pair.

    Attributes:
        layout: Makes the sequence of a pair.
        read: Which hidden states are read.
        over: What stands between the hidden state and the vector that is scored, or None.
        start: Where the head starts; None: at 0.
        notes: How many texts were cut.
        telling: The segments of a pair whose user is told of in another text than the data's; one
            of them is the user's, where the form has a place for it.
        room: Tokens of a user's and an item's text together.
    """

    layout: Layout
    read: Read
    over: nn.Module | None
    start: HeadStart | None
    notes: tuple[Note, ...]
    telling: tuple[Segment, ...]
    room: int
