"""What ``weights`` of a language backbone names: a language model, or a run to start from."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from fewrec_cli.core.errors import ConfigError

RUN_CONFIG = "config.yaml"


@dataclass(frozen=True)
class Start:
    """Where a language backbone starts.

    Attributes:
        language: ``scratch``, ``minilm``, a folder or a hub name.
        run: Run folder whose trained backbone this one starts from, or None.
        pretrain: What that run's language model learned of the texts first.
    """

    language: str
    run: str | None
    pretrain: str = "none"


def start_of(weights: str) -> Start:
    """Tell a run folder from a language model; a run brings the language model that it had.

    Args:
        weights: As the user wrote it.

    Raises:
        ConfigError: The run folder's config is broken, or its backbone reads no text.
    """
    path = Path(weights).expanduser() / RUN_CONFIG
    if not path.is_file():
        return Start(weights, None)
    try:
        config = OmegaConf.load(path)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as fault:
        raise ConfigError(f"{path} cannot be read", "name another run folder") from fault
    own = OmegaConf.select(config, "backbone") if isinstance(config, DictConfig) else None
    words = own if isinstance(own, DictConfig) else {}
    inner = words.get("weights")
    if not isinstance(inner, str) or "template" not in words:
        raise ConfigError(
            f"backbone.weights={weights} is a run of a backbone that reads no text",
            "name a run of the same backbone, or a language model",
        )
    return Start(start_of(inner).language, weights, str(words.get("pretrain", "none")))
