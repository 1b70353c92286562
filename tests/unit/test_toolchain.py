"""The first two minutes of a new user: what `make` and `prefledger` say on machines that lack something."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKE_VENV = ROOT / "scripts" / "make-venv"
SYSTEM_TOOLS = ("sh", "cat", "cmp", "cp", "dirname", "env", "grep", "head", "readlink", "rm", "sed", "tail")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that is a whole machine's PATH, without any Python yet."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in SYSTEM_TOOLS:
        found = shutil.which(tool)
        assert found, f"this test needs {tool}"
        (programs / tool).symlink_to(found)
    return programs


def add_program(machine: Path, name: str, script: str) -> None:
    program = machine / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


def add_python(machine: Path, name: str, version: str, *, has_venv: bool = True) -> None:
    """A real interpreter that takes itself for another version, or has lost its venv module as on a bare Debian."""
    site = machine.parent / f"site of {name}"
    site.mkdir()
    numbers = ", ".join(version.split("."))
    lost = "" if has_venv else "sys.modules['ensurepip'] = None"
    (site / "sitecustomize.py").write_text(f"import sys\nsys.version_info = ({numbers})\n{lost}\n", encoding="utf-8")
    add_program(machine, name, f'PYTHONPATH="{site}" exec "{sys.executable}" "$@"')


def run_make_venv(
    machine: Path, requirements: Path | None = None, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MAKE_VENV, machine.parent / "venv", requirements or ROOT / "requirements.txt"],
        env={"PATH": str(machine), "HOME": str(machine.parent), **(settings or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def last_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_machine_without_python_is_told_how_to_get_one(machine: Path) -> None:
    sentence = last_sentence(run_make_venv(machine))
    assert sentence.startswith("Python 3.11 to 3.14 is needed, and python3 does not run: install one (")


@pytest.mark.parametrize("version", ["3.9.18", "3.10.14", "3.15.0"])
def test_an_unsupported_python_is_named_with_the_remedy(machine: Path, version: str) -> None:
    add_python(machine, "python3", version)
    sentence = last_sentence(run_make_venv(machine))
    assert sentence.startswith(f"Python 3.11 to 3.14 is needed, and python3 is {version}: install one (")
    assert sentence.endswith("or name one by its path, for example: make serve PYTHON=/path/to/python3.13")


def test_a_missing_venv_module_is_named_with_the_package_to_install(machine: Path) -> None:
    add_python(machine, "python3", "3.13.5", has_venv=False)
    assert last_sentence(run_make_venv(machine)) == (
        "Python 3.13.5 is here without its venv module: "
        "install it (Debian and Ubuntu: apt-get install python3.13-venv) and run this again."
    )


def test_a_folder_of_the_user_is_not_deleted(machine: Path) -> None:
    add_python(machine, "python3", "3.12.1")
    precious = machine.parent / "venv" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work", encoding="utf-8")
    assert "is in the way: it is not a virtual environment" in last_sentence(run_make_venv(machine))
    assert precious.exists()


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError': /simple/aiokafka/\n"
            "ERROR: No matching distribution found for aiokafka==0.14.0",
            "The locked packages could not be downloaded, because the package index did not answer: check the network",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "A downloaded package is not the one locked in",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement uvloop==9.9.9\n"
            "ERROR: No matching distribution found for uvloop==9.9.9",
            "There is no ready-made package (wheel) of uvloop==9.9.9 for this machine: use Linux",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "The locked packages could not be installed: ERROR: Could not install packages due to an OSError:",
        ),
    ],
)
def test_a_failed_install_says_why_and_leaves_no_half_environment(machine: Path, report: str, sentence: str) -> None:
    add_python_whose_pip_says(machine, report, status=1)
    done = run_make_venv(machine)
    assert last_sentence(done).startswith(sentence)
    assert not (machine.parent / "venv").exists()
    assert (machine.parent / "venv.log").read_text(encoding="utf-8").strip() == report


def add_python_whose_pip_says(machine: Path, report: str, status: int) -> None:
    """Makes an environment in no time, in which pip prints one report; each pip call leaves a line in `pip-calls`."""
    report_file = machine.parent / "report"
    report_file.write_text(report, encoding="utf-8")
    calls = machine.parent / "pip-calls"
    inner = f'[ "$2" != pip ] || {{ echo "$@" >>"{calls}"; cat "{report_file}" >&2; exit {status}; }}; echo 3.12.1'
    make_inner = f"printf '%s\\n' '#!/bin/sh' '{inner}' >\"$3/bin/python\"; {shutil.which('chmod')} +x \"$3/bin/python\""
    make_venv = f'{shutil.which("mkdir")} -p "$3/bin"; echo >"$3/pyvenv.cfg"; {make_inner}'
    add_program(machine, "python3", f'if [ "$2" = venv ]; then {make_venv}; else echo ready 3.12.1; fi')


def test_packages_are_installed_once_and_again_when_the_lock_changes(machine: Path, tmp_path: Path) -> None:
    add_python_whose_pip_says(machine, "", status=0)
    requirements = tmp_path / "requirements.txt"
    for content, installs in (("a==1", 1), ("a==1", 1), ("a==2", 2)):
        requirements.write_text(content, encoding="utf-8")
        assert run_make_venv(machine, requirements).returncode == 0
        calls = (machine.parent / "pip-calls").read_text(encoding="utf-8").splitlines()
        assert len(calls) == installs
        assert "--require-hashes --only-binary :all:" in calls[-1]


def test_an_environment_whose_python_went_away_is_made_again(machine: Path) -> None:
    add_python_whose_pip_says(machine, "", status=0)
    assert run_make_venv(machine).returncode == 0
    (machine.parent / "venv" / "bin" / "python").unlink()
    assert run_make_venv(machine).returncode == 0
    assert (machine.parent / "venv" / "bin" / "python").exists()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the launcher above a command line that prints where it runs and what it was given."""
    root = tmp_path / "the ledger"
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (root / "services").mkdir()
    (root / "services" / "cli.py").write_text("import os, sys\nprint(os.getcwd(), sys.argv[1:], __file__)", encoding="utf-8")
    shutil.copy(ROOT / "prefledger", root)
    return root


