"""What a service's processes are made from when they are containers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..chaos.containers import Image
from ..config.project_file import ProjectFile
from ..errors import ConfigurationError
from ..operate.deploy import compose_of


def images_of(
    folder: Path, file: ProjectFile, service: str, modes: Sequence[str]
) -> dict[str, Image]:
    """The image of each of *modes* in the compose file of *folder*, and of `sidecar`.

    Raises:
        ConfigurationError: There is no compose file, no container for a mode, or no name of
            its image.
    """
    compose = compose_of(folder, file)
    found: dict[str, Image] = {}
    for mode in modes:
        container = next((one for one in compose.of(mode) if one.service == service), None)
        if container is None:
            raise ConfigurationError(f"{compose.file.name} has no container of {service} {mode}")
        if not container.image:
            raise ConfigurationError(
                f"{compose.file.name}: {container.name} needs an `image`, which names what is built"
            )
        found[mode] = Image(container.image, container.cpus, container.memory)
    return {"sidecar": next(iter(found.values())), **found}
