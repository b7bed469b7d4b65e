"""Rules for the Dockerfile, beside hadolint's."""

from __future__ import annotations

import re
from pathlib import Path


def problems(file: Path) -> list[str]:
    """What a Dockerfile for many processes must have, and this one lacks."""
    text = re.sub(r"^ *#.*\n", "", file.read_text(), flags=re.M).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    starts = [number for number, (word, *_) in enumerate(lines) if word == "FROM"]
    last = lines[starts[-1] :]
    users = [rest for word, rest in last if word == "USER"]
    checks = [rest for word, rest in last if word == "HEALTHCHECK"]
    copied = [rest for word, rest in last if word == "COPY"]
    found = {
        "one stage: the image has what only the build needs": len(starts) < 2,
        "a base image is not a build argument": any(
            not re.match(r"\$\{?\w+\}?( AS \w+)?$", lines[number][1]) for number in starts
        ),
        "runs as root, or as a user whom Kubernetes cannot tell from root": not (
            users and re.fullmatch(r"[1-9]\d*(:\d+)?", users[-1])
        ),
        "no HEALTHCHECK, or one that needs curl": not checks or "curl" in checks[-1],
        "MAIN_PKG is no argument of the last stage": not any(
            word == "ARG" and rest.startswith("MAIN_PKG") for word, rest in last
        ),
        "the process is not the one that gets the signals": not any(
            word == "CMD" and (rest.startswith('["python"') or '"exec python' in rest)
            for word, rest in last
        ),
        "the last stage copies from the build context": any("--from=" not in c for c in copied),
    }
    return [problem for problem, there in found.items() if there]
