"""Runs the parts of the comparison and prints the table; compare.py starts it with the peers' interpreter."""

import argparse
import dataclasses
import pathlib
import statistics

import torch

import activations
import decoding
import harness
import start
import steering

PARTS = {"activations": activations.rows, "steering": steering.rows, "decoding": decoding.rows, "start": start.rows}


@dataclasses.dataclass
class Place:
    """Where the weights and logs are, and which npinf is measured and how."""

    folder: pathlib.Path
    binary: pathlib.Path
    meter: harness.Meter


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("binary", type=pathlib.Path)
    p.add_argument("--rounds", type=int, required=True)
    p.add_argument("--slack", type=float, required=True)
    p.add_argument("--processor-time", action="store_true")
    p.add_argument("--check", action="store_true")
    p.add_argument("--only", action="append", choices=list(PARTS), required=True)
    return p.parse_args()


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def line(row, slack):
    typical, best = row.ratios()
    verdict = "" if row.target is None else f"≥ {row.target:g} × {'met' if row.passes(slack) else '**missed**'}"
    return f"| {row.title} | {number(row.ours)} {row.unit} | {number(row.theirs)} {row.unit}, {row.peer} | {typical:.2f} × | {best:.2f} × | {verdict} |"


def processor():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown processor")


def main():
    args = arguments()
    meter = harness.Meter(args.rounds, args.processor_time)
    torch.set_num_threads(meter.threads)
    place = Place(args.folder.resolve(), args.binary.resolve(), meter)
    measure = "processor time, 1 thread" if args.processor_time else f"{meter.threads} threads"
    print(f"{processor()}, {measure}, PyTorch {torch.__version__}; medians of {args.rounds} rounds in turn\n")
    print("| | npinf | peer | ratio | of the best rounds | target |\n|---|---|---|---|---|---|", flush=True)
    rows = []
    for part in args.only:
        for row in PARTS[part](place):
            rows.append(row)
            print(line(row, args.slack), flush=True)
    busy = meter.disturbances or [0]
    print(f"\nOther processes took {100 * statistics.median(busy):.0f} % of the processors in the median round, {100 * max(busy):.0f} % in the worst.")
    missed = [row.title for row in rows if not row.passes(args.slack)]
    if missed:
        print("Targets missed: " + "; ".join(missed))
    if args.check and missed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
