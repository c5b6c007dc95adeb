"""Steered generation: one client, sixteen at once, and how long a new one waits."""

import concurrent.futures
import json

import torch
from transformers import AutoTokenizer, DynamicCache, GPT2LMHeadModel
from safetensors.torch import load_file

import weights
from harness import Row, Server

LAYER, FEATURE, STRENGTH = 6, 7, 20.0
PROMPT, NEW, CLIENTS = 32, 32, 16
ROUTE = "`steer/completion`"


def rows(place):
    model_folder, source = weights.write_gpt2(place.folder / "model"), weights.write_source(place.folder / "saes" / weights.source_name(LAYER), LAYER)
    peer = Peer(model_folder, source)
    prompts = [weights.prompt(peer.tokenizer, PROMPT, variant) for variant in range(CLIENTS)]
    texts = [text for text, _ in prompts]
    with Server(place, model_folder, [source]) as server, torch.no_grad():
        check(server, peer, prompts)
        yield from measure(place.meter, server, peer, texts, prompts[0][1])


def measure(meter, server, peer, texts, ids):
    pids, shape = [server.pid], f"{PROMPT} + {NEW} tokens ({ROUTE})"
    one, many, theirs = lambda: steer(server, texts[0]), lambda: at_once(server, texts), lambda: peer.generate(ids)
    per_second = lambda clients, work, pid=None: clients * NEW / meter.seconds(work, pid)
    pairs = meter.in_turn(pids, lambda: meter.milliseconds(one, server.pid), lambda: meter.milliseconds(theirs))
    yield Row(f"steered generation, {shape}", "ms", pairs, "PyTorch", 2.5)
    pairs = meter.in_turn(pids, lambda: per_second(CLIENTS, many, server.pid), lambda: per_second(1, theirs))
    yield Row(f"{CLIENTS} clients at once, {shape}", "tokens/s", pairs, "PyTorch, one after the other", 10, True)
    pairs = meter.in_turn(pids, lambda: per_second(CLIENTS, many, server.pid), lambda: per_second(1, one, server.pid))
    yield Row(f"{CLIENTS} clients at once, {shape}", "tokens/s", pairs, "npinf, one client", 5, True)
    if not meter.processor_time:  # waiting is not work
        pairs = meter.in_turn(pids, lambda: first_token_among(server, texts, meter), lambda: first_token(server, texts[0], meter))
        yield Row(f"first token while {CLIENTS - 1} others generate", "ms", pairs, "npinf, one client")


def body(text, kind="STEERED", new=NEW, **more):
    return {"model": "bench", "prompt": text, "types": [kind], "steerMethod": "SIMPLE_ADDITIVE", "normalizeSteering": False, "nCompletionTokens": new,
            "temperature": 0, "strengthMultiplier": 1, "freqPenalty": 0, "seed": 1,
            "features": [{"model": "bench", "source": weights.source_name(LAYER), "index": FEATURE, "strength": STRENGTH}]} | more


def steer(server, text, kind="STEERED"):
    return server.post("/v1/steer/completion", body(text, kind))["outputs"][0]["output"]


def at_once(server, texts):
    with concurrent.futures.ThreadPoolExecutor(len(texts)) as clients:
        return list(clients.map(lambda text: steer(server, text), texts))


def first_token(server, text, meter):
    """Milliseconds until the first piece of text arrives; the rest is read, too."""
    with_first = []

    def until_first():
        with_first.append(server.open("/v1/steer/completion", body(text, stream=True)))
        line = with_first[0].readline()
        assert json.loads(line.removeprefix(b"data: "))["outputs"][0]["output"], line

    took = meter.milliseconds(until_first)
    with with_first[0] as answer:
        answer.read()
    return took


def first_token_among(server, texts, meter):
    """first_token while all but one of the clients are being answered."""
    with concurrent.futures.ThreadPoolExecutor(len(texts)) as clients:
        others = [server.open("/v1/steer/completion", body(text, new=4 * NEW, stream=True)) for text in texts[1:]]
        reading = [clients.submit(answer.read) for answer in others]
        took = first_token(server, texts[0], meter)
        if any(r.done() for r in reading):
            raise SystemExit("some of the other clients were answered before the new one: make them ask for more tokens")
        for r in reading:
            r.result()
    return took


class Peer:
    """Greedy generation with a key-value cache and a vector added after a block."""

    def __init__(self, model_folder, source):
        self.tokenizer = AutoTokenizer.from_pretrained(model_folder)
        self.model = GPT2LMHeadModel.from_pretrained(model_folder, attn_implementation="sdpa").eval()
        self.vector = STRENGTH * load_file(source / "sae_weights.safetensors")["W_dec"][FEATURE]

    def generate(self, ids, steered=True):
        def add(_, __, out):
            return (out[0] + self.vector, *out[1:]) if isinstance(out, tuple) else out + self.vector

        hook = self.model.transformer.h[LAYER - 1].register_forward_hook(add) if steered else None
        cache, new, step = DynamicCache(), [], torch.tensor([ids])
        for _ in range(NEW):
            logits = self.model(step, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
            new.append(int(logits[0, -1].argmax()))
            step = torch.tensor([new[-1:]])
        if hook:
            hook.remove()
        return new


def check(server, peer, prompts):
    """Every text is the peer's, steering changes it, and none ends early."""
    together = at_once(server, [text for text, _ in prompts])
    for (text, ids), output in zip(prompts, together):
        ids = peer.generate(ids)
        assert peer.tokenizer.eos_token_id not in ids, "a text ends early: choose another strength"
        expected = peer.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        if output != expected:
            raise SystemExit(f"the texts differ: npinf {output!r}, peer {expected!r}")
    if steer(server, prompts[0][0], "DEFAULT") == together[0]:
        raise SystemExit("steering does not change the text: choose another strength")
