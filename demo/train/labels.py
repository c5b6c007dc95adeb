"""Labels for SAE features: what each one fires on, checked against what the corpus knows of every token.

A statement such as "the token is a colour word" is true of some tokens. A feature gets the statement that fits it best:
precision is the share of the feature's activation where the statement is true, recall the share of the true tokens on
which it fires. Failing that, up to three tokens that make up most of its activation; failing that, no label.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
import gzip
from itertools import islice
import json
from pathlib import Path

from tokenizers import Tokenizer
import torch
from torch import Tensor

from corpus import documents
from data import LABEL_SEED, annotated
from lexicon import CATEGORY_TITLES, GROUP_TITLES
from model import Llama
from sae import FEATURES, SAE, source_id

DOCUMENTS = 3000
MINIMUM_PRECISION, MINIMUM_RECALL = 0.8, 0.25
PAIR_PENALTY = 0.05   # a statement about two things must be better by this much


@dataclass
class Sample:
    """Annotated tokens, one entry per token, documents one after the other without their BOS."""
    ids: list[int]
    kinds: list[str]
    categories: list[str | None]
    document_starts: list[int]
    residuals: list[Tensor]  # per layer [tokens, d]


@torch.no_grad()
def take_sample(model: Llama, tokenizer: Tokenizer) -> Sample:
    sample, parts = Sample([], [], [], [], []), [[] for _ in range(model.config.layers)]
    for document in islice(documents(LABEL_SEED), DOCUMENTS):
        ids, categories = annotated(tokenizer, document, model.config.context)
        for layer, residual in enumerate(model.residuals(torch.tensor([ids]))):
            parts[layer].append(residual[0, 1:])
        sample.document_starts.append(len(sample.ids))
        sample.ids += ids[1:]
        sample.categories += categories[1:]
        sample.kinds += [document.kind] * (len(ids) - 1)
    sample.residuals = [torch.cat(rows) for rows in parts]
    return sample


@dataclass
class Variable:
    """One thing known of every token: a value (or None), and how a value reads in a label."""
    values: list[str | None]
    penalty: float = 0.0


def quoted(token: int, tokenizer: Tokenizer) -> str:
    return "“" + tokenizer.decode([token], skip_special_tokens=False).strip(" ").replace("\n", "⏎") + "”"


def variables(sample: Sample, tokenizer: Tokenizer) -> list[Variable]:
    starts = set(sample.document_starts)
    titles = [CATEGORY_TITLES.get(category) for category in sample.categories]
    following = [None if index + 1 in starts else title for index, title in enumerate(titles[1:])] + [None]
    previous = [None] + [None if index in starts else title for index, title in enumerate(titles[:-1], 1)]
    group_of = {category: title for title, members in GROUP_TITLES.items() for category in members}
    groups = [group_of.get(category) for category in sample.categories]
    next_groups = [None if index + 1 in starts else group for index, group in enumerate(groups[1:])] + [None]
    tokens = [quoted(i, tokenizer) for i in sample.ids]

    def pair(first: list, second: list, word: str) -> Variable:
        return Variable([f"{a} {word} {b}" if a and b and a != b else None
                         for a, b in zip(first, second)], PAIR_PENALTY)

    def prefixed(word: str, values: list) -> Variable:
        return Variable([f"{word} {value}" if value else None for value in values], PAIR_PENALTY / 2)

    next_tokens = [None if index + 1 in starts else token for index, token in enumerate(tokens[1:])] + [None]
    return [Variable(titles), Variable(groups), prefixed("before", next_groups), prefixed("before", following), prefixed("after", previous), prefixed("in", sample.kinds),
            prefixed("before", next_tokens), pair(titles, following, "before"), pair(titles, previous, "after"),
            Variable(tokens), pair(tokens, following, "before"), pair(tokens, previous, "after"),
            pair(tokens, sample.kinds, "in"), pair(titles, sample.kinds, "in")]


@dataclass
class Firings:
    """The non-zero activations of one SAE on a sample."""
    token: Tensor    # [n] position in the sample
    feature: Tensor  # [n]
    value: Tensor    # [n]


@torch.no_grad()
def firings(sae: SAE, residuals: Tensor) -> Firings:
    rows = [sae.encode(part).to_sparse() for part in residuals.split(4096)]
    offsets = range(0, len(residuals), 4096)
    return Firings(torch.cat([row.indices()[0] + offset for row, offset in zip(rows, offsets)]),
                   torch.cat([row.indices()[1] for row in rows]), torch.cat([row.values() for row in rows]))


def best_statements(fired: Firings, known: list[Variable]) -> list[dict | None]:
    """For each feature its best statement: {label, precision, recall}, or None."""
    best: list[tuple[float, dict] | None] = [None] * FEATURES
    total = torch.zeros(FEATURES).index_add(0, fired.feature, fired.value)
    for variable in known:
        names = sorted({value for value in variable.values if value})
        number = {name: index for index, name in enumerate(names)} | {None: len(names)}
        code = torch.tensor([number[value] for value in variable.values])
        size = len(names) + 1
        occurrences = torch.bincount(code, minlength=size)[:-1]
        cell = fired.feature * size + code[fired.token]
        activation = torch.bincount(cell, fired.value, FEATURES * size).view(FEATURES, size)[:, :-1]
        count = torch.bincount(cell, minlength=FEATURES * size).view(FEATURES, size)[:, :-1]
        precision, recall = activation / total[:, None].clamp(min=1e-9), count / occurrences
        score = 2 * precision * recall / (precision + recall).clamp(min=1e-9) - variable.penalty
        score[(precision < MINIMUM_PRECISION) | (recall < MINIMUM_RECALL) | (occurrences < 5)] = -1
        for feature, (value, index) in enumerate(zip(*(part.tolist() for part in score.max(1)))):
            if value > 0 and (best[feature] is None or value > best[feature][0]):
                best[feature] = value, {"label": names[index], "precision": round(precision[feature, index].item(), 2),
                                        "recall": round(recall[feature, index].item(), 2)}
    return [entry and entry[1] for entry in best]


def snippet(sample: Sample, tokenizer: Tokenizer, position: int) -> str:
    """A few tokens around a position of the sample, which stands in [[ ]]."""
    document = bisect_right(sample.document_starts, position)
    start, end = sample.document_starts[document - 1], (sample.document_starts + [len(sample.ids)])[document]

    def text(first: int, last: int) -> str:
        return tokenizer.decode(sample.ids[max(first, start):min(last, end)], skip_special_tokens=False)
    return text(position - 6, position) + "[[" + text(position, position + 1) + "]]" + text(position + 1, position + 4)


def describe(sae: SAE, layer: int, model: Llama, tokenizer: Tokenizer, sample: Sample, known: list[Variable]) -> list[dict]:
    """One entry per feature of one SAE."""
    fired = firings(sae, sample.residuals[layer])
    statements = best_statements(fired, known)
    promoted = (sae.W_dec * model.model.norm.weight @ model.model.embed_tokens.weight.T).topk(3, dim=1).indices.tolist()
    order = torch.argsort(fired.value, descending=True)
    by_feature: list[list[int]] = [[] for _ in range(FEATURES)]
    for firing, feature in zip(order.tolist(), fired.feature[order].tolist()):
        by_feature[feature].append(firing)
    positions, values = fired.token.tolist(), fired.value.tolist()
    return [entry(statements[feature], [(positions[f], values[f]) for f in by_feature[feature]], promoted[feature], tokenizer, sample)
            for feature in range(FEATURES)]


def entry(statement: dict | None, fired: list[tuple[int, float]], promoted: list[int], tokenizer: Tokenizer, sample: Sample) -> dict:
    share: dict[int, float] = {}
    for position, value in fired:
        share[sample.ids[position]] = share.get(sample.ids[position], 0.0) + value
    ranked = sorted(share, key=share.get, reverse=True)[:5]
    total, shown, seen = sum(share.values()), [], set()
    for position, _ in fired:  # strongest first; one snippet for each of up to three different tokens
        if sample.ids[position] not in seen and len(shown) < 3:
            seen.add(sample.ids[position])
            shown += [text for text in [snippet(sample, tokenizer, position)] if "\ufffd" not in text]

    def spell(ids: Iterable[int]) -> list[str]:
        return [tokenizer.decode([i], skip_special_tokens=False) for i in ids]
    return (statement or mostly(ranked, share, tokenizer)) | {
        "density": round(len(fired) / len(sample.ids), 5), "max": round(fired[0][1], 1) if fired else 0,
        "tokens": spell(i for i in ranked if share[i] >= 0.02 * total), "promotes": spell(promoted), "snippets": shown,
    }


def mostly(ranked: list[int], share: dict[int, float], tokenizer: Tokenizer) -> dict:
    """The label of a feature that fires on one, two or three tokens above all; {} for any other."""
    total = sum(share.values())
    for count in (1, 2, 3):
        precision = sum(share[i] for i in ranked[:count]) / (total or 1)
        if precision >= MINIMUM_PRECISION:
            words = dict.fromkeys(quoted(i, tokenizer) for i in ranked[:count])  # " After" and "After" read the same
            return {"label": " or ".join(words), "precision": round(precision, 2)}
    return {}


@torch.no_grad()
def write_labels(saes: list[SAE], qualities: list[dict], model: Llama, tokenizer: Tokenizer, folder: Path,
                 log: Callable[[str], None]) -> None:
    sample = take_sample(model, tokenizer)
    known = variables(sample, tokenizer)
    features = [describe(sae, layer, model, tokenizer, sample, known) for layer, sae in enumerate(saes)]
    sources = [{"source": source_id(layer), "l0": round(quality["l0"], 2),
                "explainedVariance": round(quality["explained_variance"], 4), "features": entries}
               for layer, (quality, entries) in enumerate(zip(qualities, features))]
    text = json.dumps({"model": "npinf-demo", "sources": sources}, ensure_ascii=False, separators=(",", ":"))
    (folder / "labels.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    for layer, entries in enumerate(features):
        category = [e for e in entries if "recall" in e and "“" not in e["label"]]
        log(f"layer {layer}: {sum('label' in e for e in entries)} features labelled, {len(category)} of them by categories alone")
