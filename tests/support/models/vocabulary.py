"""The smallest SentencePiece vocabulary that llama.cpp can tokenise any text with."""

from __future__ import annotations

from dataclasses import dataclass

from gguf import TokenType

# 3 control tokens, 256 bytes, and as many single-character pieces as fill it up to a round number:
# ggml's quantised types want rows of a multiple of 32, CUDA's matrix kernels like more.
SIZE = 384

UNKNOWN_ID = 0
BOS_ID = 1
EOS_ID = 2

_CONTROL = (
    ("<unk>", TokenType.UNKNOWN),
    ("<s>", TokenType.CONTROL),
    ("<|endoftext|>", TokenType.CONTROL),  # a text that llama.cpp knows for an end
)
# U+2581, SentencePiece's mark for a space
_PIECES = ("\u2581", *(chr(code) for code in range(ord("!"), ord("~") + 1)))


@dataclass(frozen=True, kw_only=True)
class Token:
    """One entry of the vocabulary: its text, its log probability and its kind."""

    text: str
    score: float
    kind: TokenType


def tokens(size: int = SIZE) -> tuple[Token, ...]:
    """The vocabulary, filled up to `size` entries with unused ones."""
    control = [Token(text=text, score=0.0, kind=kind) for text, kind in _CONTROL]
    single_bytes = [
        Token(text=f"<0x{value:02X}>", score=0.0, kind=TokenType.BYTE) for value in range(256)
    ]
    pieces = [
        Token(text=text, score=-float(rank), kind=TokenType.NORMAL)
        for rank, text in enumerate(_PIECES)
    ]
    used = control + single_bytes + pieces
    unused = [
        Token(text=f"<unused{number}>", score=-1000.0, kind=TokenType.UNUSED)
        for number in range(size - len(used))
    ]
    return tuple(used + unused)[:size]
