"""A local Telegram: a Bot API server with a web page, for newcomers without a token and for tests.

`server` starts it, `people` scripts its people, `limits` makes it misbehave on purpose.
"""
