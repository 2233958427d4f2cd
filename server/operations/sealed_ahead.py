"""What a commit of many items is going to seal, sealed together before they land, for a fifth of the time."""

from __future__ import annotations

from collections.abc import Iterable

from server.vault.names import NameSealer


class SealedAhead:
    """Sealed names and attributes, given out as they are asked for; what was not foreseen is sealed by itself.

    A wrong guess costs time alone: a name is kept under its folder, attributes under the node that they are for.
    """

    def __init__(self, names: NameSealer) -> None:
        self._sealer = names
        self._names: dict[tuple[int, str], bytes] = {}
        self._attrs: dict[tuple[int, bytes], bytes] = {}

    def foresee_names(self, folder: int, names: Iterable[str]) -> None:
        """These will be wanted in that folder."""
        wanted = list(names)
        sealed = self._sealer.seal_names(folder, wanted)
        self._names |= {(folder, name): one for name, one in zip(wanted, sealed, strict=True)}

    def foresee_attrs(self, wanted: list[tuple[int, bytes]]) -> None:
        """These attributes will be wanted for those nodes."""
        sealed = self._sealer.seal_attrs_of([node for node, _ in wanted], [plain for _, plain in wanted])
        self._attrs |= dict(zip(wanted, sealed, strict=True))

    def name(self, folder: int, name: str) -> bytes:
        """See NameSealer.seal_name."""
        return self._names.get((folder, name)) or self._sealer.seal_name(folder, name)

    def attrs(self, node: int, plain: bytes | None) -> bytes | None:
        """See NameSealer.seal_attrs; None for none."""
        if plain is None:
            return None
        return self._attrs.get((node, plain)) or self._sealer.seal_attrs(node, plain)
