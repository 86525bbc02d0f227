"""Tests of fewrec_cli.data."""
