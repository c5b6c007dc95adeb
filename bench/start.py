"""From the start of the process to the first answer, and the memory held afterwards."""

import json
import pathlib
import subprocess
import sys

from transformers import AutoTokenizer

import activations
import weights
from harness import Row, Server, resident_megabytes

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS = 3  # a round takes as long as Python needs to start


def rows(place):
    if place.meter.processor_time:  # a start is mostly waiting
        return
    model_folder, sources = weights.write_gpt2(place.folder / "model"), weights.write_sources(place.folder / "saes")
    text, ids = weights.prompt(AutoTokenizer.from_pretrained(model_folder), 32)
    requests = [make("", text, ids) for make in (activations.FeaturesByToken, activations.AllFeatures)]
    pairs = place.meter.in_turn([], lambda: npinf(place, model_folder, sources, requests), lambda: peer(place, model_folder, sources),
                                min(ROUNDS, place.meter.rounds), tries=1)
    pick = lambda i: [(ours[i], theirs[i]) for ours, theirs in pairs]
    stored = sum(f.stat().st_size for folder in (model_folder, *sources) for f in folder.glob("*.safetensors")) / 1e6
    yield Row("start to first answer, files in the page cache", "s", pick(0), activations.PEER_SAE, 10)
    yield Row("resident memory after the first answer", "MB", pick(1), activations.PEER_SAE)
    yield Row("resident memory after all 12 sources were used", "MB", pick(2), activations.PEER_SAE)
    yield Row("resident memory after all 12 sources were used", "MB", [(ours[2], stored) for ours, _ in pairs], "the weights' files", 0.91)


def npinf(place, model_folder, sources, requests):
    """Seconds to the first answer; megabytes then, and after all sources were used."""
    first, everything = requests
    servers = []

    def until_answer():
        servers.append(Server(place, model_folder, sources).wait_until_ready(pause=0.005))
        first.ours(servers[0])

    took = place.meter.seconds(until_answer)
    with servers[0] as server:
        loaded = resident_megabytes(server.pid)
        everything.ours(server)
        return took, loaded, resident_megabytes(server.pid)


def peer(place, model_folder, sources):
    """The same for Python: a process that loads everything and answers both."""
    process = subprocess.Popen([sys.executable, HERE / "start_peer.py", str(place.meter.threads), model_folder, *sources], stdout=subprocess.PIPE, text=True)
    said = []
    took = place.meter.seconds(lambda: said.append(process.stdout.readline()))
    rest, _ = process.communicate()
    if process.returncode:
        raise SystemExit("the peer did not start")
    return took, json.loads(said[0]), json.loads(rest)
