"""A container engine, and images to build upon, made here where none can be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

DEBIAN = "workerkit-test/debian"
BASES = ("run", "build", "redis", "postgres")
"""Stages of tests/containers/bases/Dockerfile, each an image `workerkit-test/STAGE`."""

ADDRESS = "127.0.0.41"
"""A loopback address of its own: the shop's ports may be taken on 127.0.0.1."""

ROOT = Path(__file__).parents[1]

UNUSED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man",
          "usr/share/locale", "usr/share/info", "var/log")  # fmt: skip
"""What slim images leave out."""


CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def compose_command() -> str:
    """`docker compose` or `docker-compose`; skips the test without a client or an engine."""
    if shutil.which("docker") is None:
        pytest.skip("no container engine is here (docker)")
    if _fails("docker", "info"):
        pytest.skip("no container engine answers (docker info)")
    for command in ("docker compose", "docker-compose"):
        if shutil.which(command.split()[0]) and not _fails(*command.split(), "version"):
            return command
    pytest.skip("no client for compose files is here (docker compose, docker-compose)")


def base_images() -> dict[str, str]:
    """An image by stage; what is missing is made from Debian's packages, in about a minute."""
    images = {stage: f"workerkit-test/{stage}" for stage in BASES}
    missing = [stage for stage, image in images.items() if not _has(image)]
    if missing and not _has(DEBIAN):
        _import_debian()
    for stage in missing:
        folder = Path(__file__).parent / "containers" / "bases"
        docker("build", "--quiet", "--target", stage, "--tag", images[stage], str(folder))
    return images


def compose_variables() -> dict[str, str]:
    """What the shell says to the shop's compose file: the address, and the images to build upon."""
    images = base_images()
    chosen = {f"{name.upper()}_IMAGE": images[name] for name in BASES}
    return {"ADDRESS": ADDRESS, **chosen}


def put_wheel(project: Path) -> None:
    """Build this tree's wheel to where a project's Dockerfile takes it from."""
    wheel = ("-m", "pip", "wheel", "-q", "--no-deps", "-w", str(project / "wheels"), str(ROOT))
    run([sys.executable, *wheel])


def docker(*arguments: str, folder: Path | None = None) -> str:
    """What `docker ARGUMENTS` prints."""
    return run(["docker", *arguments], folder)


def run(command: list[str], folder: Path | None = None, **variables: str) -> str:
    """Standard output of *command*, which must succeed."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, **variables},
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _import_debian() -> None:
    """A minimal Debian as an image."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("no images to build upon can be made (debootstrap, as root)")
    with tempfile.TemporaryDirectory(prefix="debian-") as folder:
        root = Path(folder) / "root"
        chosen = ("--variant=minbase", "--include=ca-certificates")
        run(["debootstrap", *chosen, "bookworm", str(root)])
        # Where a proxy answers for the package index, this machine knows its certificate.
        if Path("/", CERTIFICATES).is_file():
            shutil.copyfile(Path("/", CERTIFICATES), root / CERTIFICATES)
        # A container that is never started twice need not wait for the disk.
        (root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
        for path in UNUSED:
            for each in (root / path).iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        archive = Path(folder) / "root.tar"
        run(["tar", "-C", str(root), "-cf", str(archive), "."])
        docker("import", str(archive), DEBIAN)


def _has(image: str) -> bool:
    return not _fails("docker", "image", "inspect", image)


def _fails(*command: str) -> bool:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.returncode != 0
