"""Flat rows seen block by block."""

import torch

from fewrec_cli.engine.blocks import Blocks


def test_each_task_s_rows_are_summed_and_added_to_wherever_its_block_stands() -> None:
    blocks = Blocks([(2, 1), (1, 3)])
    flat = torch.arange(10.0).view(5, 2)
    assert blocks.totals(flat).tolist() == [[0.0, 1.0], [2.0, 3.0], [18.0, 21.0]]
    added = blocks.add(flat.clone(), torch.tensor([[[1.0, 0.0]], [[2.0, 0.0]], [[3.0, 0.0]]]))
    assert (added - flat).tolist() == [[1, 0], [2, 0], [3, 0], [3, 0], [3, 0]]
    assert [tuple(one.shape) for one in blocks.rows(flat)] == [(2, 1, 2), (1, 3, 2)]


def test_a_single_block_is_not_cut() -> None:
    values = torch.zeros(4, 1, 1)
    assert Blocks([(4, 7)]).tasks(values)[0] is values
