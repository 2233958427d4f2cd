"""A new password while it is typed: what it must be, and what is still wrong with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sfos.protocol import PasswordPolicy, check_password


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on a password typed: `problems`, each a sentence; `good`: it can be handed in as it is."""

    problems: tuple[str, ...] = ()
    good: bool = False


def requirements(policy: PasswordPolicy) -> tuple[str, ...]:
    """Requirements for a new password, each in a sentence, before anything is typed."""
    different = f", {policy.min_distinct} of them different" if policy.min_distinct > 1 else ""
    sentences = [f"At least {policy.min_length} characters{different}."]
    if policy.min_classes > 1:
        sentences.append(f"{policy.min_classes} of: lower case, upper case, digits, signs.")
    if policy.refuse_common:
        sentences.append("Nothing that everybody tries first.")
    return tuple(sentences)


def judge(new: str, again: str, *, user: str, policy: PasswordPolicy, old: str = "") -> Verdict:
    """Judge `new`, typed once more as `again`. `old`: the password that it replaces, if that is known.

    While the second field is being filled, it may be the beginning of the first.
    """
    if not new:
        return Verdict()
    problems = [_sentence(reason) for reason in check_password(new, user, policy)]
    if old and new == old:
        problems.append("It is the password that you have now.")
    if again and not new.startswith(again):
        problems.append("The two fields differ.")
    return Verdict(tuple(problems), good=not problems and new == again)


def _sentence(phrase: str) -> str:
    return f"{phrase[:1].upper()}{phrase[1:]}."
