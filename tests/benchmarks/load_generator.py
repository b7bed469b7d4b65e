"""How fast the load generator is: `python -m tests.benchmarks.load_generator --rounds 3`."""

from __future__ import annotations

import argparse

from tests.load_server import serving
from workerkit.loadtest.generator import Load, generate
from workerkit.loadtest.target import request, resolve

RATES = (1000, 5000, 10_000, 15_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print("requests/s  achieved  cores  late p50/p99 µs  latency p50/p99 ms  limit")
    for _ in range(rounds):
        for rate in RATES:
            with serving("none") as server:
                target = resolve(server.url)
                found = generate(target, [request(target, "/")], Load(rate, 4, warm_up=1))
            late = "/".join(f"{p * 1e6:.0f}" for p in found.late.percentiles((50, 99)))
            latency = "/".join(f"{p * 1e3:.2f}" for p in found.latency.percentiles((50, 99)))
            print(f"{rate:10}  {found.achieved:8.0f}  {found.cpu:5.2f}  {late:>15}  {latency:>18}  "
                  f"{found.limited or 'no'}")  # fmt: skip


if __name__ == "__main__":
    main()
