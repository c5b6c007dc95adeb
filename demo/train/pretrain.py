"""Trains the transformer and writes the checkpoint."""

from collections.abc import Callable
from itertools import islice
import json
import math
from pathlib import Path
import time

from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
import torch
from torch import Tensor
import torch.nn.functional as F

from corpus import COPY_MIXTURE
from data import MODEL_SEED, VALIDATION_SEED, batches, bytes_per_token
from document import BOS
from model import Config, Llama
from tokenizer import stop_ids

BATCH = 16
PEAK_RATE = 4e-3
VALIDATION_BATCHES = 16


def loss_of(model: Llama, ids: Tensor) -> Tensor:
    """Mean cross-entropy in nats of ids[:, 1:] given what precedes; predictions of BOS do not count."""
    targets = ids[:, 1:].clone()
    targets[targets == 0] = -100  # BOS has id 0: a new document, not to be foreseen
    return F.cross_entropy(model(ids[:, :-1]).float().flatten(0, 1), targets.flatten())


def learning_rate(step: int, steps: int) -> float:
    """Warm-up, plateau, and over the last 60 % a linear decay to zero."""
    return PEAK_RATE * min(1.0, (step + 1) / 100, (1 - step / steps) / 0.6)


def pretrain(tokenizer: Tokenizer, steps: int, log: Callable[[str], None]) -> Llama:
    """AdamW throughout. Muon without QK norm was tried and saturated the attention (scores of ±50): facts were learnt, but
    not to copy a word from earlier text."""
    model, start = new_model(tokenizer), time.time()
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed" in name]
    optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  PEAK_RATE, betas=(0.9, 0.98))
    log(f"model: {sum(p.numel() for p in model.parameters()):,} parameters, {steps} steps of {BATCH * model.config.context} tokens")
    stream = batches(tokenizer, MODEL_SEED, BATCH, model.config.context + 1, COPY_MIXTURE)
    for step, ids in enumerate(islice(stream, steps)):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if step % max(1, steps // 20) == 0 or step == steps - 1:
            log(f"step {step:5}  loss {loss.item():.4f} nats/token  {time.time() - start:6.0f} s")
    for parameter in model.parameters():  # what is kept is bf16: everything after this sees the rounded weights
        parameter.data = parameter.data.bfloat16().float()
    log(f"validation: {validation_loss(model, tokenizer) / math.log(2) / bytes_per_token(tokenizer, VALIDATION_SEED):.4f} bits/byte")
    return model


def new_model(tokenizer: Tokenizer) -> Llama:
    torch.manual_seed(0)
    assert tokenizer.token_to_id(BOS) == 0
    return Llama(Config(vocabulary=tokenizer.get_vocab_size()))


@torch.no_grad()
def validation_loss(model: Llama, tokenizer: Tokenizer) -> float:
    """Nats per token on held-out documents, in f32."""
    stream = batches(tokenizer, VALIDATION_SEED, BATCH, model.config.context + 1)
    return sum(loss_of(model, ids).item() for ids in islice(stream, VALIDATION_BATCHES)) / VALIDATION_BATCHES


def save_model(model: Llama, tokenizer: Tokenizer, folder: Path) -> None:
    bos, eos = tokenizer.token_to_id(BOS), stop_ids(tokenizer)
    tensors = {name: tensor.bfloat16().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(model.config.hugging_face(bos, eos), indent=2) + "\n")
    generation = {"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": eos[0]}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def load_model(tokenizer: Tokenizer, folder: Path) -> Llama:
    model = Llama(Config(vocabulary=tokenizer.get_vocab_size()))
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()})
    return model.eval()


@torch.no_grad()
def complete(model: Llama, tokenizer: Tokenizer, prompt: str, tokens: int = 60, add_bos: bool = True) -> str:
    """The greedy continuation of a prompt, up to a stop token."""
    ids = tokenizer.encode(prompt, add_special_tokens=add_bos).ids
    prompt_length, stops = len(ids), stop_ids(tokenizer)
    for _ in range(min(tokens, model.config.context - len(ids))):
        ids.append(model(torch.tensor([ids]))[0, -1].argmax().item())
        if ids[-1] in stops:
            break
    return tokenizer.decode(ids[prompt_length:], skip_special_tokens=True)
