"""A Llama-architecture transformer, as small as it is readable, and its training.

Parameter names are those of Hugging Face's LlamaForCausalLM, so that the state dict is the checkpoint.
"""

from dataclasses import dataclass
import math

import torch
from torch import Tensor, nn
import torch.nn.functional as F


@dataclass(frozen=True)
class Config:
    vocabulary: int = 1536
    width: int = 128          # d_model
    layers: int = 4
    heads: int = 4            # query heads of width/heads each
    kv_heads: int = 2
    mlp_width: int = 384
    context: int = 256
    rope_theta: float = 10000.0
    norm_epsilon: float = 1e-5

    def hugging_face(self, bos: int, eos: list[int]) -> dict:
        return {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": self.vocabulary,
            "hidden_size": self.width, "intermediate_size": self.mlp_width, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads,
            "head_dim": self.width // self.heads, "max_position_embeddings": self.context,
            "rope_theta": self.rope_theta, "rms_norm_eps": self.norm_epsilon, "hidden_act": "silu",
            "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "initializer_range": 0.02,
            "bos_token_id": bos, "eos_token_id": eos, "torch_dtype": "bfloat16", "use_cache": True,
        }


class RMSNorm(nn.Module):
    def __init__(self, width: int, epsilon: float):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.heads, self.kv_heads, self.head_width = c.heads, c.kv_heads, c.width // c.heads
        self.q_proj = nn.Linear(c.width, c.heads * self.head_width, bias=False)
        self.k_proj = nn.Linear(c.width, c.kv_heads * self.head_width, bias=False)
        self.v_proj = nn.Linear(c.width, c.kv_heads * self.head_width, bias=False)
        self.o_proj = nn.Linear(c.heads * self.head_width, c.width, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        def split(rows: Tensor, heads: int) -> Tensor:
            return rows.view(batch, length, heads, self.head_width).transpose(1, 2)
        q = rotate(split(self.q_proj(x), self.heads), rope)
        k = rotate(split(self.k_proj(x), self.kv_heads), rope)
        v = split(self.v_proj(x), self.kv_heads)
        group = self.heads // self.kv_heads
        z = F.scaled_dot_product_attention(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), mask)
        return self.o_proj(z.transpose(1, 2).reshape(batch, length, -1))


def document_mask(ids: Tensor) -> Tensor:
    """[batch, 1, query, key]: true where the key is not later and in the same document, which a BOS (id 0) begins.
    In training several documents share a row; in use there is one, and this is the causal mask."""
    document = (ids == 0).cumsum(1)
    return ((document[:, :, None] == document[:, None, :]) & torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril())[:, None]


def rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position embedding, rotate-half layout."""
    cos, sin = rope
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class MLP(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.gate_proj = nn.Linear(c.width, c.mlp_width, bias=False)
        self.up_proj = nn.Linear(c.width, c.mlp_width, bias=False)
        self.down_proj = nn.Linear(c.mlp_width, c.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.input_layernorm, self.self_attn = RMSNorm(c.width, c.norm_epsilon), Attention(c)
        self.post_attention_layernorm, self.mlp = RMSNorm(c.width, c.norm_epsilon), MLP(c)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocabulary, c.width)
        self.layers = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = RMSNorm(c.width, c.norm_epsilon)


class Llama(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config, self.model = config, Trunk(config)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deep = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * config.layers) if deep else 1))

    def residuals(self, ids: Tensor) -> list[Tensor]:
        """resid_post of every layer: [batch, length, width] each."""
        half = self.config.width // self.config.heads // 2
        frequencies = self.config.rope_theta ** (-torch.arange(half) / half)
        angles = torch.arange(ids.shape[1])[:, None] * frequencies
        rope = angles.cos(), angles.sin()
        x, mask, result = self.model.embed_tokens(ids), document_mask(ids), []
        for layer in self.model.layers:
            x = layer(x, rope, mask)
            result.append(x)
        return result

    def forward(self, ids: Tensor) -> Tensor:
        """Logits [batch, length, vocabulary]; the unembedding is the embedding, transposed."""
        return F.linear(self.model.norm(self.residuals(ids)[-1]), self.model.embed_tokens.weight)
