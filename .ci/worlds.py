"""Starts the stand-in hub and npinf on the recorded configurations."""

import contextlib
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


def configurations(shared):
    """The environments by world and configuration."""
    worlds = json.loads((shared / "golden/server/configs.json").read_text())
    return {name: configs for name, configs in worlds.items() if not name.startswith("_")}


@contextlib.contextmanager
def serve_hub(shared, tree):
    """Serves the tree as the Hub would; gives its address."""
    port = free_port()
    command = [sys.executable, str(shared / "tools/fakehub.py"), str(tree), str(port)]
    for repo in GATED:
        command += ["--gated", repo]
    hub = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while answers(f"http://127.0.0.1:{port}/") is None:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        hub.kill()


def environment(settings, hub, cache, port, cpu=None):
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


@contextlib.contextmanager
def serve(npinf, settings, hub="http://127.0.0.1:9", persona=None, cpu=None):
    """Runs npinf with a configuration; gives its address and the file of its log."""
    with tempfile.TemporaryDirectory() as scratch:
        port, log = free_port(), pathlib.Path(scratch) / "log"
        env = environment(settings, hub, scratch + "/cache", port, cpu)
        if persona and persona.is_dir():
            env["PERSONA_DIR"] = str(persona)
        with open(log, "w") as out:
            server = subprocess.Popen([npinf, "run"], env=env, stdout=out, stderr=out, cwd=scratch)
        try:
            wait(server, port)
            yield f"http://127.0.0.1:{port}", log
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
