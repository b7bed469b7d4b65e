"""`workerkit loadtest`."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

import typer

from .group import Group

app = typer.Typer(
    cls=Group, invoke_without_command=True, rich_markup_mode=None,
    help="Measure the project under load, and judge it; without a command all of it in short.",
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


@app.callback()
def everything(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="5 minutes each instead of one.")] = False,
    as_json: Json = False,
) -> None:
    """Measure the project under load, and judge it; without a command all of it in short."""
    if context.invoked_subcommand is None:
        from ..trial.validation import validate  # noqa: PLC0415
        from . import load  # noqa: PLC0415

        load.measure(as_json, validate, 300.0 if full else 60.0)


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
    from ..trial import apis, judge  # noqa: PLC0415
    from . import load  # noqa: PLC0415

    asked = apis.Asked(service, path or [], url, allow_host or [], own)
    demands = judge.Demands(threshold or [], baseline, tolerance)
    sent = load.load(rate, duration, warm_up, timeout, connections)
    load.measure(as_json, apis.load_apis, asked, sent, demands)


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
    from ..trial import judge, topics  # noqa: PLC0415
    from . import load  # noqa: PLC0415

    demands = judge.Demands(threshold or [], baseline, tolerance)
    published = topics.Published(count, rate, topic, load.payloads(data), own)
    load.measure(as_json, topics.load_topics, published, demands)


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
    from ..trial import layouts  # noqa: PLC0415
    from . import load  # noqa: PLC0415

    both = layouts.Both(load.load(rate, duration, warm_up), events_rate, path or [], topic)
    load.measure(as_json, layouts.compare, service, both, rounds, tolerance)


@app.command()
def ramp(
    service: Annotated[str | None, typer.Argument(help="Without: one with workers.")] = None,
    start: Annotated[float, typer.Option(help="The first rate, in requests/s.")] = 100.0,
    most: Annotated[float, typer.Option(help="The highest rate that is tried.")] = 10_000.0,
    step: Annotated[str, typer.Option(help="Measured time of each rate.")] = "5s",
    warm_up: WarmUp = "1s",
    path: Path = None,
    threshold: Thresholds = None,
    as_json: Json = False,
) -> None:
    """Find the highest rate that holds. Example: workerkit loadtest ramp pricing"""
    from ..trial import judge, limits  # noqa: PLC0415
    from . import load  # noqa: PLC0415

    sent, demands = load.load(start, step, warm_up), judge.Demands(threshold or [])
    load.measure(as_json, limits.find_limit, service, path or [], sent, most, demands)


@app.command()
def soak(
    service: Annotated[str | None, typer.Argument(help="Without: one with workers.")] = None,
    duration: Annotated[str, typer.Option("--for", help="How long, e.g. 1h.")] = "1h",
    rate: Rate = 100.0,
    events_rate: EventsRate = 50.0,
    path: Path = None,
    topic: Topic = None,
    threshold: Thresholds = None,
    as_json: Json = False,
) -> None:
    """Look for what grows under steady load. Example: workerkit loadtest soak --for 10m"""
    from ..trial import layouts, limits  # noqa: PLC0415
    from . import load  # noqa: PLC0415

    both = layouts.Both(load.load(rate, duration, "2s"), events_rate, path or [], topic)
    load.measure(as_json, limits.soak, service, both, threshold or [])


@app.command()
def runs(as_json: Json = False) -> None:
    """List the runs that are kept. Example: workerkit loadtest runs"""
    from . import load  # noqa: PLC0415

    load.runs(as_json)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Its id, the start of it, or latest.")] = "latest",
    as_json: Json = False,
) -> None:
    """Show one run. Example: workerkit loadtest show latest"""
    from . import load  # noqa: PLC0415

    load.show_run(run, as_json)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="Its id, the start of it, or latest.")] = "latest",
    out: Annotated[FilePath | None, typer.Option(help="The file; else RUN.html here.")] = None,
) -> None:
    """Write a run as one HTML file. Example: workerkit loadtest report latest --out report.html"""
    from . import load  # noqa: PLC0415

    load.report(run, out)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A run's id.")],
    after: Annotated[str, typer.Argument(help="Another's.")] = "latest",
    as_json: Json = False,
) -> None:
    """Show two runs beside each other. Example: workerkit loadtest diff 20261125-164501-api"""
    from . import load  # noqa: PLC0415

    load.diff(before, after, as_json)
