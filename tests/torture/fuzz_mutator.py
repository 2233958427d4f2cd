"""Valid messages made invalid, or only strange: what the fuzzing scenarios send.

A message of JSON is taken apart into its tokens, some of which are replaced, dropped, doubled or renamed, so that most
of what comes out still parses and reaches the checks behind the parser. Then, now and then, its bytes are damaged.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+0-9.eE]+|true|false|null|[{}\[\]:,]')

_HUGE_TEXT = b'"' + b"A" * 70_000 + b'"'
NASTY_TOKENS: tuple[bytes, ...] = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e308", b"1e-400", b"-0", b"-1", b"0", b"1", b"01"),
    *(b"0.5", b"2147483648", b"4294967295", b"4294967296", b"9223372036854775807", b"9223372036854775808"),
    *(b"-9223372036854775808", b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616"),
    *(b"9" * 40, b"9" * 400, b"9" * 5_000, b"-" + b"9" * 400, b"1" + b"0" * 30),
    *(b'""', b'"x"', b'"0"', b'"\\ud800"', b'"\\udfff\\ud800"', b'"\\u0000"', b'"\\u202egpj.exe"'),
    *(b'"\\u001b]0;x\\u0007"', b'"\\r\\n"'),
    *(b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\\x"', b'"\n"', b'"unterminated'),
    *(b'"../../etc/passwd"', b'"/"', b'"//"', b'"/a/../b"', b'"/\\u0000"', b'"a\\\\b"', b'"C:\\\\x"'),
    *(b'"CON"', b'"aux.c"'),
    *(b'"' + b"A" * 256 + b'"', b'"' + "é".encode() * 200 + b'"', b'"/' + b"a/" * 400 + b'"', _HUGE_TEXT),
    *(b'"' + b"A" * 42 + b'="', b'"' + b"A" * 43 + b'="', b'"' + b"A" * 22 + b'=="', b'"AAAA"', b'"AAA"', b'"====="'),
    *(b'"' + b"0" * 32 + b'"', b'"' + b"f" * 32 + b'"', b'"' + b"f" * 33 + b'"',),
    *(b'"1.0.000000000000"', b'"9.9.ffffffffffff"'),
    *(b"[]", b"{}", b"[[]]", b"[null]", b"null", b"true", b"false", b"[" * 300 + b"]" * 300, b"[" * 100_000),
    *(b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"nul", b"'x'", b"/**/", b"\x00", b"\xef\xbb\xbf"),
    *(b"{", b"]", b",", b":"),
)  # fmt: skip

NASTY_TEXTS: tuple[str, ...] = (
    *("", "\0", "\ud800", "\udfff", "\u202e", "\u2028", "\u200b", "\ufeff", "\uffff", "\U0010ffff", "\U000e0001"),
    *("/", "\\", "..", ".", "\uff0f", "e\u0301", "\u0130", "ß", "ﬀ", "\u1e9e", "\u0345", "\u03c2", "İ" * 90),
    *("=", ",", "=2C", "=3D", "=2c", "%2f", "a" * 255, "a" * 256, "é" * 128, "\u0958" * 85, "\u1100\u1161" * 60),
    *("CON", "nul.txt", "x ", "x.", ":", "\x1b[2J", "\x7f", "\x85", "\r\n", "\t", "\u0300" * 200, "a" * 20_000),
)


@lru_cache(maxsize=512)
def _tokens(message: bytes) -> tuple[bytes, ...]:
    return tuple(_TOKEN.findall(message))


class Mutator:
    """Damages messages; the same random numbers damage them alike."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._on_tokens: Sequence[Callable[[list[bytes]], None]] = (
            *(self._replace,) * 6,
            *(self._swap_values,) * 2,
            *(self._double_key,) * 2,
            self._unknown_key,
            self._rename,
            self._drop,
            self._double,
            self._cut,
        )

    # ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────

    def json(self, message: bytes) -> bytes:
        """`message` with one to three of its tokens changed; one time in eight its bytes are damaged too."""
        tokens = list(_tokens(message))
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            if tokens:
                self._chance.choice(self._on_tokens)(tokens)
        damaged = b"".join(tokens)
        return self.data(damaged) if self._chance.random() < 0.125 else damaged

    def nasty(self) -> bytes:
        """A token that some reader of JSON somewhere has stumbled over."""
        return self._chance.choice(NASTY_TOKENS)

    def _at(self, tokens: list[bytes], wanted: Callable[[int], bool]) -> int | None:
        """The position of one of the tokens that are `wanted`, looked for from a random one on."""
        start = self._chance.randrange(len(tokens))
        for step in range(len(tokens)):
            at = (start + step) % len(tokens)
            if wanted(at):
                return at
        return None

    def _value_at(self, tokens: list[bytes]) -> int | None:
        return self._at(
            tokens,
            lambda at: tokens[at][:1] not in b"{}[]:," and (at + 1 == len(tokens) or tokens[at + 1] != b":"),
        )

    def _key_at(self, tokens: list[bytes]) -> int | None:
        return self._at(tokens, lambda at: tokens[at][:1] == b'"' and at + 1 < len(tokens) and tokens[at + 1] == b":")

    def _replace(self, tokens: list[bytes]) -> None:
        at = self._value_at(tokens)
        if at is not None:
            tokens[at] = self._close_to(tokens[at]) if self._chance.random() < 0.25 else self.nasty()

    def _close_to(self, token: bytes) -> bytes:
        """A value like this one: a number beside it, or a text of nearly its length."""
        if token[:1] == b'"':
            inside = token[1:-1]
            return (
                b'"'
                + self._chance.choice((inside[:-1], inside * 2, inside[::-1], inside + b" ", inside.upper()))
                + b'"'
            )
        try:
            number = int(token[:30])
        except ValueError:
            return b"true" if token == b"false" else b"false"
        return b"%d" % self._chance.choice((number + 1, number - 1, -number, number * 2, number * 1_000_003))

    def _swap_values(self, tokens: list[bytes]) -> None:
        one, other = self._value_at(tokens), self._value_at(tokens)
        if one is not None and other is not None:
            tokens[one] = tokens[other]

    def _double_key(self, tokens: list[bytes]) -> None:
        at = self._key_at(tokens)
        if at is not None:
            tokens[at:at] = [tokens[at], b":", self.nasty(), b","]

    def _unknown_key(self, tokens: list[bytes]) -> None:
        at = self._at(tokens, lambda at: tokens[at] == b"{")
        if at is not None:
            tokens[at + 1 : at + 1] = [b'"unknown"', b":", self.nasty(), b","]

    def _rename(self, tokens: list[bytes]) -> None:
        at = self._key_at(tokens)
        if at is not None:
            other = self._key_at(tokens)
            tokens[at] = self.nasty() if other is None or self._chance.random() < 0.3 else tokens[other]

    def _drop(self, tokens: list[bytes]) -> None:
        del tokens[self._chance.randrange(len(tokens))]

    def _double(self, tokens: list[bytes]) -> None:
        at = self._chance.randrange(len(tokens))
        tokens.insert(at, tokens[at])

    def _cut(self, tokens: list[bytes]) -> None:
        del tokens[self._chance.randrange(len(tokens)) :]

    # ── bytes and text ──────────────────────────────────────────────────────────────────────────────────────────

    def data(self, data: bytes) -> bytes:
        """`data` with a few bytes flipped, dropped, inserted, doubled or cut off."""
        damaged = bytearray(data)
        for _ in range(self._chance.choice((1, 1, 2, 4))):
            at = self._chance.randrange(len(damaged) + 1)
            how = self._chance.randrange(6)
            if how == 0 and at < len(damaged):
                damaged[at] ^= 1 << self._chance.randrange(8)
            elif how == 1:
                del damaged[at : at + self._chance.choice((1, 1, 4, 36))]
            elif how == 2:
                damaged[at:at] = self._chance.randbytes(self._chance.choice((1, 1, 4, 36)))
            elif how == 3:
                damaged[at:at] = damaged[max(0, at - self._chance.choice((1, 4, 36, 48))) : at]
            elif how == 4 and self._chance.random() < 0.3:
                del damaged[at:]
            else:
                damaged[at : at + 4] = self._chance.choice(
                    (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\1")
                )
        return bytes(damaged)

    def text(self, text: str) -> str:
        """`text` with parts cut, doubled, moved or replaced by characters that are rarely thought of."""
        for _ in range(self._chance.choice((1, 1, 2, 4))):
            at, to = sorted(self._chance.randrange(len(text) + 1) for _ in range(2))
            how = self._chance.randrange(5)
            if how == 0:
                text = text[:at] + self._chance.choice(NASTY_TEXTS) + text[to:]
            elif how == 1:
                text = (
                    text[:at]
                    + chr(self._chance.choice((self._chance.randrange(256), self._chance.randrange(0x110000))))
                    + text[at:]
                )
            elif how == 2:
                text = text[:at] + text[to:]
            elif how == 3:
                text = text[:to] + text[at:]
            else:
                text = text[:at] + self._chance.choice(NASTY_TEXTS) + text[at:]
            text = text[:70_000]
        return text

    def split(self, data: bytes) -> list[bytes]:
        """`data` in pieces of any size, none of them empty."""
        pieces = []
        while data:
            size = self._chance.choice((1, 2, 7, 8, 9, 100, 20_000))
            pieces.append(data[:size])
            data = data[size:]
        return pieces
