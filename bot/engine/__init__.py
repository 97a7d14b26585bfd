"""The fast forward pass: token ids in, token ids and scores out.

Knows no text, no asyncio and nothing of the rest of the bot. One thread drives it: see `loop.Engine.step`.
"""
