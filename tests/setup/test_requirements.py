"""Requirements that run.sh installs: allowed by pyproject.toml, pinned, whole, and without an address."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(name: str) -> dict[str, Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line and not line.startswith(("#", "-r"))]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in kept}


RUN = pins("requirements.txt")
DEV = {**RUN, **pins("requirements-dev.txt")}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_line_is_a_name_and_one_version(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    for line in (line for line in lines if line and not line.startswith("#")):
        assert line == "-r requirements.txt" or re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", line), line
        assert "://" not in line


@pytest.mark.parametrize(
    ("declared", "pinned"),
    [
        ([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["desktop"]], RUN),
        (PROJECT["optional-dependencies"]["dev"], DEV),
    ],
)
def test_every_declared_dependency_is_pinned_within_its_range(
    declared: list[str], pinned: dict[str, Requirement]
) -> None:
    for requirement in map(Requirement, declared):
        pin = pinned[canonicalize_name(requirement.name)]
        version = str(pin.specifier).removeprefix("==")
        assert requirement.specifier.contains(version), f"{requirement} but {pin}"


@pytest.mark.parametrize("pinned", [RUN, DEV])
def test_what_the_pinned_packages_need_is_pinned_too_and_in_range(pinned: dict[str, Requirement]) -> None:
    for pin in pinned.values():
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        for needed in map(Requirement, distribution(pin.name).requires or []):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                found = pinned.get(canonicalize_name(needed.name))
                assert found is not None, f"{pin.name} needs {needed}"
                assert needed.specifier.contains(str(found.specifier).removeprefix("==")), f"{pin.name} needs {needed}"


def test_the_versions_installed_here_are_the_pinned_ones() -> None:
    for pin in DEV.values():
        if pin.marker is None or pin.marker.evaluate():
            assert f"=={distribution(pin.name).version}" == str(pin.specifier), pin.name
