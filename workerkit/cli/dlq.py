"""`workerkit dlq`: events that were given up on, or that wait for another try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .group import Group

if TYPE_CHECKING:
    from ..operate.letters import Letter, Listing

app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Look after dead letters."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ids = Annotated[list[str], typer.Argument(help="Ids, or prefixes of 6 characters or more.")]


@app.command("list")
def list_(
    service: Annotated[str | None, typer.Argument(help="Of this service; all without.")] = None,
    parked: Annotated[bool, typer.Option("--parked", help="Those that wait for a try.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the latest first. Example: workerkit dlq list pricing"""
    from ..operate.letters import list_letters  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import databases, opened  # noqa: PLC0415

    with opened() as project:
        listing = list_letters(databases(project, service), parked=parked, limit=limit)
    if as_json:
        return show.json(listing)
    return _show_listing(listing)


@app.command("show")
def show_(
    id: Annotated[str, typer.Argument(help="An id, or a prefix of 6 characters or more.")],
    as_json: AsJson = False,
) -> None:
    """Show one with its data and traceback. Example: workerkit dlq show 3f2a91"""
    from ..operate.letters import show_letters  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import databases, opened  # noqa: PLC0415

    with opened() as project:
        letters = show_letters(databases(project), id)
    if as_json:
        return show.json(letters)
    for letter in letters:
        _show_letter(letter)
    return None


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids or prefixes.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    service: Annotated[str | None, typer.Option(help="Only of this service.")] = None,
    data: Annotated[str | None, typer.Option(help="Correct its data: JSON, @FILE, -.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run them again, with all attempts. Example: workerkit dlq replay 3f2a91 --data '{"id": 7}'"""
    from ..operate.letters import replay as run_again  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import databases, opened, read_json  # noqa: PLC0415

    correction = {} if data is None else {"correction": read_json(data)}
    with opened() as project:
        changed = run_again(databases(project, service), ids or [], every=every, **correction)
    if as_json:
        return show.json(changed)
    corrected = f"corrected {changed.corrected}, " if data is not None else ""
    due = "; a running worker takes them now" if changed.letters else ""
    return show.note(f"{corrected}made {show.count(changed.letters, 'event')} due again{due}")


@app.command()
def drop(
    ids: Ids,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    service: Annotated[str | None, typer.Option(help="Only of this service.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give them up for good. Example: workerkit dlq drop 3f2a91 --yes"""
    from ..operate.letters import drop as give_up  # noqa: PLC0415
    from ..operate.letters import resolve  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import databases, opened  # noqa: PLC0415

    with opened() as project:
        found = databases(project, service)
        full = resolve(found, ids)
        _confirm(full, yes)
        changed = give_up(found, full)
    if as_json:
        return show.json(changed)
    return show.note(f"dropped {show.count(changed.letters, 'event')}")


def _confirm(ids: list[str], yes: bool) -> None:
    import sys  # noqa: PLC0415

    from ..errors import ConfigurationError  # noqa: PLC0415

    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(f"dropping {len(ids)} for good needs --yes here")
    what = ids[0] if len(ids) == 1 else f"these {len(ids)}"
    typer.confirm(f"Drop {what} for good?", abort=True)


def _show_listing(listing: Listing) -> None:
    import time  # noqa: PLC0415

    from ..operate.letters import short_ids  # noqa: PLC0415
    from . import show  # noqa: PLC0415

    noun = "parked event" if listing.parked else "dead letter"
    if not listing.letters:
        return show.note(f"no {noun}s")
    short, now = short_ids(listing.letters), time.time()
    titles = (
        show.Column("id"), show.Column("consumer", cut=True), show.Column("attempts", number=True),
        show.Column("next try" if listing.parked else "age", number=True),
        show.Column("error", cut=True),
    )  # fmt: skip
    rows = [
        (short[x.id], x.consumer, x.attempts,
         show.duration(max(0.0, now - x.published if x.due is None else x.due - now)), x.error)
        for x in listing.letters
    ]  # fmt: skip
    show.table(titles, rows)
    more = f"{len(rows)} of " if listing.total > len(rows) else ""
    shown = f"{more}{show.count(listing.total, noun)}"
    return show.note(f"{shown}; details: `workerkit dlq show {short[listing.letters[0].id]}`")


def _show_letter(letter: Letter) -> None:
    import time  # noqa: PLC0415

    import orjson  # noqa: PLC0415

    from . import show  # noqa: PLC0415

    now = time.time()
    due = "" if letter.due is None else f", next try in {show.duration(max(0, letter.due - now))}"
    show.pairs(
        [
            ("id", letter.id),
            ("topic", letter.topic),
            ("consumer", letter.consumer),
            ("source", letter.source or "-"),
            ("state", ("dead" if letter.dead else "parked") + due),
            ("attempts", letter.attempts),
            ("published", f"{show.duration(now - letter.published)} ago"),
            ("error", letter.error),
            ("data", orjson.dumps(letter.data, option=orjson.OPT_INDENT_2).decode()),
            ("traceback", letter.traceback.rstrip()),
        ]
    )
