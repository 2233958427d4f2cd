"""Whether a verifier that came from outside protects its user: the server never sees the password behind it."""

from __future__ import annotations

from sfos.protocol import MIN_ITERATIONS, MalformedExchange, MalformedMessage, PasswordRefused, Verifier


def acceptable(text: str, usual_iterations: int, present: Verifier | None) -> Verifier:
    """The verifier, if it is strong enough, does not overburden a login, and has a salt that `present` has not.

    Raises: MalformedMessage, PasswordRefused.
    """
    try:
        verifier = Verifier.parse(text)
    except MalformedExchange as error:
        raise MalformedMessage(f"The new password's verifier cannot be read: {error}") from error
    if not MIN_ITERATIONS <= verifier.iterations <= max(usual_iterations, MIN_ITERATIONS) * 2:
        raise PasswordRefused(
            f"The new password's verifier has {verifier.iterations} iterations, which is not allowed."
        )
    if present is not None and verifier.salt == present.salt:
        raise PasswordRefused("The new password needs a salt of its own.")
    return verifier
