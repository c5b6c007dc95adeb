"""Forward passes and what is read from them: features, attention, lens."""

import torch
from sae_lens import SAE
from transformers import AutoTokenizer, GPT2LMHeadModel

import weights
from harness import Row, Server

TOP = 25
LAST = weights.LAYERS - 1
LENS_TOP = 10
PEER, PEER_SAE = "PyTorch", "PyTorch + SAELens"


def rows(place):
    model_folder, sources = weights.write_gpt2(place.folder / "model"), weights.write_sources(place.folder / "saes")
    peer = Peer(model_folder, sources)
    with Server(place, model_folder, sources) as server:
        todo = list(cases(peer.tokenizer))
        with torch.no_grad():
            for case in todo:  # first, because it also brings all sources into memory
                case.compare(case.ours(server), case.theirs(peer), peer)
            for case in todo:
                yield measure(case, server, peer, place.meter)


class Peer:
    """The model and the sources in PyTorch, as a Python server holds them."""

    def __init__(self, model_folder, sources):
        self.tokenizer = AutoTokenizer.from_pretrained(model_folder)
        self.model = GPT2LMHeadModel.from_pretrained(model_folder, attn_implementation="eager").eval()
        self.saes = [SAE.load_from_disk(str(source)).eval() for source in sources]
        for sae in self.saes:
            sae.fold_W_dec_norm()

    def states(self, ids):
        return self.model.transformer(ids, output_hidden_states=True, use_cache=False).hidden_states


def cases(tokenizer):
    text32, ids32 = weights.prompt(tokenizer, 32)
    text128, ids128 = weights.prompt(tokenizer, 128)
    yield Prefill("forward pass, 32 tokens", text32, ids32)
    yield Prefill("forward pass, 128 tokens", text128, ids128)
    yield AllFeatures("strongest of 12 × 24,576 features, 32 tokens", text32, ids32, 2.5)
    yield AllFeatures("strongest of 12 × 24,576 features, 128 tokens", text128, ids128, 2.5)
    yield FeaturesByToken("strongest features of each of 32 tokens, 1 × 24,576", text32, ids32)
    yield Attention("attention pattern of a head, 128 tokens", text128, ids128)
    yield Lens("logit lens, 32 tokens × 12 layers", text32, ids32, 4.0)


def measure(case, server, peer, meter):
    ours, theirs = lambda: case.ours(server), lambda: case.theirs(peer)
    pairs = meter.in_turn([server.pid], lambda: meter.milliseconds(ours, server.pid), lambda: meter.milliseconds(theirs))
    return Row(f"{case.title} (`{case.route}`)", "ms", pairs, case.peer, case.target)


class Case:
    """One request and the same work in PyTorch."""

    peer = PEER

    def __init__(self, title, text, ids, target=None):
        self.title, self.text, self.ids, self.target = title, text, torch.tensor([ids]), target


def require(agreed, what, ours, theirs):
    if not agreed:
        raise SystemExit(f"{what}: the answers differ: npinf {str(ours)[:300]}, peer {str(theirs)[:300]}")


def near(a, b):
    """Within the rounding of float32 sums."""
    return abs(a - b) <= 1e-3 * max(abs(a), abs(b), 1e-2)


class Prefill(Case):
    route = "activation/raw"

    def ours(self, server):
        return server.post("/v1/activation/raw", {"prompts": [self.text], "layers": [LAST]})["results"][0]["activations"][0]["values"][0]

    def theirs(self, peer):
        rows = []
        hook = peer.model.transformer.h[LAST].register_forward_hook(lambda _, __, out: rows.append(out[0] if isinstance(out, tuple) else out))
        peer.model.transformer(self.ids, use_cache=False)
        hook.remove()
        return rows[0][0, -1].tolist()

    def compare(self, ours, theirs, _):
        require(len(ours) == len(theirs) and all(abs(a - b) <= 1e-3 for a, b in zip(ours, theirs)), self.title, ours[:5], theirs[:5])


