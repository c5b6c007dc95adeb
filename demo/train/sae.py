"""Sparse autoencoders: one per layer on resid_post, each with the K largest features of a token (Gao et al., 2024).

BOS positions are left out: their norm is far from all others. A few words also have large norms; so every token's error
counts relative to its own norm. Tried and left: BatchTopK kept as JumpReLU, where the large tokens took the features of the
others (a "?" had none), and a Matryoshka loss, whose features were denser and fitted fewer statements of labels.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
import json
from pathlib import Path
import time

from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
import torch
from torch import Tensor

from data import SAE_SEED, SAE_VALIDATION_SEED, batches
from model import Llama

FEATURES = 1024
K = 8                     # features per token
MINIBATCH = 1024          # tokens per step
BUFFER_BATCHES = 8        # batches of 16 rows whose tokens are shuffled together
DEAD_AFTER = 200          # steps without firing
AUXILIARY = 64            # dead features that try to explain what is left over
LEARNING_RATE = 3e-3


@dataclass
class SAE:
    """x [*, d] → acts [*, FEATURES] → x̂ [*, d]; tensors in SAELens' names and orientation."""
    W_enc: Tensor      # [d, FEATURES]
    b_enc: Tensor      # [FEATURES]
    W_dec: Tensor      # [FEATURES, d], rows of norm 1
    b_dec: Tensor      # [d]

    def pre(self, x: Tensor) -> Tensor:
        return (x - self.b_dec) @ self.W_enc + self.b_enc

    def encode(self, x: Tensor) -> Tensor:
        values, index = self.pre(x).topk(K, dim=-1)
        return torch.zeros(*x.shape[:-1], FEATURES).scatter(-1, index, values.relu())

    def decode(self, acts: Tensor) -> Tensor:
        return acts @ self.W_dec + self.b_dec

    def parameters(self) -> dict[str, Tensor]:
        return vars(self)


def residual_buffers(model: Llama, tokenizer: Tokenizer, seed: int) -> Iterator[list[Tensor]]:
    """Per layer the shuffled residuals [tokens, d] of some rows of text, without BOS positions."""
    stream = batches(tokenizer, seed, 16, model.config.context)
    while True:
        layers: list[list[Tensor]] = [[] for _ in range(model.config.layers)]
        for ids in islice(stream, BUFFER_BATCHES):
            keep = ids.flatten() != 0
            with torch.no_grad():
                for layer, residual in enumerate(model.residuals(ids)):
                    layers[layer].append(residual.flatten(0, 1)[keep])
        count = sum(part.shape[0] for part in layers[0])
        order = torch.randperm(count)
        yield [torch.cat(parts)[order] for parts in layers]


def distinct_directions(examples: Tensor) -> Tensor:
    """FEATURES unit vectors [FEATURES, d]: the examples' directions, each unlike (cosine below 0.8) those before it, and
    random ones when the examples run out. Two equal features would stay equal for ever."""
    chosen = torch.zeros(0, examples.shape[1])
    for candidates in torch.nn.functional.normalize(examples, dim=1).split(64):
        for candidate in candidates:
            if len(chosen) < FEATURES and (len(chosen) == 0 or (chosen @ candidate).max() < 0.8):
                chosen = torch.cat([chosen, candidate[None]])
    rest = torch.randn(FEATURES - len(chosen), examples.shape[1])
    return torch.cat([chosen, torch.nn.functional.normalize(rest, dim=1)])


