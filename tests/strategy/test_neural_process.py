"""Neural process: the contracts, and encoder and decoder against sums written out row by row."""

from typing import ClassVar

import torch
from torch import Tensor

from fewrec_cli.strategy.neural_process import EncoderDecoder
from fewrec_cli.strategy.reading import Seen
from tests.contracts import StrategyContract
from tests.engine.case import close
from tests.strategy.reading import ReadingContract


class TestNeuralProcess(StrategyContract):
    words = ("strategy=neural_process",)


class TestReadingNeuralProcess(ReadingContract):
    words = ("strategy=neural_process",)


class TestReadingNeuralProcessAlone(ReadingContract):
    words: ClassVar = ("strategy=neural_process", "strategy/adapter=none")


def numbers(*shape: int) -> Tensor:
    drawn = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=drawn, dtype=torch.float64)


def test_the_mean_of_the_rows_gives_own_weights_and_modulates_the_network() -> None:
    torch.manual_seed(0)
    network = EncoderDecoder(3, 6, 2).double()
    for part in (network.own, network.answer):
        torch.nn.init.normal_(part.weight)
        torch.nn.init.normal_(part.bias)
    weight = [2.0, 0.5, 0.0]
    seen = Seen(numbers(1, 3, 3), numbers(1, 3), 5 * numbers(1, 3), torch.tensor([weight]).double())
    total = torch.zeros(6).double()
    for place, heavy in enumerate(weight):
        score, surprise = seen.score[0, place : place + 1], seen.surprise[0, place : place + 1]
        row = network.row(torch.cat([seen.design[0, place], score]))
        total += heavy * network.encoder(torch.cat([row, row * surprise, surprise]))
    mean = total / 2.5
    memory = network.read(seen)
    close(memory.value[0], mean)
    both = network.scale_and_shift(mean)
    scale, shift = both[:6], both[6:]
    design, score = numbers(1, 2, 3), numbers(1, 2)
    found = network(memory, design, score)
    for place in (0, 1):
        z = design[0, place]
        hidden = network.hidden(torch.cat([z, score[0, place : place + 1]]))
        answer = network.answer(((1 + scale) * hidden + shift).clamp(min=0))
        answer = answer + torch.stack([z @ network.own(mean), torch.tensor(0.0).double()])
        close(found[0, place], answer)
