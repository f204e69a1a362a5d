"""Faces of nobody: a deterministic procedural renderer of heads, for training and for samples."""
