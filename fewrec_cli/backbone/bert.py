"""BERT as a backbone; see ``language`` for the ways to score."""

from typing import Unpack

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.backbone.language import LanguageWords, language_backbone


def bert(**words: Unpack[LanguageWords]) -> Backbone:
    """Return a backbone in which a model of BERT's architecture reads users and items."""
    return language_backbone("bert", words)
