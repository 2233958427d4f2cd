"""The name of a server's public key, as the scripts, the command line and the window show it to people.

A fingerprint is the SHA-256 of the key's SubjectPublicKeyInfo (RFC 5280 section 4.1, DER), so that a renewed
certificate keeps it. Programs compare all 32 bytes. The six words stand for the first 48 bits only: they are there to
be read out on the telephone, and someone who can make some 2^48 keys can make one with the same words.
"""

from __future__ import annotations

import re
from typing import Self

import msgspec

from sfos.wire.digests import sha256

__all__ = [
    "Fingerprint",
]

DIGEST_BYTES = 32
WORD_COUNT = 6
_GROUP = 4


class Fingerprint(msgspec.Struct, frozen=True):
    """SHA-256 of a public key; equal fingerprints mean the same key."""

    digest: bytes

    def __post_init__(self) -> None:
        if len(self.digest) != DIGEST_BYTES:
            raise ValueError(f"a fingerprint has {DIGEST_BYTES} bytes, not {len(self.digest)}")

    @classmethod
    def of(cls, public_key_info: bytes) -> Self:
        """The fingerprint of a key given as SubjectPublicKeyInfo in DER."""
        return cls(sha256(public_key_info))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The fingerprint that someone typed or pasted: 64 hexadecimal digits, in groups or not, in either case.

        Raises: ValueError, with a sentence for people.
        """
        digits = re.sub(r"[\s:-]", "", text).removeprefix("SHA256").removeprefix("sha256")
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", digits):
            raise ValueError("a fingerprint has 64 hexadecimal digits, for example in 16 groups of 4")
        return cls(bytes.fromhex(digits))

    @property
    def hex(self) -> str:
        """64 lower-case digits."""
        return self.digest.hex()

    @property
    def grouped(self) -> str:
        """The digits in 16 groups of 4."""
        return " ".join(self.hex[start : start + _GROUP] for start in range(0, len(self.hex), _GROUP))

    @property
    def words(self) -> str:
        """Six words, one for each of the first six bytes."""
        return " ".join(WORDS[byte] for byte in self.digest[:WORD_COUNT])

    def __str__(self) -> str:
        return self.grouped


# 256 short concrete words. No two begin with the same four letters or differ by one letter (a test holds that). The
# order is part of what people have written down: it never changes.
WORDS = tuple(
    """
    acorn agent album amber angel ankle apple apron arrow aspen atlas attic bacon badge bagel baker bamboo banjo
    barn basil beach beaver bell berry bike bishop blanket bloom book bottle bowl bread brick bridge bronze brush
    bubble bucket buffalo burger butter cabin cactus camel candle canoe carpet castle celery cement chalk cheese
    cherry chess chimney cider citrus cliff clock cloud clown cobra coffee comet copper coral cotton cradle crystal
    cube curtain cushion cycle daisy dancer dawn denim desert diamond dinner doctor dollar dolphin donkey dragon
    drum duck dune eagle earth easel echo elbow emerald engine falcon farmer feather fence fiddle finger flame flute
    forest frog fruit funnel galaxy garden garlic gazelle ghost glacier glove goat gold gravel guitar hammer harbor
    hazel helmet heron hockey honey hotel igloo iron island ivory jacket jaguar jelly jewel jigsaw judge kettle
    kidney king kitchen kiwi ladder lagoon lamp lantern laptop lava lemon leopard lilac lizard lobster lotus magnet
    mango maple marble meadow melon meteor mirror moss muffin museum napkin needle nest north nugget oasis ocean
    olive onion opera orange orchid otter oxygen oyster paddle palace panda paper parrot pebble pencil pepper piano
    pigeon pillow pirate planet plum pocket poem pond potato prism pumpkin puppet pyramid queen quilt rabbit radio
    rainbow raven ribbon rice river robin rose ruby salad salmon sandal saturn scarf school shadow shark shelf
    silver skate snow soap socks spider spoon squid stable statue summer sunset swan teapot tennis thumb tiger
    tomato tower tulip turtle vase velvet violin volcano wagon walnut whale wheel window winter wolf yacht zebra
    """.split()
)
