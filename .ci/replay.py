#!/usr/bin/env python3
"""Starts npinf for every recorded configuration behind the stand-in hub and replays the cases.

    replay.py NPINF SHARED TREE [--config NAME ...] [--cpu PATH]

NPINF is the binary, SHARED the folder with golden/ and tools/, TREE the unpacked hub tree.
Exits 1 if a case failed.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

GATED = ("google/gemma-2-2b", "google/gemma-2-2b-it")
# Worlds whose model family and source dialects are served.
WORLDS = ("gpt2-small", "gemma-2-2b", "gemma-2-2b-it", "llama3.1-8b-it", "qwen3-4b", "gpt-oss-20b")
# Cases that are answered differently on purpose, with the reason.
KNOWN = pathlib.Path(__file__).with_name("known-differences.json")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as r:
            return r.status
    except urllib.error.HTTPError as e:
        return e.code
    except OSError:
        return None


def start_hub(shared, tree):
    port = free_port()
    command = [sys.executable, str(shared / "tools/fakehub.py"), str(tree), str(port)]
    for repo in GATED:
        command += ["--gated", repo]
    hub = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while answers(f"http://127.0.0.1:{port}/") is None:
        time.sleep(0.05)
    return hub, f"http://127.0.0.1:{port}"


def environment(settings, hub, cache, port, cpu):
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "NPINF_THREADS")}
    env.update({k: v for k, v in settings.items() if v is not None})
    env.update(HF_ENDPOINT=hub, HF_HUB_CACHE=cache, SERVER_PORT=str(port), SERVER_HOST="127.0.0.1")
    if cpu:
        env["NPINF_CPU"] = cpu
    return env


def wait(process, port):
    """Waits until the server is ready or has failed to load for good."""
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit(f"npinf ended with exit code {process.returncode} before it was ready")
        if answers(f"http://127.0.0.1:{port}/readyz") == 200:
            return
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
        except urllib.error.HTTPError as e:
            if b"Initialization error" in e.read():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit("npinf was not ready after 60 s")


def replay(args, world, config, settings, hub):
    cases_file = args.shared / "golden/server" / world / f"cases-{config}.jsonl"
    if not cases_file.exists():
        return 0, 0
    lines = [line for line in cases_file.read_text(encoding="utf-8").split("\n") if line.strip()]
    with tempfile.TemporaryDirectory() as scratch:
        chosen = pathlib.Path(scratch) / "cases.jsonl"
        chosen.write_text("\n".join(lines), encoding="utf-8")
        port = free_port()
        log = open(pathlib.Path(scratch) / "log", "w+")
        env = environment(settings, hub, scratch + "/cache", port, args.cpu)
        persona = args.shared / "golden/server" / world / "persona"
        if persona.is_dir():
            env["PERSONA_DIR"] = str(persona)
        server = subprocess.Popen([args.npinf, "run"], env=env, stdout=log, stderr=log, cwd=scratch)
        try:
            wait(server, port)
            run = subprocess.run([sys.executable, str(args.shared / "golden/server/replay.py"), f"http://127.0.0.1:{port}", str(chosen), "--show", "2", "--expect", str(KNOWN)],
                                 capture_output=True, text=True)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
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
    hub, url = start_hub(args.shared, args.tree)
    ran = bad = 0
    try:
        for world, configs in json.loads((args.shared / "golden/server/configs.json").read_text()).items():
            if world.startswith("_") or world not in (args.world or WORLDS):
                continue
            for config, settings in configs.items():
                if not args.config or config in args.config:
                    r, b = replay(args, world, config, settings, url)
                    ran, bad = ran + r, bad + b
    finally:
        hub.kill()
    print(f"replayed {ran} recorded cases, {bad} configurations with failures")
    sys.exit(1 if bad or not ran else 0)


main()
