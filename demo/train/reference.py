"""Reference values for the Go tests, from other people's code: transformers runs the checkpoint, SAELens the SAEs.

Everything is f32 arithmetic on the widened weights. SAE activations are as they are served: decoder norms are not folded
into top-k activations. The training code must agree, which checks the export as well.
"""

from collections.abc import Callable
import json
from pathlib import Path

from sae_lens import SAE as LensSAE
from tokenizers import Tokenizer
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from model import Llama
from sae import load_sae, source_id

PROMPTS = ["Once upon a time", "7 + 5 =", "The French word for dog is", "Emma had a red hat. One day, the red"]
MESSAGES = [{"role": "user", "content": "Tell me a story about a blue boat."}]
NEW_TOKENS = 24
TOLERANCE = 1e-4  # relative to the largest value, between two f32 implementations


def write_reference(model: Llama, tokenizer: Tokenizer, folder: Path, path: Path, log: Callable[[str], None]) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    their_tokenizer = AutoTokenizer.from_pretrained(folder)
    saes = {source: LensSAE.load_from_disk(str(folder / "sae" / source), device="cpu").eval()
            for source in map(source_id, range(model.config.layers))}
    cases = [case(prompt, model, theirs, their_tokenizer, saes, folder) for prompt in PROMPTS]
    text = their_tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
    ids = their_tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == tokenizer.encode(text, add_special_tokens=False).ids
    chat = {"messages": MESSAGES, "text": text, "ids": ids, "continuation": continuation(theirs, their_tokenizer, ids)}
    path.write_text(json.dumps({"cases": cases, "chat": chat}, indent=1, ensure_ascii=False) + "\n")
    log(f"reference: transformers and SAELens agree with the training code on {len(cases)} prompts")


@torch.no_grad()
def case(prompt: str, model: Llama, theirs, tokenizer, saes: dict[str, LensSAE], folder: Path) -> dict:
    ids = tokenizer(prompt)["input_ids"]
    residuals: list[torch.Tensor] = []
    hooks = [layer.register_forward_hook(lambda _m, _i, out: residuals.append(out[0] if out.dim() == 2 else out[0][-1]))
             for layer in theirs.model.layers]
    logits = theirs(torch.tensor([ids])).logits[0, -1]
    for hook in hooks:
        hook.remove()
    agree(logits, model(torch.tensor([ids]))[0, -1])
    top = logits.topk(5)
    features = {}
    for layer, (source, sae) in enumerate(saes.items()):
        acts, own = sae.encode(residuals[layer]), load_sae(layer, folder)
        agree(acts, own.encode(model.residuals(torch.tensor([ids]))[layer][0, -1]))
        best = acts.topk(5)
        features[source] = [{"index": i, "value": v} for v, i in zip(best.values.tolist(), best.indices.tolist())]
    return {
        "prompt": prompt, "ids": ids, "tokens": [tokenizer.decode([i]) for i in ids],
        "logits": [{"id": i, "token": tokenizer.decode([i]), "value": v} for v, i in zip(top.values.tolist(), top.indices.tolist())],
        "residPost": {"layer": model.config.layers - 1, "position": len(ids) - 1, "first": residuals[-1][:4].tolist()},
        "features": features, "continuation": continuation(theirs, tokenizer, ids),
    }


def agree(expected: torch.Tensor, got: torch.Tensor) -> None:
    difference, largest = (expected - got).abs().max(), expected.abs().max()
    assert difference <= TOLERANCE * largest, f"differs by {difference} where values reach {largest}"


@torch.no_grad()
def continuation(theirs, tokenizer, ids: list[int]) -> str:
    """Greedy, up to NEW_TOKENS tokens or a stop token, which is not part of the text."""
    out = theirs.generate(torch.tensor([ids]), max_new_tokens=NEW_TOKENS, do_sample=False)[0, len(ids):]
    return tokenizer.decode(out, skip_special_tokens=True)
