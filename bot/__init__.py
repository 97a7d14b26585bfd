"""Tandem: one small language model on a CPU reads the mood of every message and answers it."""
