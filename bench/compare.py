#!/usr/bin/env python3
"""npinf against its peers: the same weights, prompts and threads, in turn; prints one table.

    python3 bench/compare.py [--dir DIR] [--rounds N] [--only PART] [--llama] [--processor-time] [--check [--slack S]]

Installs the peers into DIR (a few GB), writes random weights of real shapes there, builds
npinf and lets npinf and each peer do the same work in turn on the same processors. Before
anything is timed both answers are compared. A round during which other processes took much
of the machine is repeated. The peers:

    PyTorch (and SAELens)   in process, without a server's costs; npinf answers over HTTP
    llama.cpp               decoding only; --llama builds it, which takes several minutes
    npinf itself            where the row says so

On a machine that others keep busy --processor-time compares what one thread of each costs
in processor time, and leaves out the rows that are about waiting. --check exits with 1 when a ratio is below its target; --slack 0.1 forgives a tenth.
"""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ["torch==2.13.0", "transformers==5.14.1", "sae-lens==6.54.12", "zstandard"]
LLAMA = ["llama-cpp-python==0.3.36", "gguf"]
PARTS = ["activations", "steering", "decoding", "start"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dir", type=pathlib.Path, default=HERE / "results", help="peers, weights and logs")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--only", action="append", choices=PARTS, help="repeatable")
    p.add_argument("--llama", action="store_true", help="build llama.cpp where it is missing")
    p.add_argument("--binary", type=pathlib.Path, help="measure this npinf instead of building one")
    p.add_argument("--processor-time", action="store_true", help="for a machine that others keep busy")
    p.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    p.add_argument("--slack", type=float, default=0.0, help="share of a target that is forgiven")
    return p.parse_args()


def install(folder, llama):
    """Makes the peers' virtual environment and returns its interpreter."""
    python = folder / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS, *(LLAMA if llama else [])], check=True)
    return python


def build(folder):
    binary = folder / "npinf"
    subprocess.run(["go", "build", "-trimpath", "-o", binary, "."], cwd=HERE.parent, env=os.environ | {"CGO_ENABLED": "0"}, check=True)
    return binary


def main():
    args = arguments()
    args.dir.mkdir(parents=True, exist_ok=True)
    python = install(args.dir, args.llama)
    binary = args.binary or build(args.dir)
    command = [python, HERE / "table.py", args.dir, binary, "--rounds", args.rounds, "--slack", args.slack]
    command += ["--processor-time"] if args.processor_time else []
    command += ["--check"] if args.check else []
    for part in args.only or PARTS:
        command += ["--only", part]
    raise SystemExit(subprocess.run([str(c) for c in command]).returncode)


main()
