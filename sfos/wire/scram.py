"""SCRAM-SHA-256-PLUS, both sides, without a socket: the messages of RFC 5802 and RFC 7677, bound by RFC 9266.

    client                                              server
      p=tls-exporter,,n=user,r=C            ──▶           read_first  → user name; the caller finds a verifier
                                            ◀──           reply       → r=CS,s=salt,i=iterations
      c=base64(header + binding),r=CS,p=proof ──▶         finish      → v=signature (or WrongProof)
      verify: the server knew the verifier  ◀──

The binding is what both ends of one TLS session export from it (label `EXPORTER-Channel-Binding`, 32 bytes), so a proof
that passes through another TLS session, a man in the middle's, is worth nothing. There is no fallback to `n` or `y`.

Errors:

    ScramError
     ├─ MalformedExchange      the peer's message is not SCRAM
     ├─ BindingRefused         the peer asks for another binding, or is bound to another TLS session
     ├─ IterationsRefused      the server asks for too little or too much work
     ├─ WrongProof             the password is wrong (either side)
     ├─ ServerNotProven        the server does not know the password's verifier: an impostor
     ├─ StaleSaltedPassword    the cached key does not fit and there is no password to derive another from
     └─ ExchangeMisused        a step was called out of turn (a bug of this program)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from sfos.wire.passwords import MAX_ITERATIONS, MIN_ITERATIONS, prepare_password
from sfos.wire.scram_errors import (
    BindingRefused,
    ExchangeMisused,
    IterationsRefused,
    MalformedExchange,
    ScramError,
    ServerNotProven,
    StaleSaltedPassword,
    WrongProof,
)

__all__ = [
    "MECHANISM",
    "SALT_BYTES",
    "BindingRefused",
    "ClientExchange",
    "ExchangeMisused",
    "IterationsRefused",
    "MalformedExchange",
    "SaltedPassword",
    "ScramError",
    "ServerExchange",
    "ServerNotProven",
    "StaleSaltedPassword",
    "Verifier",
    "WrongProof",
    "check_password_against",
    "make_verifier",
    "mock_verifier",
    "salt_password",
    "verifier_of",
]

MECHANISM = "SCRAM-SHA-256-PLUS"
GS2_TLS_EXPORTER = "p=tls-exporter,,"

SALT_BYTES = 16  # PostgreSQL's
_NONCE_BYTES = 24
_KEY_BYTES = 32
_MAX_MESSAGE_CHARS = 4096  # half of what a frame holds before login; real messages have some 200

_NONCE = re.compile(r"[\x21-\x2b\x2d-\x7e]{16,512}")  # printable but the comma, RFC 5802 section 7
_ATTRIBUTE = re.compile(r"[A-Za-z]=[^,\x00]+")
_VERIFIER = re.compile(r"SCRAM-SHA-256\$([1-9][0-9]{0,9}):([^$:]+)\$([^$:]+):([^$:]+)")


# --- Keys ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaltedPassword:
    """Password after PBKDF2 (RFC 5802 `SaltedPassword`); keeping it saves 0.1 s a login.

    Worth as much as the password to whoever wants to sign in here: keep it as secret.
    """

    salt: bytes
    iterations: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifier of a password, as a server keeps it: enough to check a proof, not enough to make one."""

    iterations: int
    salt: bytes
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The verifier written as `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, as PostgreSQL does.

        Raises: MalformedExchange.
        """
        match = _VERIFIER.fullmatch(text)
        if match is None:
            raise MalformedExchange("not a SCRAM-SHA-256 verifier")
        salt, stored_key, server_key = (_unbase64(part) for part in match.group(2, 3, 4))
        if not 8 <= len(salt) <= 64 or len(stored_key) != _KEY_BYTES or len(server_key) != _KEY_BYTES:
            raise MalformedExchange("a SCRAM-SHA-256 verifier with parts of the wrong length")
        return cls(int(match.group(1)), salt, stored_key, server_key)

    def format(self) -> str:
        """The text that `parse` reads."""
        salt, stored, server = (_base64(part) for part in (self.salt, self.stored_key, self.server_key))
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"


def salt_password(password: str, salt: bytes, iterations: int) -> SaltedPassword:
    """PBKDF2-HMAC-SHA256 of the prepared password. Blocks for some 0.1 s per 600,000 iterations, without the GIL.

    Raises: UnusablePassword, if it cannot be prepared.
    """
    prepared = prepare_password(password).encode()
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=salt, iterations=iterations)
    return SaltedPassword(salt, iterations, kdf.derive(prepared))


def make_verifier(password: str, salt: bytes, iterations: int) -> Verifier:
    """The verifier of `password`. Blocks as `salt_password` does, and raises as it does."""
    return verifier_of(salt_password(password, salt, iterations))


def verifier_of(salted: SaltedPassword) -> Verifier:
    stored_key = hashlib.sha256(_client_key(salted)).digest()
    return Verifier(salted.iterations, salted.salt, stored_key, _hmac(salted.key, b"Server Key"))


def mock_verifier(secret: bytes, user: str, iterations: int) -> Verifier:
    """A verifier for a user who does not exist: the same at each try, like a real one to see, fitted by no password.

    `iterations` should be drawn from those of the real accounts, the same for the same name.
    """
    name = user.encode()
    salt = _hmac(secret, b"salt\0" + name)[:SALT_BYTES]
    return Verifier(iterations, salt, _hmac(secret, b"stored\0" + name), _hmac(secret, b"server\0" + name))


def check_password_against(password: str, verifier: Verifier) -> bool:
    """Whether `verifier` was made of `password`. Blocks as `salt_password` does, and raises as it does."""
    mine = make_verifier(password, verifier.salt, verifier.iterations)
    return hmac.compare_digest(mine.stored_key, verifier.stored_key)


# --- The client's side --------------------------------------------------------------------------------------------


class ClientExchange:
    """One sign-in seen from the client: `first()`, then `final(server_first)`, then `verify(server_final)`.

    Only after `verify` has returned may anything be believed of the server. `salted_password` then holds what PBKDF2
    made, to be handed to the next exchange instead of, or beside, the password.
    """

    def __init__(
        self,
        user: str,
        password: str | None,
        binding: bytes,
        *,
        salted: SaltedPassword | None = None,
        nonce: str | None = None,
        iteration_bounds: tuple[int, int] = (MIN_ITERATIONS, MAX_ITERATIONS),
        gs2_header: str = GS2_TLS_EXPORTER,
    ) -> None:
        """`nonce`, `iteration_bounds` and `gs2_header` are given only by tests."""
        if password is None and salted is None:
            raise ExchangeMisused("neither a password nor a salted password")
        self._password = password
        self._binding = binding
        self._gs2_header = gs2_header
        self._bounds = iteration_bounds
        self._nonce = nonce if nonce is not None else _new_nonce()
        self._first_bare = f"n={_escape(user)},r={self._nonce}"
        self._salted = salted
        self._server_signature: bytes | None = None
        self._verified = False

    def first(self) -> str:
        """The client-first message."""
        return self._gs2_header + self._first_bare

    def final(self, server_first: str) -> str:
        """The client-final message. Blocks for PBKDF2 unless the cached salted password fits.

        Raises: MalformedExchange, IterationsRefused, StaleSaltedPassword, UnusablePassword.
        """
        values = _attributes(server_first, "rsi")
        nonce, salt, iterations = values["r"], _unbase64(values["s"]), _iterations(values["i"])
        if not nonce.startswith(self._nonce) or len(nonce) <= len(self._nonce) or not _NONCE.fullmatch(nonce):
            raise MalformedExchange("the server's nonce does not continue ours")
        low, high = self._bounds
        if not low <= iterations <= high:
            raise IterationsRefused(f"the server asks for {iterations} iterations; {low} to {high} are accepted")
        salted = self._salted = self._salted_for(salt, iterations)

        without_proof = f"c={_base64(self._gs2_header.encode() + self._binding)},r={nonce}"
        signed = f"{self._first_bare},{server_first},{without_proof}".encode()
        client_key = _client_key(salted)
        proof = _xor(client_key, _hmac(hashlib.sha256(client_key).digest(), signed))
        self._server_signature = _hmac(_hmac(salted.key, b"Server Key"), signed)
        return f"{without_proof},p={_base64(proof)}"

    def verify(self, server_final: str) -> None:
        """Return if the server has proven itself.

        Raises: WrongProof, if it says that we have not; ServerNotProven; MalformedExchange; ExchangeMisused.
        """
        if self._server_signature is None:
            raise ExchangeMisused("verify comes after final")
        if server_final.startswith("e="):
            raise WrongProof("the server refused the proof")
        if not hmac.compare_digest(_unbase64(_attributes(server_final, "v")["v"]), self._server_signature):
            raise ServerNotProven("the server's signature is wrong")
        self._verified = True

    @property
    def salted_password(self) -> SaltedPassword:
        """Salted password to keep for the next time, once the server has proven itself. Raises: ExchangeMisused."""
        if not self._verified or self._salted is None:
            raise ExchangeMisused("the salted password is worth keeping only after verify")
        return self._salted

    def _salted_for(self, salt: bytes, iterations: int) -> SaltedPassword:
        cached = self._salted
        if cached is not None and cached.salt == salt and cached.iterations == iterations:
            return cached
        if self._password is None:
            raise StaleSaltedPassword("the server has another salt than the remembered key")
        return salt_password(self._password, salt, iterations)


# --- The server's side --------------------------------------------------------------------------------------------


class ServerExchange:
    """One sign-in seen from the server: `read_first(client_first)`, `reply(verifier)`, `finish(client_final)`.

    Give an unknown or disabled user a `mock_verifier` and go on: it fails where and as a wrong password fails.
    """

    def __init__(self, binding: bytes, *, nonce: str | None = None, gs2_header: str = GS2_TLS_EXPORTER) -> None:
        """`nonce` is the part that the server adds; it and `gs2_header` have other values only in tests of vectors."""
        self._binding = binding
        self._gs2_header = gs2_header
        self._nonce = nonce if nonce is not None else _new_nonce()
        self._first_bare = ""
        self._server_first = ""
        self._verifier: Verifier | None = None

    def read_first(self, client_first: str) -> str:
        """The user name in the client-first message, as sent: no name has been checked yet.

        Raises: BindingRefused for any binding but tls-exporter, `n` and `y` included; MalformedExchange.
        """
        if self._first_bare:
            raise ExchangeMisused("read_first comes once")
        _check_size(client_first)
        if not client_first.startswith(self._gs2_header):
            raise BindingRefused("only the channel binding tls-exporter, without authzid, is accepted")
        bare = client_first[len(self._gs2_header) :]
        values = _attributes(bare, "nr")
        if not _NONCE.fullmatch(values["r"]):
            raise MalformedExchange("a nonce of the wrong length or alphabet")
        user = _unescape(values["n"])
        self._first_bare = bare
        self._nonce = values["r"] + self._nonce
        return user

    def reply(self, verifier: Verifier) -> str:
        """The server-first message for the account whose verifier this is."""
        if not self._first_bare or self._server_first:
            raise ExchangeMisused("reply comes once, after read_first")
        self._verifier = verifier
        self._server_first = f"r={self._nonce},s={_base64(verifier.salt)},i={verifier.iterations}"
        return self._server_first

    def finish(self, client_final: str) -> str:
        """The server-final message, if the client has proven that it knows the password.

        Raises: WrongProof; BindingRefused, if it is bound to another TLS session; MalformedExchange.
        """
        verifier, self._verifier = self._verifier, None  # one guess for each exchange
        if verifier is None:
            raise ExchangeMisused("finish comes once, after reply")
        _check_size(client_final)
        without_proof, separator, proof_text = client_final.rpartition(",p=")
        if not separator:
            raise MalformedExchange("a client-final message without a proof")
        values = _attributes(without_proof, "cr")
        proof = _unbase64(proof_text)
        if len(proof) != _KEY_BYTES:
            raise MalformedExchange("a proof of the wrong length")
        if not _equal(values["c"], _base64(self._gs2_header.encode() + self._binding)):
            raise BindingRefused("the proof is bound to another TLS session")
        if not _equal(values["r"], self._nonce):
            raise MalformedExchange("the nonce is not the one agreed on")

        signed = f"{self._first_bare},{self._server_first},{without_proof}".encode()
        client_key = _xor(proof, _hmac(verifier.stored_key, signed))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key):
            raise WrongProof("the proof does not fit")
        return f"v={_base64(_hmac(verifier.server_key, signed))}"


# --- Small parts --------------------------------------------------------------------------------------------------


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _client_key(salted: SaltedPassword) -> bytes:
    return _hmac(salted.key, b"Client Key")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _equal(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def _new_nonce() -> str:
    return _base64(secrets.token_bytes(_NONCE_BYTES))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    """The bytes, if `text` is the one way to write them.

    Raises: MalformedExchange.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedExchange("not base64") from error
    if _base64(data) != text:
        raise MalformedExchange("not base64 in its canonical form")
    return data


def _iterations(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise MalformedExchange("not a number of iterations")
    return int(text)


def _check_size(message: str) -> None:
    if len(message) > _MAX_MESSAGE_CHARS:
        raise MalformedExchange(f"a message of more than {_MAX_MESSAGE_CHARS} characters")
    try:
        message.encode()
    except UnicodeEncodeError as error:  # half a surrogate pair
        raise MalformedExchange("a message that is not Unicode text") from error


def _attributes(message: str, names: str) -> dict[str, str]:
    """The values of the attributes `names`, which open the message in this order; extensions may follow.

    Raises: MalformedExchange, also for `m=`, by which a peer demands an extension (RFC 5802 section 5.1).
    """
    _check_size(message)
    parts = message.split(",")
    if len(parts) < len(names) or not all(_ATTRIBUTE.fullmatch(part) for part in parts):
        raise MalformedExchange("not a list of SCRAM attributes")
    if "".join(part[0] for part in parts[: len(names)]) != names:
        raise MalformedExchange(f"the attributes {names} are expected in this order")
    return {part[0]: part[2:] for part in parts[: len(names)]}


def _escape(user: str) -> str:
    """`user` as a saslname (RFC 5802 section 5.1)."""
    return user.replace("=", "=3D").replace(",", "=2C")


def _unescape(name: str) -> str:
    if re.search(r"=(?!2C|3D)", name):
        raise MalformedExchange("a user name with an unknown escape")
    return name.replace("=2C", ",").replace("=3D", "=")
