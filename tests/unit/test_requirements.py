"""The two lock files: what `make serve` and `make test` install on every machine."""

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "requirements.txt"
TESTS = ROOT / "requirements-test.txt"
OWN_PACKAGES = ("domain", "schemas", "projections", "services", "tests", "benchmarks")

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
MACHINES = [
    {
        "sys_platform": platform,
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    for platform, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64"))
    for python in ("3.11", "3.12", "3.13", "3.14")
]


@dataclass(frozen=True)
class Pin:
    name: str
    specifier: str
    marker: Marker | None
    hashes: int


def pins_of(path: Path) -> list[Pin]:
    text = re.sub(r"^\s*#.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [pin_of(entry) for entry in entries]


def pin_of(entry: str) -> Pin:
    requirement = Requirement(entry.partition(" --hash")[0])
    name = canonicalize_name(requirement.name)
    return Pin(name, str(requirement.specifier), requirement.marker, len(HASH.findall(entry)))


def installed_on(pins: list[Pin], machine: dict[str, str]) -> dict[str, str]:
    """The version of each package that one machine gets."""
    return {pin.name: pin.specifier for pin in pins if pin.marker is None or pin.marker.evaluate(machine)}


@pytest.mark.parametrize("path", [RUNTIME, TESTS], ids=lambda path: path.name)
def test_every_package_is_pinned_and_hashed(path: Path) -> None:
    pins = pins_of(path)
    assert len(pins) > 20, f"{path.name} does not hold the whole tree of packages"
    unpinned = [pin.name for pin in pins if not re.fullmatch(r"==[0-9][0-9a-z.]*", pin.specifier)]
    assert not unpinned, f"pip could install another version tomorrow: {unpinned}"
    assert not [pin.name for pin in pins if pin.hashes == 0], "pip would refuse the whole file"


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*")), ids=lambda path: path.name)
def test_no_index_host_and_no_machine_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"^.*(?:://|--(?:extra-)?index-url|--find-links|--trusted-host|file:| @ ).*$", text, re.MULTILINE)
    assert not named, f"{path.name} would only install where this can be reached: {named}"


def test_the_tests_run_on_the_versions_that_users_run() -> None:
    runtime, tests = pins_of(RUNTIME), pins_of(TESTS)
    for machine in MACHINES:
        for_users, for_tests = installed_on(runtime, machine), installed_on(tests, machine)
        differing = {name: for_tests.get(name) for name in for_users if for_users[name] != for_tests.get(name)}
        assert not differing, f"tested with other versions than served with, on {machine}: {differing}"


@pytest.mark.parametrize("path", [RUNTIME, TESTS], ids=lambda path: path.name)
def test_every_machine_gets_each_package_once(path: Path) -> None:
    pins = pins_of(path)
    for machine in MACHINES:
        names = [pin.name for pin in pins if pin.marker is None or pin.marker.evaluate(machine)]
        twice = {name for name in names if names.count(name) > 1}
        assert not twice, f"pip refuses two versions of {twice} on {machine}"
        unreached = {pin.name for pin in pins} - set(names) - {"colorama", "pywin32"}
        assert not unreached, f"{unreached} is missing on {machine}"


def test_what_make_serve_installs_has_no_test_tools() -> None:
    tools = {"pytest", "hypothesis", "mypy", "ruff", "avro", "testcontainers", "pytest-asyncio", "types-pyyaml"}
    assert tools & {pin.name for pin in pins_of(RUNTIME)} == set()
    assert tools <= {pin.name for pin in pins_of(TESTS)}


def test_this_environment_is_the_locked_one() -> None:
    expected = {pin.name: pin.specifier for pin in pins_of(TESTS) if pin.marker is None or pin.marker.evaluate()}
    differing = {name: found for name, pinned in expected.items() if (found := installed_version(name)) != pinned[2:]}
    assert not differing, f"run the tests with `make test`, which installs the locked packages; here is {differing}"


def installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def test_no_locked_package_owns_one_of_our_folders() -> None:
    locked = {pin.name for pin in pins_of(TESTS)}
    owners = packages_distributions()
    assert "fastapi" in owners, "the names of installed packages could not be read"
    clashes = {
        own: distribution
        for own in OWN_PACKAGES
        for distribution in owners.get(own, [])
        if canonicalize_name(distribution) in locked
    }
    assert not clashes, f"imports would find another project's package instead of ours: {clashes}"