class Trainer:
    """Trains one SAE. Inputs are scaled so that their mean norm is √d; `finished` undoes it."""

    def __init__(self, first: Tensor, steps: int):
        width = first.shape[1]
        self.scale = width ** 0.5 / first.norm(dim=1).mean()
        directions = distinct_directions(first - first.mean(0))  # each feature starts as one example
        self.sae = SAE(directions.T.clone(), torch.zeros(FEATURES), directions.clone(), (first * self.scale).mean(0))
        self.trained = [self.sae.W_enc, self.sae.b_enc, self.sae.W_dec, self.sae.b_dec]
        for tensor in self.trained:
            tensor.requires_grad_(True)
        self.optimiser = torch.optim.Adam(self.trained, LEARNING_RATE, betas=(0.9, 0.99))
        self.steps, self.done = steps, 0
        self.last_fired = torch.zeros(FEATURES, dtype=torch.long)

    def step(self, x: Tensor) -> None:
        x = x * self.scale
        rectified = self.sae.pre(x).relu()
        values, index = rectified.topk(K, dim=1)
        acts = torch.zeros_like(rectified).scatter(1, index, values)
        rest = x - self.sae.decode(acts)
        weight = 1 / (x - self.sae.b_dec.detach()).square().sum(1)  # a few tokens have norms far above the others'
        loss = (rest.square().sum(1) * weight).mean() + self._auxiliary_loss(rest.detach(), rectified, weight)
        for group in self.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (self.done + 1) / 100, (1 - self.done / self.steps) / 0.4)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            self.sae.W_dec /= self.sae.W_dec.norm(dim=1, keepdim=True)
            self.last_fired[(acts > 0).any(0)] = self.done
        self.done += 1

    def _auxiliary_loss(self, rest: Tensor, rectified: Tensor, weight: Tensor) -> Tensor | float:
        dead = (self.done - self.last_fired > DEAD_AFTER).nonzero().flatten()
        if len(dead) == 0:
            return 0.0
        values, index = rectified[:, dead].topk(min(AUXILIARY, len(dead)), dim=1)
        acts = torch.zeros(len(rest), len(dead)).scatter(1, index, values)
        return ((rest - acts @ self.sae.W_dec[dead]).square().sum(1) * weight).mean() / 32

    def finished(self) -> SAE:
        """The SAE for unscaled inputs, rounded to f16 as it is stored."""
        tensors = {name: tensor.detach() for name, tensor in self.sae.parameters().items()}
        tensors |= {"b_enc": tensors["b_enc"] / self.scale, "b_dec": tensors["b_dec"] / self.scale}
        return SAE(**{name: tensor.half().float() for name, tensor in tensors.items()})


def train_saes(model: Llama, tokenizer: Tokenizer, steps: int, log: Callable[[str], None]) -> list[SAE]:
    torch.manual_seed(1)
    buffers, start, done = residual_buffers(model, tokenizer, SAE_SEED), time.time(), 0
    buffer = next(buffers)
    trainers = [Trainer(rows, steps) for rows in buffer]
    while done < steps:
        for position in range(0, len(buffer[0]) - MINIBATCH + 1, MINIBATCH):
            if done < steps:
                for trainer, rows in zip(trainers, buffer):
                    trainer.step(rows[position:position + MINIBATCH])
                done += 1
        buffer = next(buffers)
    log(f"SAEs: {steps} steps of {MINIBATCH} tokens for each layer, {time.time() - start:.0f} s")
    saes = [trainer.finished() for trainer in trainers]
    for layer, (sae, quality) in enumerate(zip(saes, evaluate(saes, model, tokenizer))):
        log(f"layer {layer}: " + "  ".join(f"{name} {value:.4g}" for name, value in quality.items()))
    return saes


@torch.no_grad()
def evaluate(saes: list[SAE], model: Llama, tokenizer: Tokenizer) -> list[dict[str, float]]:
    """Mean L0, explained variance and dead features of each SAE on held-out text."""
    result = []
    for sae, x in zip(saes, next(residual_buffers(model, tokenizer, SAE_VALIDATION_SEED))):
        acts = sae.encode(x)
        unexplained = (x - sae.decode(acts)).square().sum() / (x - x.mean(0)).square().sum()
        result.append({"l0": (acts > 0).sum(1).float().mean().item(), "explained_variance": 1 - unexplained.item(),
                       "dead_features": ((acts > 0).sum(0) == 0).sum().item()})
    return result


def source_id(layer: int) -> str:
    return f"{layer}-res-demo"


def save_sae(sae: SAE, layer: int, context: int, folder: Path) -> None:
    """Writes SAELens' native layout (version 6): cfg.json and sae_weights.safetensors."""
    place = folder / "sae" / source_id(layer)
    place.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half().contiguous() for name, tensor in sae.parameters().items()}, place / "sae_weights.safetensors")
    config = {
        "d_in": sae.W_enc.shape[0], "d_sae": FEATURES, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True,
        "normalize_activations": "none", "reshape_activations": "none", "architecture": "topk", "k": K,
        "rescale_acts_by_decoder_norm": False,
        "metadata": {
            "sae_lens_version": "6.54.12", "model_name": "npinf-demo", "hook_name": f"blocks.{layer}.hook_resid_post",
            "hook_head_index": None, "neuronpedia_id": f"npinf-demo/{source_id(layer)}", "prepend_bos": True,
            "context_size": context, "dataset_path": "npinf-demo grammar",
        },
    }
    (place / "cfg.json").write_text(json.dumps(config, indent=2) + "\n")


def load_sae(layer: int, folder: Path) -> SAE:
    tensors = load_file(folder / "sae" / source_id(layer) / "sae_weights.safetensors")
    return SAE(**{name: tensor.float() for name, tensor in tensors.items()})
