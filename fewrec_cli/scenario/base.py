"""What a scenario decides: who is cold, what may be pretrained on, and how tasks are cut."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

from fewrec_cli.core.errors import ScenarioError
from fewrec_cli.core.types import BoolArray, IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.bags import pad


@dataclass(frozen=True)
class TaskPool:
    """Tasks before a draw: each has rows from which support and query are drawn.

    Attributes:
        user: The user each task belongs to, ``(tasks,)``.
        offsets: Task t owns ``rows[offsets[t]:offsets[t + 1]]``, ``(tasks + 1,)``.
        rows: Row numbers into ``Dataset.interactions``, ``(n,)``.
        history: Rows of pretraining that adaptation sees besides every support (the known past
            of an existing user), in the same form as ``rows`` with ``history_offsets``; empty
            bags where the scenario keeps the past out.
        history_offsets: ``(tasks + 1,)``.
        fixed_query: The last so many rows of each task are its query and the others its support,
            in their order, as in windows that slide over a history: a row is then the query of one
            task and in the support of later ones. 0: support and query are drawn, and a row
            belongs to one task.
        shared: Rows of other users, of no task, that the supports of all tasks are drawn from in
            place of their own, ``(m,)``; None where a task adapts to its own rows.
    """

    user: IntArray
    offsets: IntArray
    rows: IntArray
    history: IntArray
    history_offsets: IntArray
    fixed_query: int = 0
    shared: IntArray | None = None

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def padded_history(self) -> IntArray:
        """``history`` filled up with -1, one array for all draws, ``(tasks, longest history)``."""
        table = pad(self.history_offsets, self.history)
        table.flags.writeable = False
        return table


@dataclass(frozen=True)
class Split:
    """A data set cut by a scenario; made once per run, the same for every draw.

    Attributes:
        train: Rows of ``Dataset.interactions`` that pretraining may see, ``(n,)``, ascending.
        valid: Tasks on which steps, step sizes and blends are chosen.
        test: Tasks that make the table.
        known_users: Whether each user has rows in ``train``, ``(n_users,)``.
        known_items: Whether each item has rows in ``train``, ``(n_items,)``.
        notes: Who was held out and who was dropped, with counts.
        preferred: Rows that a published split names as positives: they go before others of equal
            rating where each task's highest-rated are, ``(n,)``; None where it names none.
        examples: Tasks that pretraining may see whole, all their rows being in ``train``; None
            where it cuts tasks of its own out of ``train``.
    """

    train: IntArray
    valid: TaskPool
    test: TaskPool
    known_users: BoolArray
    known_items: BoolArray
    notes: tuple[Note, ...]
    preferred: IntArray | None = None
    examples: TaskPool | None = None


@dataclass(frozen=True)
class Episodes:
    """All tasks of one draw, padded with -1: row numbers into ``Dataset.interactions``.

    Attributes:
        draw: Number of the draw, from 0.
        user: ``(tasks,)``.
        support: In the order of the draw: the first n columns are the n-shot support, so supports
            of growing shots are nested, ``(tasks, longest support)``.
        query: The same for all shots, ``(tasks, query)``.
        history: Rows that adaptation sees besides the support, ``(tasks, longest history)``.
    """

    draw: int
    user: IntArray
    support: IntArray
    query: IntArray
    history: IntArray

    def __len__(self) -> int:
        return len(self.user)


class Scenario(ABC):
    """A way of cutting tasks out of interactions: the class behind a yaml of ``configs/scenario``.

    Attributes:
        shots: Support size of the headline row.
        query: Query interactions per task.
        draws: Draws of support and query; the cold set is the same in all of them.
        curve: Support sizes of the shot curve in ascending order; None stands for all.
        candidates: What is ranked: ``query``, ``sampled:N`` or ``catalogue``.
        seed: Decides who is cold and what is drawn; not the seed of the run.
        pool: Whether new items learn from the supports of all tasks of a draw together.
        domain: Whether the domain as a whole is new, so that floors are shown that need no rating.
    """

    shots: int | None
    query: int
    draws: int
    curve: tuple[int | None, ...]
    candidates: str
    seed: int
    pool: bool = False
    domain: bool = False

    @property
    def query_word(self) -> str:
        """How a signature names the size of the query."""
        return str(self.query)

    @abstractmethod
    def split(self, dataset: Dataset) -> Split:
        """Decide who is cold and cut the data.

        Raises:
            ScenarioError: No user or no item is left on one side, or too few interactions for
                ``shots`` + ``query`` in every task.
        """

    def task_users(self, dataset: Dataset) -> BoolArray:
        """Return whose rows are tasks and never trained on, ``(n_users,)``.

        Asked only of data in shards: these users are held by every process, so that tasks are
        the same in all of them.

        Raises:
            ScenarioError: Tasks are not whole users, so that the data cannot be in shards.
        """
        word = type(self).__module__.rpartition(".")[2]
        raise ScenarioError(
            f"data.shard=auto goes with scenario=user_cold, not with {word}: "
            f"the tasks of {dataset.name} would not be whole users",
            "take scenario=user_cold, or data.shard=none",
        )

    @abstractmethod
    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task.

        Args:
            pool: Tasks of one split.
            number: Number of the draw; the same number gives the same episodes.
        """
