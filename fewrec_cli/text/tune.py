"""What of a language model is learned: nothing, its biases, last layers, all, or small adapters."""

from collections.abc import Iterable
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.weights import Family
from fewrec_cli.text.words import Tuned

ADAPTED_LAYERS = {"bert": ["query", "value"], "gpt2": ["c_attn"]}
"""Linear layers that LoRA changes, as in its paper: queries and values (GPT-2: with the keys)."""
NAME = "default"
EXTRA_RANK = 1.5
"""AdaLoRA starts with this many times the rank that it ends with, as in its paper."""
WARM, FINAL = 0.1, 0.3
"""Shares of AdaLoRA's steps before its rank falls, and after it has fallen."""
ORTHOGONAL = 0.5
"""Weight of AdaLoRA's penalty, as in its paper."""


class LoraWords(TypedDict):
    """Settings of LoRA and AdaLoRA.

    Attributes:
        rank: Of the change of each weight, >= 1 (AdaLoRA: on average, at the end).
        alpha: The change is scaled by alpha / rank, > 0.
    """

    rank: int
    alpha: float


def tune(body: nn.Module, tuned: Tuned, family: Family, lora: LoraWords) -> "Adaptive | None":
    """Let exactly those weights of a model be learned that ``tuned`` names; in place.

    ``frozen`` and ``head`` learn none of the model's own: what stands on top of it learns.

    Args:
        body: The model without its head.
        tuned: What is learned. ``soft``'s vectors are not the model's, and made elsewhere.
        family: The architecture.
        lora: Settings of ``lora`` and ``adalora``, whose matrices are put in.

    Returns:
        What AdaLoRA has to be told after each step; None of everything else.

    Raises:
        ConfigError: There are fewer layers than ``last`` names, or peft is not installed.

    Source:
        ``bias``: Ben Zaken et al., "BitFit", ACL 2022; ``lora``: Hu et al., "LoRA", ICLR 2022;
        ``adalora``: Zhang et al., "Adaptive Budget Allocation for Parameter-Efficient
        Fine-Tuning", ICLR 2023; ``soft``: Lester et al., "The Power of Scale for
        Parameter-Efficient Prompt Tuning", EMNLP 2021.
    """
    body.requires_grad_(tuned.kind == "all")
    if tuned.kind == "bias":
        _learn(value for name, value in body.named_parameters() if name.endswith("bias"))
    elif tuned.kind == "last":
        layers = layers_of(body)
        if tuned.count > len(layers):
            raise ConfigError(
                f"backbone.tuned=last:{tuned.count} is more than the model's {len(layers)} layers",
                f"take last:{len(layers)} or fewer, or all",
            )
        for layer in layers[-tuned.count :]:
            layer.requires_grad_(True)
        last = getattr(body, "ln_f", None)
        if last is not None:
            last.requires_grad_(True)
    elif tuned.kind in ("lora", "adalora"):
        _check(lora)
        return _with_matrices(body, tuned, family, lora)
    return None


def layers_of(body: nn.Module) -> list[nn.Module]:
    """Return the transformer blocks of a model, first to last."""
    inside: Any = body
    return list(inside.h if hasattr(inside, "h") else inside.encoder.layer)


class Adaptive:
    """AdaLoRA's budget of ranks: moved after each step, towards the weights that matter.

    Args:
        tuner: peft's model around the language model.
    """

    def __init__(self, tuner: Any) -> None:
        self.tuner = tuner
        self._total = 0

    def penalty(self) -> Tensor:
        """Return how far the matrices are from orthogonal, a scalar; equation 4 of the paper."""
        off = []
        for name, value in self.tuner.model.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                square = value @ value.T if "lora_A" in name else value.T @ value
                whole = torch.eye(len(square), dtype=square.dtype, device=square.device)
                off.append((square - whole).square().sum().sqrt())
        return ORTHOGONAL * torch.stack(off).mean()

    def stepped(self, step: int, total: int) -> None:
        """Move the budget; called while the step's gradients are still there.

        Args:
            step: Number of the step that was taken, from 1.
            total: Steps of the whole phase.
        """
        if total != self._total:
            self._total = total
            settings = self.tuner.peft_config[NAME]
            settings.tinit, settings.tfinal = int(WARM * total), int(FINAL * total)
            settings.total_step, settings.deltaT = total, max(1, total // 100)
            self.tuner.rankallocator.set_total_step(total)
        self.tuner.update_and_allocate(step)


def _with_matrices(
    body: nn.Module, tuned: Tuned, family: Family, lora: LoraWords
) -> Adaptive | None:
    try:
        from peft import AdaLoraConfig, LoraConfig, inject_adapter_in_model
        from peft.tuners.adalora import AdaLoraModel
    except ImportError as fault:
        raise ConfigError(
            f"backbone.tuned={tuned.kind} needs peft, which is not installed",
            "pip install 'fewrec[llm]'   (in a checkout: make llm)",
        ) from fault
    shared: dict[str, Any] = {
        "lora_alpha": lora["alpha"],
        "target_modules": ADAPTED_LAYERS[family],
        "fan_in_fan_out": family == "gpt2",
    }
    if tuned.kind == "lora":
        inject_adapter_in_model(LoraConfig(r=lora["rank"], **shared), body, adapter_name=NAME)
        return None
    settings = AdaLoraConfig(
        init_r=max(lora["rank"] + 1, int(EXTRA_RANK * lora["rank"])),
        target_r=lora["rank"],
        total_step=10,  # the phase's own once it is known
        tinit=1,
        tfinal=1,
        orth_reg_weight=ORTHOGONAL,
        **shared,
    )
    return Adaptive(AdaLoraModel(body, {NAME: settings}, NAME))


def _check(lora: LoraWords) -> None:
    if lora["rank"] < 1 or lora["alpha"] <= 0:
        raise ConfigError(
            f"backbone.lora has rank {lora['rank']} and alpha {lora['alpha']:g}",
            "give a rank from 1 and an alpha above 0",
        )


def _learn(parameters: Iterable[Tensor]) -> None:
    for one in parameters:
        one.requires_grad_(True)
