"""The int8 forward pass in C++, compiled for this very CPU where there is a compiler.

`library` compiles and loads it, `decoder` is the Decoder that calls it. Without a compiler, or when the self-test
fails, bot/engine/decoder.py computes the same with torch.
"""
