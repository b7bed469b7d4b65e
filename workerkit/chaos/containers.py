"""The project's processes as containers, under the hands of a chaos run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ConfigurationError, StartStopError, Unreachable
from .rig import Program, Rig

NAMES = "containers"
"""The file in a run's folder that tells the names of its containers."""

NO_DOCKER = "no docker here: run this where the containers run"

PATIENCE = 30.0
"""Seconds that the engine has for one command."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a process is made from, and its limits as compose writes them; empty: none."""

    name: str
    cpus: str = ""
    memory: str = ""


class ContainerRig(Rig):
    """Runs each program from the image of its mode, with compose's limits, beside the project's.

    They share this machine's network, so that they reach its servers and the
    run's proxies, and the folder *data*. *variables* are those of
    *environment* that they are given. A container ends with its client, also
    when that is killed, as its process is `--tied` to standard input.

    Raises:
        Unreachable: There is no docker.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        *,
        images: Mapping[str, Image],
        data: Path,
        variables: Sequence[str],
    ) -> None:
        if shutil.which("docker") is None:
            raise Unreachable(NO_DOCKER)
        self._names = {
            program.name: f"{data.name}-{program.name.replace(' ', '-')}" for program in programs
        }
        (data / NAMES).write_text("\n".join(self._names.values()))
        shared = (
            "docker", "run", "--rm", "--init", "--interactive", "--pull=never", "--network=host",
            f"--user={os.getuid()}:{os.getgid()}", f"--volume={data}:{data}",
            *(f"--env={name}" for name in variables), "--env=WORKER_HOST=127.0.0.1",
        )  # fmt: skip
        run = [
            replace(program, command=[
                *shared, f"--name={self._names[program.name]}",
                *_made_from(images, program.mode), *_within(program.command),
            ])
            for program in programs
        ]  # fmt: skip
        super().__init__(run, folder, environment, log)

    def kill(self, name: str) -> None:
        """SIGKILL to the container, and wait for the end."""
        self._wanted.discard(name)
        engine("kill", self._names[name])
        self._children[name].stop(10.0)

    def freeze(self, name: str) -> None:
        """Pause the container: it stands still and holds what it holds."""
        self._frozen.add(name)
        engine("pause", self._names[name])

    def thaw(self, name: str) -> None:
        """Have it go on."""
        self._frozen.discard(name)
        engine("unpause", self._names[name])

    @contextmanager
    def files_full(self, *names: str) -> Iterator[None]:
        """Refused: the limit would have to be set from within.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError("the files of a container cannot be filled from outside")
        yield


def engine(*words: str) -> None:
    """Run `docker WORDS`.

    Raises:
        Unreachable: There is no docker, or it does not answer in time.
        StartStopError: It says no; says what it said.
    """
    try:
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, timeout=PATIENCE, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        raise Unreachable(NO_DOCKER) from None
    except subprocess.TimeoutExpired:
        raise Unreachable(f"docker {words[0]} had no answer in {PATIENCE:g} s") from None
    if done.returncode:
        raise StartStopError(f"docker {' '.join(words)}: {done.stderr.strip()}")


def remove_left(folder: Path) -> None:
    """Remove the containers of the run in *folder* that are still there, such as paused ones.

    Raises:
        Unreachable: There is no docker any more, or it does not answer in time.
        StartStopError: It says no.
    """
    names = folder / NAMES
    if names.exists():
        engine("rm", "--force", *names.read_text().splitlines())


def _made_from(images: Mapping[str, Image], mode: str) -> list[str]:
    image = images[mode]
    cpus = [f"--cpus={image.cpus}"] if image.cpus else []
    memory = [f"--memory={image.memory}"] if image.memory else []
    return [*cpus, *memory, image.name]


def _within(command: Sequence[str]) -> list[str]:
    """*command*, which runs `python -m workerkit ...` here, as it is inside of an image."""
    return list(command[command.index("workerkit") :])
