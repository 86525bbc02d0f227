"""Adapt nothing: the score of the shared weights."""

from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import Rows
from fewrec_cli.strategy.adapter.base import Adapter


class Unadapted(Adapter):
    """Ignores the support."""

    def __init__(self) -> None:
        super().__init__([1.0])

    def adapt(
        self, backbone: Backbone, user: Tensor, support: Rows, *, training: bool
    ) -> TaskWeights:
        """Return no change."""
        return TaskWeights({})
