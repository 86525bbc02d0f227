"""Words of a strategy's yaml that its adapter reads by interpolation, not its constructor."""

ADAPTER_WORDS = ("inner_lr", "inner_steps", "order", "adapted", "learn_lr", "engine")