def test_the_launcher_runs_our_code_from_any_folder_and_through_links(installed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "services").mkdir(parents=True)
    (elsewhere / "services" / "cli.py").write_text("print('another program')", encoding="utf-8")
    (elsewhere / "link").symlink_to(installed / "prefledger")
    (elsewhere / "ledger").symlink_to("link")
    for launcher in (installed / "prefledger", "./ledger"):
        done = subprocess.run(
            [launcher, "history", "user:a b"], cwd=elsewhere, capture_output=True, text=True, timeout=30, check=True
        )
        assert done.stdout.strip() == f"{elsewhere} ['history', 'user:a b'] {installed}/services/cli.py"


def test_the_launcher_says_what_to_do_before_the_first_install(installed: Path) -> None:
    (installed / ".venv" / "bin" / "python").unlink()
    assert "run `make venv` (or `make serve`)" in launcher_sentence(installed)


def test_the_launcher_does_not_run_on_the_packages_of_another_release(installed: Path) -> None:
    (installed / "requirements.txt").write_text("a==2", encoding="utf-8")
    (installed / ".venv" / "requirements.installed").write_text("a==1", encoding="utf-8")
    assert "are of another release: run `make venv`" in launcher_sentence(installed)


def launcher_sentence(installed: Path) -> str:
    done = subprocess.run([installed / "prefledger"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_make_alone_changes_nothing_and_lists_every_target() -> None:
    phony = next(line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if line.startswith(".PHONY"))
    printed = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, timeout=30, check=True).stdout
    assert [name for name in phony.split()[1:] if f"  make {name} " not in printed] == []


@pytest.mark.parametrize("path", ["prefledger", "scripts/make-venv", "scripts/lock", ".ci/run"])
def test_scripts_can_be_run_as_they_are(path: str) -> None:
    assert os.access(ROOT / path, os.X_OK), f"{path} is not executable: a fresh clone could not start it"
