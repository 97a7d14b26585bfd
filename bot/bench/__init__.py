"""Measures what a user gets on this machine: every engine in a process of its own, asked the same things."""
