"""Makes schemathesis ask for things that exist.

Random texts are never the name of a source, so nearly every generated request would end at the first
check. Most bodies therefore get names, indexes and hooks of the served model; the rest stays as generated.
"""

import hashlib
import json
import os
import random
import urllib.request

import schemathesis

# What the published description leaves out on purpose, so that clients generated from it stay the same: answers
# that are streams. The server's own table is in server/mismatch_test.go.
STREAMS = {"/v1/lens/prompt": "application/x-ndjson", "/v1/steer/completion": "text/event-stream", "/v1/steer/completion-chat": "text/event-stream"}

URL = os.environ["NPINF_URL"]


def fetch(path, body=None):
    request = urllib.request.Request(URL + path, data=body and json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as r:
        return json.load(r)


SOURCES = [s["id"] for s in fetch("/v1/provenance")["sources"]]
CAPABILITIES = fetch("/v1/capabilities")
SETS = CAPABILITIES["sae_sets"] + ["neurons"]
LAYERS = CAPABILITIES["num_layers"]
POINTS = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "attn.hook_z", "hook_mlp_out", "hook_attn_out", "mlp.hook_post")
WIDTH = len(fetch("/v1/activation/raw", {"prompts": ["a"], "layers": [0]})["results"][0]["activations"][0]["values"][0])


def number(r):
    return r.choice((0, 0, 1, 2, 3, 5, 7, 31, -1, 10**6))


def vector(r):
    return [r.choice((0, 1, -1, 0.5, 1e-30, 1e30)) for _ in range(r.choice((WIDTH, WIDTH, WIDTH, 1)))]


def token_feature(r):
    return {"model": "m", "source": r.choice(SOURCES), "index": number(r), "strength": r.choice((0, 1, -3, 40, 1e30))}


def steer_vector(r):
    return {"steeringVector": vector(r), "strength": r.choice((0, 1, -3, 1e20)), "hook": hook(r)}


def hook(r):
    return f"blocks.{r.choice((0, 1, LAYERS - 1, LAYERS))}.{r.choice(POINTS)}"


# What a field of a request may hold, by name.
VALUES = {
    "source": lambda r: r.choice(SOURCES + ["0", "1"]),
    "sourceId": lambda r: r.choice(SOURCES),
    "sourceSet": lambda r: r.choice(SETS),
    "selectedSources": lambda r: [r.choice(SOURCES + ["1"]) for _ in range(r.randint(0, 3))],
    "sortByTokenIndexes": lambda r: [number(r) for _ in range(r.randint(0, 2))],
    "layers": lambda r: [number(r) for _ in range(r.randint(0, 3))],
    "steerLayers": lambda r: [number(r) for _ in range(r.randint(0, 3))],
    "layer": number,
    "head": number,
    "hook": hook,
    "vector": vector,
    "features": lambda r: [token_feature(r) for _ in range(r.randint(0, 3))],
    "vectors": lambda r: [steer_vector(r) for _ in range(r.randint(0, 3))],
    "feature": lambda r: {"model": "m", "source": r.choice(SOURCES), "index": number(r)},
    "nCompletionTokens": lambda r: r.choice((1, 2, 5)),
    "numCompletionTokens": lambda r: r.choice((0, 0, 1, 3)),
    "hookPoint": lambda r: "residual_stream",
    "topN": lambda r: r.choice((0, 1, 5, 1000)),
    "maxSeqLen": lambda r: r.choice((None, 1, 3, 100)),
    "inputTokenIds": lambda r: [r.choice((0, 1, 100, 5000, 10**7)) for _ in range(r.choice((0, 0, 3)))],
    "cachedTokenIds": lambda r: [r.choice((0, 1, 100)) for _ in range(r.choice((0, 0, 3)))],
    "steerTokens": lambda r: [lens_token(r) for _ in range(r.choice((0, 0, 1, 2)))],
    "swapToken": lambda r: r.choice((None, None, lens_token(r))),
    "steerStrength": lambda r: r.choice((0, 1, -3, 1e30)),
    "temperature": lambda r: r.choice((0, 0.7, 1e-30, 1e30)),
    "strengthMultiplier": lambda r: r.choice((0, 1, -1, 1e30)),
    "seed": lambda r: r.choice((0, 16, -1, 2**53)),
}


def lens_token(r):
    return {"token": r.choice((" the", "a", "<|endoftext|>", "<eos>", "no such token")), "type": r.choice(("LOGIT_LENS", "LOGIT_LENS", "JACOBIAN_LENS"))}


def messages(r):
    roles = r.choice((("user",), ("user", "assistant", "user"), ("system", "user"), ("user", "user"), ("assistant",), ()))
    return [{"role": role, "content": r.choice(("Hi", "", "<think>so</think>Yes", "é🙂" * 3))} for role in roles]


def kind(body, r):
    """The field type means one thing to the lens and another to raw."""
    if "prompts" in body:
        return "final_output_token"
    return r.choice((["LOGIT_LENS"], ["LOGIT_LENS"], ["LOGIT_LENS", "JACOBIAN_LENS"]))


@schemathesis.check
def no_defect(ctx, response, case):
    """No server error, but for results that are not finite: the request asked for too much."""
    if response.status_code >= 500:
        assert "not finite" in response.text or "Non-finite" in response.text, f"status {response.status_code}: {response.text[:500]}"


@schemathesis.check
def documented_type(ctx, response, case):
    """A content type as described, or a stream where one was asked for."""
    got = response.headers.get("content-type", [""])[0].partition(";")[0]
    stream = STREAMS.get(case.operation.path)
    assert got == "application/json" or response.status_code == 200 and got == stream, f"content type {got}"


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    r = random.Random(hashlib.sha256(repr(sorted(body.items(), key=lambda kv: str(kv[0]))).encode("utf-8", "replace")).digest())
    body = dict(body)
    for name, value in VALUES.items() if r.random() < 0.85 else ():
        if name in body and r.random() < 0.95:
            body[name] = value(r)
    if "type" in body and r.random() < 0.95:
        body["type"] = kind(body, r)
    for name in ("messages", "chat", "prompt"):
        if isinstance(body.get(name), list) and r.random() < 0.8:
            body[name] = messages(r)
    if isinstance(body.get("prompts"), list) and r.random() < 0.95:
        body["prompts"] = body["prompts"][:3] or ["a"]
    if "index" in body and r.random() < 0.95:
        body["index"] = str(number(r)) if isinstance(body["index"], str) else number(r)
    exclusive(body, r)
    for name in ("nCompletionTokens", "numCompletionTokens"):  # thousands of tokens are no mistake, they only take their time
        if isinstance(body.get(name), int) and body[name] > 40:
            body[name] = 40
    return body


def exclusive(body, r):
    """Leaves one of two alternatives, which most requests are refused for otherwise."""
    for one, other in (("features", "vectors"), ("feature", "vector"), ("prompt", "chat")):
        if body.get(one) is not None and body.get(other) is not None and r.random() < 0.95:
            body.pop(r.choice((one, other)))
    if body.get("source") is not None and body.get("vector") is not None and body.get("hook") is not None and r.random() < 0.95:
        for name in r.choice((("source", "index"), ("vector", "hook"))):
            body.pop(name, None)
