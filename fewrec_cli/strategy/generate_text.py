"""Profiles as texts: what the support says in words, what GPT-2 writes after it, their vectors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Reads
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.text.encode import Pooling, encode_tokens, fastest, vectors
from fewrec_cli.text.template import facts, fill, item_names
from fewrec_cli.text.tokens import tokenise
from fewrec_cli.text.weights import locate
from fewrec_cli.text.write import written


class Profiles:
    """Fills the template of a profile with what supports say.

    Args:
        dataset: Gives titles, and facts of users.
        template: With ``{liked}``, ``{disliked}`` and facts of users, each of them once or not.
        entry: Template of an item in a list; None: its title, or all facts where it has none.
        entries: Items in a list, at most: the best rated of the liked, the worst of the others.
        least: From which rating on an item is liked, standard units; None: every one is.

    Raises:
        ConfigError: The template names what is not known.
    """

    def __init__(
        self,
        dataset: Dataset,
        template: str,
        entry: str | None,
        entries: int,
        least: float | None,
    ) -> None:
        self.names = item_names(dataset, entry)
        self.known = facts(dataset, "user")
        self.template = template
        self.entries = entries
        self.least = least
        none: dict[str, tuple[str, ...]] = dict.fromkeys((*self.known, "liked", "disliked"), ())
        fill(template, none, 0, "user")

    def texts(self, user: Tensor, support: Rows) -> list[str]:
        """Return a profile of each task, empty where nothing is known.

        Args:
            user: ``(tasks,)``.
            support: Rows with weight 0 are not there.
        """
        people = user.tolist()
        known = {name: tuple(column[one] for one in people) for name, column in self.known.items()}
        columns = (support.item, support.rating, support.weight)
        rows = [
            self._lists(*(part[task].tolist() for part in columns)) for task in range(len(people))
        ]
        liked, disliked = zip(*rows, strict=True) if rows else ((), ())
        whole = {**known, "liked": liked, "disliked": disliked}
        return list(fill(self.template, whole, len(people), "user").texts)

    def _lists(
        self, item: Sequence[int], rating: Sequence[float], weight: Sequence[float]
    ) -> tuple[str, str]:
        """Return the liked and the disliked items of one support, in words."""
        there = [
            (value, self.names[place])
            for place, value, share in zip(item, rating, weight, strict=True)
            if share > 0 and self.names[place]
        ]
        best = sorted(there, key=lambda one: -one[0])
        liked = [name for value, name in best if self.least is None or value >= self.least]
        others = [name for _, name in best[len(liked) :]]
        return ", ".join(liked[: self.entries]), ", ".join(others[::-1][: self.entries])


@dataclass(frozen=True)
class Writing:
    """How GPT-2 writes.

    Attributes:
        new_tokens: At most; 0: nothing is written.
        temperature: 0 is greedy.
        most_likely: Tokens that may be drawn.
    """

    new_tokens: int
    temperature: float
    most_likely: int


class Encoder:
    """Writes and encodes; each different text once.

    Args:
        reads: The backbone's language model, which writes.
        weights: BERT weights that encode, or None: that same model does.
        writing: How is written.
        reporter: Told of long work on the items.

    Raises:
        ConfigError: The weights are not on this machine.
    """

    def __init__(
        self, reads: Reads, weights: str | None, writing: Writing, reporter: Reporter
    ) -> None:
        self.reads = reads
        self.writing = writing
        self.reporter = reporter
        self.language = reads.language
        self.max_tokens = reads.max_tokens
        if weights is not None:
            self.language = reads.language.holding(locate(weights, "bert", download=False))
            self.max_tokens = min(reads.max_tokens, self.language.positions)
        self.pooling: Pooling = "mean" if weights is not None else reads.pooling
        self._vectors: dict[str, Tensor] = {}
        self._written: dict[tuple[int, str], str] = {}

    def items(self, *, describe: bool) -> tuple[Tensor, list[str]]:
        """Return the items' vectors, 0 without a text, and their texts, gone on with or not."""
        texts = list(self.reads.texts)
        if describe:
            with self.reporter.stage("describe", len({*texts} - {""})) as advance:
                texts = self.written(texts, 0, advance)
        found = vectors(
            self.language,
            texts,
            pooling=self.pooling,
            max_tokens=self.max_tokens,
            normalise=False,
            reporter=self.reporter,
            what="items",
            numbers=self.reads.numbers,
        )
        told = torch.tensor([bool(text) for text in texts])
        return found * told[:, None], texts

    def written(
        self, prompts: Sequence[str], seed: int, advance: Callable[[int], None] | None = None
    ) -> list[str]:
        """Return prompts with what is written after each; the empty ones stay empty.

        Args:
            prompts: ``(n,)``.
            seed: Of what is drawn.
            advance: Told how many more different prompts were gone on with.
        """
        if not self.writing.new_tokens:
            return list(prompts)
        seed = seed if self.writing.temperature > 0 else 0
        lost = sorted({text for text in prompts if text and (seed, text) not in self._written})
        new = written(
            self.reads.language,
            lost,
            new_tokens=self.writing.new_tokens,
            temperature=self.writing.temperature,
            most_likely=self.writing.most_likely,
            max_tokens=min(
                self.reads.max_tokens + self.writing.new_tokens, self.reads.language.positions
            ),
            seed=seed,
            numbers=self.reads.numbers,
            advance=advance,
        )
        self._written |= {
            (seed, text): f"{text} {added}".strip() for text, added in zip(lost, new, strict=True)
        }
        return [self._written[seed, text] if text else "" for text in prompts]

    def cut(self, texts: Sequence[str]) -> int:
        """Return how many texts are longer than what is read of them."""
        return tokenise(self.language, texts, self.max_tokens).cut

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of profiles, 0 for the empty text, ``(n, hidden)`` on the CPU."""
        lost = sorted({text for text in texts if text and text not in self._vectors})
        if lost:
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            tokens = tokenise(self.language, lost, self.max_tokens)
            quiet = Reporter(quiet=True)
            found = torch.from_numpy(
                encode_tokens(
                    self.language,
                    tokens,
                    self.pooling,
                    "profiles",
                    device,
                    self.reads.numbers or fastest(device),
                    quiet,
                )
            )
            self._vectors |= dict(zip(lost, found, strict=True))
        none = torch.zeros(self.language.hidden)
        return torch.stack([self._vectors[text] if text else none for text in texts])
