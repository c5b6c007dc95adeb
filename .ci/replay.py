#!/usr/bin/env python3
"""Starts npinf for every recorded configuration behind the stand-in hub and replays the cases.

    replay.py NPINF SHARED TREE [--config NAME ...] [--cpu PATH]

NPINF is the binary, SHARED the folder with golden/ and tools/, TREE the unpacked hub tree.
Exits 1 if a case failed.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import worlds

# Worlds whose model family and source dialects are served.
WORLDS = ("gpt2-small", "gemma-2-2b", "gemma-2-2b-it", "llama3.1-8b-it", "qwen3-4b", "gpt-oss-20b")
# Cases that are answered differently on purpose, with the reason.
KNOWN = pathlib.Path(__file__).with_name("known-differences.json")


def replay(args, world, config, settings, hub):
    cases_file = args.shared / "golden/server" / world / f"cases-{config}.jsonl"
    if not cases_file.exists():
        return 0, 0
    lines = [line for line in cases_file.read_text(encoding="utf-8").split("\n") if line.strip()]
    persona = args.shared / "golden/server" / world / "persona"
    with tempfile.TemporaryDirectory() as scratch, worlds.serve(args.npinf, settings, hub, persona, args.cpu) as (url, _):
        chosen = pathlib.Path(scratch) / "cases.jsonl"
        chosen.write_text("\n".join(lines), encoding="utf-8")
        run = subprocess.run([sys.executable, str(args.shared / "golden/server/replay.py"), url, str(chosen), "--show", "2", "--expect", str(KNOWN)],
                             capture_output=True, text=True)
    print(f"--- {world}/{config}: {len(lines)} cases, replay exit {run.returncode}")
    if run.returncode or args.verbose:
        print(run.stdout[-args.output:], run.stderr[-2000:])
    return len(lines), int(run.returncode != 0)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("npinf")
    p.add_argument("shared", type=pathlib.Path)
    p.add_argument("tree", type=pathlib.Path)
    p.add_argument("--world", action="append")
    p.add_argument("--config", action="append")
    p.add_argument("--cpu")
    p.add_argument("--verbose", action="store_true")
    p.add_argument("--output", type=int, default=8000)
    args = p.parse_args()
    args.npinf = os.path.abspath(args.npinf)
    ran = bad = 0
    with worlds.serve_hub(args.shared, args.tree) as hub:
        for world, configs in worlds.configurations(args.shared).items():
            if world not in (args.world or WORLDS):
                continue
            for config, settings in configs.items():
                if not args.config or config in args.config:
                    r, b = replay(args, world, config, settings, hub)
                    ran, bad = ran + r, bad + b
    print(f"replayed {ran} recorded cases, {bad} configurations with failures")
    sys.exit(1 if bad or not ran else 0)


main()
