"""MetaHIN's shipped split of MovieLens 1M: films from 1998 on and the latest users are new."""

from typing import Unpack

from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.given import Listing, find_states
from fewrec_cli.scenario.holdout import State, Train, cut_like, task_rows
from fewrec_cli.scenario.pool import make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, raise_faults

TRAINING = "meta_training"
STATES = {
    "warm": "warm_up",
    "user_cold": "user_cold_testing",
    "item_cold": "item_cold_testing",
    "both_cold": "user_and_item_cold_testing",
}
LISTING = Listing(
    title="MetaHIN's split",
    files=(f"{TRAINING}.json", *(f"{name}.json" for name in STATES.values())),
    table="metahin_scenarios.parquet",
    column="scenario",
    folders=("ml-1m-extra", "movielens"),
    folded={860: 811, 1795: 1741},
)


class MetaHIN(Scenario):
    """The authors' four states; only the draw of support and query, never published, is ours.

    A task is one user in one state, with ``min_interactions`` to ``max_interactions`` ratings
    there. Pretraining sees ``meta_training``. Ratings come from the data set; the split's files
    say only which rating is in which state.

    Args:
        state: Which state's tasks make the table; ``warm`` is the authors' ``warm_up``: further
            ratings of users and films that pretraining knows.
        train: ``all`` meta-training ratings, or those of the users who are ``tasks`` there, as
            in the paper.
        files: Folder to look in first for the authors' JSON files or the table of both splits,
            then ``FEWREC_DATA`` and ``data/``.
        history: Whether adaptation also sees the user's ratings in meta-training.
        pool: Whether new items also learn from the supports of all tasks of a draw.
        seed: Decides who validates and every draw.
        validation: Share of the users (films: the newest; ``warm``: ratings) held out of
            meta-training for validation tasks that resemble those of ``state``, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.

    Source:
        Lu, Fang, Shi, "Meta-learning on Heterogeneous Information Networks for Cold-start
        Recommendation", KDD 2020, section 5.1; split: github.com/rootlu/MetaHIN. Departure: the
        released loader skips tasks with more than 5 support items; here none is skipped.
    """

    def __init__(
        self,
        *,
        state: State,
        train: Train,
        files: str | None,
        history: bool,
        pool: bool,
        **task: Unpack[TaskWords],
    ) -> None:
        self.state = state
        self.train = train
        self.files = files
        self.history = history
        self.pool = pool
        self.rules = TaskRules(**task)
        raise_faults(self.rules.faults())
        adopt(self, self.rules)

    def split(self, dataset: Dataset) -> Split:
        """Look up every rating's state, and hold validation tasks out of meta-training."""
        states = find_states(dataset, LISTING, self.files)
        train, test = states.rows(TRAINING), states.rows(STATES[self.state])
        if self.train == "tasks":
            train = task_rows(dataset, train, self.rules)
        text = f"meta-training ratings (scenario.train={self.train})"
        notes = (*states.notes, Note("pretraining", int(train.sum()), text))
        cut = cut_like(dataset, train, test, self.state, self.rules, notes)
        return make_split(dataset, cut, self.rules, history=self.history)

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task; see ``draw_episodes``."""
        return draw_episodes(pool, number, query=self.query, seed=self.seed)
