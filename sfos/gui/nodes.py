"""Keys of nodes in the window: (space, node), for all spaces count their nodes from 1. Made here and nowhere else."""

from __future__ import annotations

from sfos.client.entry_table import HOME
from sfos.client.nodes import NodeKey
from sfos.protocol import ROOT_NODE, Entry, NodeReply, Ref, Target

__all__ = ["HOME", "ROOT", "NodeKey", "in_folder", "item_of", "key_of", "key_of_reply", "parent_of", "ref_to"]

ROOT = NodeKey(HOME, ROOT_NODE)


def key_of(entry: Entry) -> NodeKey:
    """The key of `entry`."""
    return NodeKey(entry.space or HOME, entry.node)


def key_of_reply(reply: NodeReply) -> NodeKey:
    """The key of the node that a change made or moved."""
    return NodeKey(reply.space or HOME, reply.node)


def parent_of(entry: Entry) -> NodeKey:
    """The key of the folder that `entry` is in."""
    return NodeKey(entry.space or HOME, entry.parent)


def ref_to(key: NodeKey) -> Ref:
    """The node of `key`, as a request names it."""
    return Ref(space=key.space or None, node=key.node)


def in_folder(key: NodeKey, name: str) -> Target:
    """The place called `name` in the folder of `key`."""
    return Target(space=key.space or None, parent=key.node, name=name)


def item_of(key: NodeKey) -> str:
    """The id of a node's row in a tree."""
    return f"{key.space}:{key.node}" if key.space else str(key.node)