class AllFeatures(Case):
    route, peer = "activation/all", PEER_SAE

    def ours(self, server):
        found = server.post("/v1/activation/all", {"prompt": self.text, "model": "bench", "sourceSet": weights.SET, "selectedSources": [],
                                                   "sortByTokenIndexes": [], "ignoreBos": True, "numResults": TOP})["activations"]
        return [(a["maxValue"], int(a["source"].split("-")[0]), a["index"], a["maxValueIndex"]) for a in found]

    def theirs(self, peer):
        states, best = peer.states(self.ids), []
        for layer, sae in enumerate(peer.saes):
            activations = sae.encode(states[layer])[0]
            activations[0] = 0
            values, rows = activations.max(dim=0)
            top = torch.topk(values, TOP)
            best += [(float(v), layer, int(i), int(rows[i])) for v, i in zip(top.values, top.indices)]
        return sorted(best, reverse=True)[:TOP]

    def compare(self, ours, theirs, _):
        for t in theirs[:-1]:  # the last may change places with the one after it
            require(any(o[1:] == t[1:] and near(o[0], t[0]) for o in ours), self.title, ours[:5], t)


class FeaturesByToken(Case):
    route, peer = "activation/topk-by-token", PEER_SAE

    def ours(self, server):
        found = server.post("/v1/activation/topk-by-token", {"model": "bench", "source": weights.source_name(LAST), "prompt": self.text,
                                                            "topK": 5, "ignoreBos": True})["results"]
        return [[(f["featureIndex"], f["activationValue"]) for f in token["topFeatures"]] for token in found]

    def theirs(self, peer):
        top = torch.topk(peer.saes[LAST].encode(peer.states(self.ids)[LAST])[0, 1:], 5)
        return [list(zip(i, v)) for i, v in zip(top.indices.tolist(), top.values.tolist())]

    def compare(self, ours, theirs, _):
        require(len(ours) == len(theirs), self.title, len(ours), len(theirs))
        for o, t in zip(ours, theirs):
            require(all(near(a[1], b[1]) for a, b in zip(o, t)) and o[0][0] == t[0][0], self.title, o, t)


class Attention(Case):
    route = "activation/attention"
    head = 3

    def ours(self, server):
        found = server.post("/v1/activation/attention", {"model": "bench", "prompt": self.text, "layer": LAST, "head": self.head})
        return dict(zip(found["attentionIndices"], found["attentionValues"]))

    def theirs(self, peer):
        pattern = peer.model.transformer(self.ids, output_attentions=True, use_cache=False).attentions[LAST][0, self.head]
        top = torch.topk(pattern, 8)
        return {q * len(pattern) + k: round(v, 4) for q, (keys, values) in enumerate(zip(top.indices.tolist(), top.values.tolist()))
                for k, v in zip(keys, values) if v >= 0.005}

    def compare(self, ours, theirs, _):
        shared = ours.keys() & theirs.keys()  # the eighth and the ninth key may change places
        require(len(shared) > 0.99 * len(theirs), self.title, len(ours), len(theirs))
        require(all(abs(ours[k] - theirs[k]) <= 2e-4 for k in shared), self.title, ours, theirs)


class Lens(Case):
    route = "lens/prompt"

    def ours(self, server):
        found = server.post("/v1/lens/prompt", {"model": "bench", "type": ["LOGIT_LENS"], "prompt": self.text, "topN": LENS_TOP, "stream": False,
                                                "filterNonWordTokens": False})["tokens"]
        return [(token["results"][0]["top_tokens"], token["results"][0]["top_probs"]) for token in found]

    def theirs(self, peer):
        states, tokens, layers = peer.states(self.ids), {}, []
        for layer in range(weights.LAYERS):
            state = states[layer + 1] if layer == LAST else peer.model.transformer.ln_f(states[layer + 1])
            top = torch.topk(torch.softmax(peer.model.lm_head(state)[0], dim=-1), LENS_TOP)
            layers.append((top.indices.tolist(), top.values.tolist()))
        text = lambda i: tokens.setdefault(i, peer.tokenizer.decode([i]))
        return [([[text(i) for i in layer[0][row]] for layer in layers], [[round(p, 4) for p in layer[1][row]] for layer in layers])
                for row in range(self.ids.shape[1])]

    def compare(self, ours, theirs, _):
        require(len(ours) == len(theirs), self.title, len(ours), len(theirs))
        same = [a[0] == b[0] for o, t in zip(ours, theirs) for a, b in zip(o[0], t[0])]
        require(len(same) == 32 * weights.LAYERS and sum(same) >= 0.95 * len(same), self.title, ours[1], theirs[1])
