"""Words of a strategy's yaml that its constructor does not take."""

ADAPTER_WORDS = ("inner_lr", "inner_steps", "order", "adapted", "learn_lr", "engine")
"""Read by the adapter, by interpolation."""
LABEL = "shown_as"
"""The strategy's name in tables, where a yaml is a setting of another strategy's class."""
ASIDE = (*ADAPTER_WORDS, LABEL)
