"""The scenarios that reach the server through its socket."""

from __future__ import annotations

from tests.torture import network_model, processes
from tests.torture.fuzz_client import fuzz_hostile_server, fuzz_replies
from tests.torture.fuzz_decoders import fuzz_frames, fuzz_logins, fuzz_names
from tests.torture.fuzz_server import fuzz_server
from tests.torture.fuzz_terminal import fuzz_terminal
from tests.torture.network_crowds import full_house, idle_crowd, slow_peers
from tests.torture.network_cuts import cut_client, cut_server
from tests.torture.network_heaviest import heaviest_of_each, hostile_limits
from tests.torture.network_strangers import strangers
from tests.torture.scenario import Scenario

_MILLION = 1_000_000

_FUZZ: tuple[Scenario, ...] = (
    Scenario(
        name="fuzz-frames",
        promise="No request, however damaged, gets more than a typed error out of what reads it.",
        figure="1,000,000 frames",
        run=fuzz_frames,
        goal={"frames": _MILLION},
        share=1.5,
    ),
    Scenario(
        name="fuzz-logins",
        promise="No damaged sign-in succeeds, on either side, or gets more than a typed error.",
        figure="1,000,000 sign-ins",
        run=fuzz_logins,
        goal={"sign-ins": _MILLION},
        share=1.5,
    ),
    Scenario(
        name="fuzz-names",
        promise="Every name is refused with a reason, or harmless wherever it comes to.",
        figure="1,000,000 names",
        run=fuzz_names,
        goal={"names": _MILLION},
        share=1.5,
    ),
    Scenario(
        name="fuzz-replies",
        promise="No reply of a lying server gets more than a typed error out of the client.",
        figure="1,000,000 replies",
        run=fuzz_replies,
        goal={"replies": _MILLION},
        share=1.5,
    ),
    Scenario(
        name="fuzz-terminal",
        promise="Whatever a server says, no command prints a line that a terminal obeys.",
        figure="100,000 outputs",
        run=fuzz_terminal,
        goal={"outputs": 100_000},
        share=0.5,
    ),
    Scenario(
        name="fuzz-server",
        promise="A running server answers or ends whatever is sent to it, and goes on.",
        figure="100,000 requests",
        run=fuzz_server,
        goal={"requests": 100_000},
        share=2.0,
    ),
    Scenario(
        name="fuzz-hostile-server",
        promise="A client with transfers meets a lying server with typed errors, and writes nowhere else.",
        figure="5,000 exchanges",
        run=fuzz_hostile_server,
        goal={"exchanges": 5_000},
        share=1.0,
    ),
)

_SLOW: tuple[Scenario, ...] = (
    Scenario(
        name="cut-server",
        promise="A connection cut at any byte leaves the old or the new, and a repeated request is applied once.",
        figure="every byte of a session, up and down, by FIN and by RST",
        run=cut_server,
        share=3.0,
    ),
    Scenario(
        name="cut-client",
        promise="A client whose connection is cut at any byte goes on by itself, and changes nothing twice.",
        figure="every byte of a session, up and down, by FIN and by RST",
        run=cut_client,
        share=3.0,
    ),
    Scenario(
        name="slow-peers",
        promise="Peers that are silent, drip or do not read are freed when their time has passed, and no later.",
        figure="500 of each kind, freed within the deadline + 2 s",
        run=slow_peers,
    ),
    Scenario(
        name="idle-crowd",
        promise="1,000 idle connections cost little, and nobody who signs in beside them waits.",
        figure="1,000 connections in at most 200 MiB, a login within 2 s",
        run=idle_crowd,
        share=0.5,
    ),
    Scenario(
        name="strangers",
        promise="No crowd of strangers, and no greedy user, keeps anybody out or pushes them out of the audit log.",
        figure="200 sign-ins beside six kinds of crowds, each within 10 s",
        run=strangers,
        goal={"sign-ins beside a crowd": 200},
        share=1.5,
    ),
    Scenario(
        name="full-house",
        promise="Among 1,000 idle and 500 dripping connections a transfer completes; then all is as it was.",
        figure="3 crowds, and the same threads and descriptors after them",
        run=full_house,
    ),
    Scenario(
        name="heaviest-of-each",
        promise="The heaviest legal request of any command holds up nobody who is served beside it.",
        figure="each command, a stat of somebody else within 0.2 s in the median",
        run=heaviest_of_each,
        share=0.5,
    ),
    Scenario(
        name="hostile-limits",
        promise="A hundred users who all ask for the most that is allowed leave others served.",
        figure="100 users, a stat of somebody else within 50 ms in the median",
        run=hostile_limits,
    ),
)

SCENARIOS: tuple[Scenario, ...] = (*_FUZZ, *_SLOW, network_model.SCENARIO, *processes.SCENARIOS)
