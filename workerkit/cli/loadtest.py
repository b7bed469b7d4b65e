"""`workerkit loadtest`."""

from __future__ import annotations

from typing import Annotated

import typer

from .group import Group

app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None,
    help="Measure the project under load, and judge what was measured.",
)  # fmt: skip

Rate = Annotated[float, typer.Option(help="Requests a second, however long answers take.")]
Duration = Annotated[str, typer.Option(help="Measured time, e.g. 30s or 5m.")]
WarmUp = Annotated[str, typer.Option(help="Sent before it, and left out.")]
Timeout = Annotated[str, typer.Option(help="From the intended time of a request.")]
Connections = Annotated[int, typer.Option(help="Open at once, at most.")]
Path = Annotated[list[str] | None, typer.Option(help="May be given again; else from OpenAPI.")]
Url = Annotated[str | None, typer.Option(help="A server instead of the project's.")]
AllowHost = Annotated[list[str] | None, typer.Option(help="Not this machine, but mine to load.")]
Own = Annotated[bool, typer.Option("--own", help="Start a copy even if the project runs.")]
Thresholds = Annotated[
    list[str] | None, typer.Option("--threshold", help="e.g. p95<150ms, errors<0.1%, rate>=100/s.")
]
Baseline = Annotated[str | None, typer.Option(help="A file, run:ID or run:latest.")]
Tolerance = Annotated[float | None, typer.Option(min=0, help="0.1: a tenth worse is well.")]
EventsRate = Annotated[float, typer.Option(help="Events a second at the same time; 0: none.")]
Topic = Annotated[str | None, typer.Option(help="Of the events; else one of the service's.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def api(
    service: Annotated[str | None, typer.Argument(help="Without: each that has an API.")] = None,
    rate: Rate = 1000.0,
    duration: Duration = "30s",
    warm_up: WarmUp = "2s",
    timeout: Timeout = "5s",
    connections: Connections = 100,
    path: Path = None,
    url: Url = None,
    allow_host: AllowHost = None,
    own: Own = False,
    threshold: Thresholds = None,
    baseline: Baseline = None,
    tolerance: Tolerance = None,
    as_json: Json = False,
) -> None:
    """Load APIs at a constant rate. Example: workerkit loadtest api pricing --duration 5m"""
    from . import load  # noqa: PLC0415

    sending = load.Sending(rate, duration, warm_up, timeout, connections, path or [], url,
                           allow_host or [], own)  # fmt: skip
    judging = load.Judging(threshold or [], baseline, tolerance, as_json)
    raise typer.Exit(load.api(service, sending, judging))


@app.command()
def events(
    topic: Annotated[str | None, typer.Argument(help="Without: each that is listened to.")] = None,
    count: Annotated[int, typer.Option(min=1, max=10_000_000, help="Events.")] = 1000,
    rate: Annotated[float | None, typer.Option(help="Events a second; else all at once.")] = None,
    data: Annotated[
        str | None, typer.Option(help="JSON, @FILE or -; of a list each in turn; else an example.")
    ] = None,
    own: Own = False,
    threshold: Thresholds = None,
    baseline: Baseline = None,
    tolerance: Tolerance = None,
    as_json: Json = False,
) -> None:
    """Measure until effects are committed. Example: workerkit loadtest events --count 1000"""
    from . import load, load_events  # noqa: PLC0415

    judging = load.Judging(threshold or [], baseline, tolerance, as_json)
    publishing = load_events.Publishing(count, rate, data, own)
    raise typer.Exit(load_events.events(topic, publishing, judging))


@app.command()
def compare(
    service: Annotated[str | None, typer.Argument(help="Without: one with workers.")] = None,
    rate: Rate = 200.0,
    events_rate: EventsRate = 100.0,
    duration: Duration = "10s",
    warm_up: WarmUp = "2s",
    rounds: Annotated[int, typer.Option(min=2, max=100, help="Of both layouts.")] = 5,
    path: Path = None,
    topic: Topic = None,
    tolerance: Tolerance = None,
    as_json: Json = False,
) -> None:
    """Inline against separated workers. Example: workerkit loadtest compare pricing"""
    from . import load_both  # noqa: PLC0415

    both = load_both.Both(rate, events_rate, duration, warm_up, path or [], topic)
    raise typer.Exit(load_both.compare(service, both, rounds, tolerance, as_json))


@app.command()
def runs(as_json: Json = False) -> None:
    """List the runs that are kept. Example: workerkit loadtest runs"""
    from . import load  # noqa: PLC0415

    raise typer.Exit(load.runs(as_json))


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Its id, the start of it, or latest.")] = "latest",
    as_json: Json = False,
) -> None:
    """Show one run. Example: workerkit loadtest show latest"""
    from . import load  # noqa: PLC0415

    raise typer.Exit(load.show_run(run, as_json))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A run's id.")],
    after: Annotated[str, typer.Argument(help="Another's.")] = "latest",
    as_json: Json = False,
) -> None:
    """Show two runs beside each other. Example: workerkit loadtest diff 20261125-164501-api"""
    from . import load  # noqa: PLC0415

    raise typer.Exit(load.diff(before, after, as_json))
