"""Faces of nobody: a deterministic procedural renderer of heads, for training and for samples."""

EDITION = 2
"""Which people and which look a seed gives. Rendered data of one edition never joins another's."""
