"""What the shell is answered."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fewrec_cli.cli.commands import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Call, Jobs


@pytest.fixture
def ask(fewrec: "Call", monkeypatch: pytest.MonkeyPatch) -> "Call":
    """Ask what could follow a typed line."""

    def answer(line: str, shell: str = "bash") -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        done = fewrec("-sc", f"query={shell}")
        assert done.code == 0, done.err
        assert done.err == ""
        return done.out.split()

    return answer  # type: ignore[return-value]


def test_the_first_word_is_a_command(ask: "Call") -> None:
    assert ask("fewrec tr") == ["train"]
    assert ask("fewrec ") == [*(one.name for one in COMMANDS), "--help", "--version"]
    assert ask("fewrec xyz") == []


def test_options_and_keys_follow(ask: "Call") -> None:
    assert ask("fewrec train strategy=re") == ["strategy=reptile"]
    assert ask("fewrec train strategy.inner_l") == ["strategy.inner_lr="]
    assert ask("fewrec train strategy/adapter=") == [
        "strategy/adapter=gradient",
        "strategy/adapter=none",
        "strategy/adapter=ridge",
    ]


def test_flags_between_words_do_not_disturb(ask: "Call") -> None:
    assert ask("fewrec train seed=1 -m scenario=wa") == ["scenario=warm"]
    assert ask("fewrec train --cfg job scenario=wa") == ["scenario=warm"]
    assert ask("fewrec train --mul") == ["--multirun"]


def test_a_users_folder_is_looked_into(ask: "Call") -> None:
    (Path("my") / "strategy").mkdir(parents=True)
    (Path("my") / "strategy" / "mine.yaml").write_text("_target_: mine.Mine\n")
    assert ask("fewrec train --config-dir my strategy=mi") == ["strategy=mine"]


def test_desk_commands_have_their_own_words(ask: "Call") -> None:
    assert ask("fewrec list scen") == ["scenario"]
    assert ask("fewrec show strategy=ma") == ["strategy=maml"]
    assert ask("fewrec completion ") == ["bash", "zsh", "fish"]
    assert ask("fewrec data ") == ["check"]
    assert ask("fewrec ask ") == ["run=", "k=", "rated=", "about=", "known=", "--json"]
    assert ask("fewrec ask run=done ra") == ["rated="]
    assert ask("fewrec data check data=syn") == ["data=synthetic"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("train strategy.order=", ["first", "second"]),  # read by the adapter alone
        ("train scenario.shots=", ["all", "5"]),
        ("train strategy=meta_ridge data=movielens evaluation.no_positive=z", ["zero"]),
        ("train -m data=pair data.users=apart,", ["apart,id"]),
        ("train trainer=gpu evaluation.save_predictions=", ["true", "false"]),
        ("train strategy.inner_lr=", ["0.1"]),  # any number: Hydra offers what it is
    ],
)
def test_a_key_of_few_values_is_completed_by_all_of_them(
    line: str, offered: list[str], ask: "Call"
) -> None:
    key = line.split()[-1].partition("=")[0]
    assert ask(f"fewrec {line}") == [f"{key}={value}" for value in offered]


@pytest.mark.slow
def test_evaluate_completes_from_the_runs_config(ask: "Call", fewrec: "Call", jobs: "Jobs") -> None:
    assert ask("fewrec evaluate ") == ["run="]
    fewrec("train", "hydra.run.dir=done")
    assert ask("fewrec evaluate run=done scenario.sho") == [
        "scenario.short_history=",
        "scenario.shots=",
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_installer_calls_the_command_back(shell: str, fewrec: "Call") -> None:
    script = fewrec("completion", shell).out
    assert "COMP_LINE" in script
    assert "-sc query=" in script
    assert "fewrec" in script


def test_places_within_an_option_take_the_options_of_its_group(ask: "Call") -> None:
    assert ask("fewrec train data=pair data/so") == ["data/source="]
    assert ask("fewrec train data=pair data/target=a") == [
        "data/target=amazon",
        "data/target=anime",
    ]
    assert ask("fewrec train data=pair data/target=anime scenario=mi") == ["scenario=migration"]


@pytest.mark.slow
def test_a_table_is_completed_by_its_rows_its_states_and_the_words_of_its_runs(ask: "Call") -> None:
    assert ask("fewrec table me") == ["melu", "metahin", "metarec"]
    assert ask("fewrec table melu --rows meta") == ["meta_ridge"]
    assert "transfer + ridge" in " ".join(ask("fewrec table melu --rows tr", "fish"))
    assert ask("fewrec table melu --rows tr") == []  # a shell would part it by its spaces
    assert ask("fewrec table melu --states user_cold,i") == ["user_cold,item_cold"]
    assert ask("fewrec table melu scenario.dr") == ["scenario.draws="]
