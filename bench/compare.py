#!/usr/bin/env python3
"""npinf against PyTorch + SAELens: /v1/activation/all on a GPT-2-small-shaped model.

    python3 bench/compare.py [--dir DIR] [--rounds N]

Installs the peers into DIR (a few GB), writes random weights of the real shapes there
(12 layers, width 768; 12 sources of 24,576 features), builds npinf and lets both do the
same work in turn on the same processors: 32 tokens through the model, every source
encoded at its layer, the 25 features with the largest maximum over the tokens. Both
answers are compared, then one table is printed; the figures are medians of the rounds.
"""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ["torch==2.13.0", "transformers==5.14.1", "sae-lens==6.54.12", "zstandard"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dir", type=pathlib.Path, default=HERE / "results")
    p.add_argument("--rounds", type=int, default=7)
    args = p.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    python = args.dir / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", args.dir / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    binary = args.dir / "npinf"
    subprocess.run(["go", "build", "-trimpath", "-o", binary, "."], cwd=HERE.parent, env=os.environ | {"CGO_ENABLED": "0"}, check=True)
    subprocess.run([python, HERE / "all_features.py", args.dir, str(args.rounds)], check=True)


main()
