"""The work itself: run by compare.py with the peers' interpreter. DIR ROUNDS"""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

import torch
import zstandard
from safetensors.torch import save_file
from sae_lens import SAE
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS, WIDTH, FEATURES, TOKENS, TOP = 12, 768, 24576, 32, 25


def write_model(folder):
    """A GPT-2-small with random weights and the real tokenizer."""
    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(1)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
    packed = (ROOT / "testdata/tokenizers/gpt2/tokenizer.json.zst").read_bytes()
    (folder / "tokenizer.json").write_bytes(zstandard.ZstdDecompressor().decompress(packed, max_output_size=1 << 26))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}')


def write_source(folder, layer):
    """One standard SAE in SAELens' own format, reading the layer's residual stream."""
    if (folder / "sae_weights.safetensors").exists():
        return
    folder.mkdir(parents=True)
    torch.manual_seed(100 + layer)
    decoder = torch.nn.functional.normalize(torch.randn(FEATURES, WIDTH), dim=1)
    tensors = {"W_enc": decoder.T.contiguous(), "b_enc": -0.5 * torch.rand(FEATURES), "W_dec": decoder, "b_dec": 0.1 * torch.randn(WIDTH)}
    save_file(tensors, folder / "sae_weights.safetensors")
    metadata = {"sae_lens_version": "6.54.12", "hook_name": f"blocks.{layer}.hook_resid_pre", "model_name": "gpt2",
                "neuronpedia_id": f"bench/{layer}-res-bench"}
    config = {"architecture": "standard", "d_in": WIDTH, "d_sae": FEATURES, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True,
              "normalize_activations": "none", "reshape_activations": "none", "metadata": metadata}
    (folder / "cfg.json").write_text(json.dumps(config))


def torch_all(model, saes, ids):
    """What the Python server does: one forward pass, then each source in turn."""
    with torch.no_grad():
        states = model.transformer(ids, output_hidden_states=True, use_cache=False).hidden_states
        best = []
        for layer, sae in enumerate(saes):
            activations = sae.encode(states[layer])[0]
            activations[0] = 0
            values, rows = activations.max(dim=0)
            top = torch.topk(values, TOP)
            best += [(float(v), layer, int(i), int(rows[i])) for v, i in zip(top.values, top.indices)]
    best.sort(key=lambda b: -b[0])
    return best[:TOP]


def npinf_all(port, prompt):
    body = {"prompt": prompt, "model": "bench", "sourceSet": "res-bench", "selectedSources": [], "sortByTokenIndexes": [], "ignoreBos": True,
            "numResults": TOP}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/activation/all", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        found = json.load(answer)["activations"]
    return [(a["maxValue"], int(a["source"].split("-")[0]), a["index"], a["maxValueIndex"]) for a in found]


def start_npinf(folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [folder / "npinf", "run", folder / "model", "--port", str(port), "--host", "127.0.0.1"]
    for layer in range(LAYERS):
        command += ["--sae", folder / f"saes/{layer}-res-bench"]
    log = open(folder / "npinf.log", "w")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"NPINF_THREADS": str(torch.get_num_threads())})
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz")
            return process, port
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise SystemExit(f"npinf did not start, see {folder / 'npinf.log'}")


def timed(work):
    start = time.perf_counter()
    result = work()
    return 1000 * (time.perf_counter() - start), result


def agree(ours, theirs):
    """The same features with the same maxima; neighbours closer than rounding may swap."""
    missing = [t for t in theirs[:-1] if not any(o[1:3] == t[1:3] and abs(o[0] - t[0]) <= 1e-3 * abs(t[0]) for o in ours)]
    if missing:
        raise SystemExit(f"the answers differ: {missing[:3]} not among {ours[:3]}…")


def main():
    folder, rounds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    write_model(folder / "model")
    for layer in range(LAYERS):
        write_source(folder / f"saes/{layer}-res-bench", layer)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    prompt = " ".join(["The quick brown fox jumps over the lazy dog and"] * 4)
    prompt = tokenizer.decode(tokenizer(prompt).input_ids[: TOKENS - 1])
    ids = torch.tensor([[tokenizer.bos_token_id] + tokenizer(prompt).input_ids])
    assert ids.shape[1] == TOKENS, ids.shape
    model = GPT2LMHeadModel.from_pretrained(folder / "model", attn_implementation="eager").eval()
    saes = [SAE.load_from_disk(str(folder / f"saes/{layer}-res-bench")).eval() for layer in range(LAYERS)]
    for sae in saes:
        sae.fold_W_dec_norm()
    process, port = start_npinf(folder)
    try:
        agree(npinf_all(port, prompt), torch_all(model, saes, ids))
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(timed(lambda: torch_all(model, saes, ids))[0])
            ours.append(timed(lambda: npinf_all(port, prompt))[0])
    finally:
        process.terminate()
        process.wait()
    a, b = statistics.median(ours), statistics.median(theirs)
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    print(f"{cpu}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, medians of {rounds} in turn")
    print("| /v1/activation/all, 12 × 24,576 features, 32 tokens | ms |\n|---|---|")
    print(f"| npinf, over HTTP | {a:.1f} |\n| PyTorch + SAELens, in process | {b:.1f} |\n| ratio | {b / a:.2f} × |")


main()
