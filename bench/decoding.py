"""Decoding of one sequence against llama.cpp, in float32 and in bfloat16."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

import weights
from harness import Row, Server

PROMPT, NEW = 32, 64
COMPARED = 8  # tokens; later ones are near ties, which llama.cpp's 2-byte cache and activations decide otherwise
HERE = pathlib.Path(__file__).resolve().parent
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def rows(place):
    if not importlib.util.find_spec("llama_cpp"):
        print("llama.cpp is not installed (--llama builds it): decoding is left out", file=sys.stderr)
        return
    for name, dtype in DTYPES.items():
        folder = weights.write_llama(place.folder / f"llama-{name}", dtype)
        file = write_gguf(folder, place.folder / f"llama-{name}.gguf", name)
        text, ids = weights.prompt(AutoTokenizer.from_pretrained(folder), PROMPT)
        with Server(place, folder, []) as server, LlamaCpp(place, file) as peer:
            check(server, peer, text, ids, folder)
            pairs = place.meter.in_turn([server.pid, peer.pid], lambda: per_token(place.meter, server.pid, lambda new: generate(server, text, new)),
                                        lambda: per_token(place.meter, peer.pid, lambda new: peer.generate(ids, new)))
        yield Row(f"decoding, SmolLM2-135M's shape, {name} weights", "ms/token", pairs, "llama.cpp")


def per_token(meter, pid, generate):
    """Milliseconds of a step: the prompt's share is measured by itself and taken off."""
    first = meter.milliseconds(lambda: generate(1), pid)
    return (meter.milliseconds(lambda: generate(1 + NEW), pid) - first) / NEW


def generate(server, text, new, **more):
    request = {"model": "bench", "prompt": text, "types": ["DEFAULT"], "steerMethod": "SIMPLE_ADDITIVE", "normalizeSteering": False, "temperature": 0,
               "nCompletionTokens": new, "strengthMultiplier": 1, "freqPenalty": 0, "seed": 1, "features": []}
    return server.post("/v1/steer/completion", request | more)["outputs"][0]


def check(server, peer, text, ids, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected, got = tokenizer.decode(peer.generate(ids, COMPARED), clean_up_tokenization_spaces=False), generate(server, text, COMPARED)["output"]
    longest = generate(server, text, 1 + NEW, nLogprobs=1)
    if len(longest["logprobs"]) != 1 + NEW:
        raise SystemExit("npinf's text ends early: choose other weights")
    if got != expected:
        raise SystemExit(f"the texts differ: npinf {got!r}, llama.cpp {expected!r}")


class LlamaCpp:
    """llama.cpp in a process of its own, so that its threads and PyTorch's do not meet."""

    def __init__(self, place, file):
        with open(place.folder / "llama.log", "w") as err:
            self.process = subprocess.Popen([sys.executable, HERE / "llama_peer.py", file, str(place.meter.threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=err, text=True)
        self.pid = self.process.pid

    def generate(self, ids, new):
        self.process.stdin.write(json.dumps({"ids": ids, "new": new}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


BLOCK = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
         "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def write_gguf(folder, file, name):
    """The same tensors in llama.cpp's format, without a vocabulary: it is given ids."""
    import gguf

    if file.exists():
        return file
    config, tensors = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")
    out = gguf.GGUFWriter(file, "llama")
    out.add_tokenizer_model("no_vocab")
    out.add_vocab_size(config["vocab_size"])
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_head_count(config["num_attention_heads"])
    out.add_head_count_kv(config["num_key_value_heads"])
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    out.add_rope_freq_base(config.get("rope_theta") or config["rope_parameters"]["rope_theta"])
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}

    def add(target, tensor):
        if tensor.ndim == 1 or name == "f32":  # the norms are float32 in either file
            out.add_tensor(target, tensor.float().numpy())
        else:
            out.add_tensor(target, tensor.contiguous().view(torch.uint8).numpy(), raw_dtype=gguf.GGMLQuantizationType.BF16)

    add("token_embd.weight", tensors["model.embed_tokens.weight"])
    add("output_norm.weight", tensors["model.norm.weight"])
    for layer in range(config["num_hidden_layers"]):
        for target, source in BLOCK.items():
            tensor = tensors[f"model.layers.{layer}.{source}.weight"]
            add(f"blk.{layer}.{target}.weight", interleave(tensor, heads[target]) if target in heads else tensor)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return file


def interleave(tensor, heads):
    """Rows in the order of llama.cpp's rotation: pairs are neighbours instead of half a head apart."""
    rows, columns = tensor.shape
    return tensor.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
