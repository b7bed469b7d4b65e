"""`workerkit demo`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import WorkerkitError

if TYPE_CHECKING:
    from ..operate.demo import Step
    from ..operate.shop import Shop


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the last step.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run the shop end to end, check each step, and stay up. Example: workerkit demo --once"""
    from ..operate.shop import Shop  # noqa: PLC0415
    from .signals import ended_in_order  # noqa: PLC0415

    with ended_in_order(), _own_folder() as folder:
        shop = Shop(folder, free_ports=once)
        try:
            _run(shop, as_json=as_json)
            if not once:
                _tell_urls(shop)
                shop.wait()
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        finally:
            shop.stop()


def _run(shop: Shop, *, as_json: bool) -> None:
    from ..operate.demo import Demo  # noqa: PLC0415
    from . import show  # noqa: PLC0415

    steps: list[Step] = []

    def tell(step: Step) -> None:
        steps.append(step)
        if not as_json:
            show.note(f"{step.title} ({show.duration(step.seconds)})")
            show.note(f"    {step.seen}")

    if not as_json:
        show.note(f"starting the shop in {shop.folder}")
    shop.start()
    Demo(shop).run(tell)
    if as_json:
        show.json({"held": True, "steps": steps})
    else:
        show.note("all of it held: nothing lost, nothing applied twice")


def _tell_urls(shop: Shop) -> None:
    from . import show  # noqa: PLC0415

    show.pairs([(name, f"http://127.0.0.1:{port}") for name, port in shop.ports.items()])
    show.note("still up; stop it with Ctrl-C")


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A temporary folder; it stays when something did not hold, for its log is wanted then."""
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    folder = Path(tempfile.mkdtemp(prefix="workerkit-demo-"))
    wanted = False
    try:
        yield folder
    except WorkerkitError:
        wanted = True
        raise
    finally:
        if not wanted:
            shutil.rmtree(folder, ignore_errors=True)
