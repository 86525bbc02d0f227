"""The choices of an experiment, shipped inside the wheel as ``fewrec_cli.configs``."""
