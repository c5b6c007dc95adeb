"""From documents to token ids: rows for training, and annotated documents for SAE labels."""

from collections.abc import Iterator
from itertools import islice

from tokenizers import Tokenizer
import torch
from torch import Tensor

from corpus import MIXTURE, documents
from document import BOS, EOS, Document

# Seeds of the document streams. No two stages read the same stream.
TOKENIZER_SEED, MODEL_SEED, VALIDATION_SEED, SAE_SEED, SAE_VALIDATION_SEED, LABEL_SEED = range(1, 7)
CHUNK = 1000  # documents encoded at a time


def rows(tokenizer: Tokenizer, seed: int, length: int, mixture: list) -> Iterator[list[int]]:
    """Endless rows of `length` ids. A row starts at a document's BOS and is filled up with whole documents; the last
    one is cut. So position 0 is always a BOS, as it is when the model is served."""
    stream, row = documents(seed, mixture), []
    while True:
        texts = [document.text() + EOS for document in islice(stream, CHUNK)]
        for encoding in tokenizer.encode_batch(texts):  # the tokenizer adds BOS
            row += encoding.ids
            if len(row) >= length:
                yield row[:length]
                row = []


def batches(tokenizer: Tokenizer, seed: int, batch: int, length: int, mixture: list = MIXTURE) -> Iterator[Tensor]:
    """Endless batches [batch, length] of ids."""
    stream = rows(tokenizer, seed, length, mixture)
    while True:
        yield torch.tensor(list(islice(stream, batch)))


def bytes_per_token(tokenizer: Tokenizer, seed: int, count: int = 2000) -> float:
    """Bytes of text per predicted token (EOS counts as a token without bytes)."""
    texts = [document.text() for document in islice(documents(seed), count)]
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))  # BOS in, EOS out: as many
    return sum(len(text.encode()) for text in texts) / tokens


def annotated(tokenizer: Tokenizer, document: Document, limit: int) -> tuple[list[int], list[str | None]]:
    """The ids of a document (BOS first, at most `limit`) and the category of each token, None where it has none.

    A token belongs to the piece that covers its last character: a leading space is part of the word after it.
    """
    encoding = tokenizer.encode(document.text())
    category_of_character: list[str | None] = []
    for text, category in document.pieces:
        category_of_character += [category] * len(text)
    categories = [category_of_character[end - 1] if end > 0 else None for _, end in encoding.offsets]
    assert tokenizer.id_to_token(encoding.ids[0]) == BOS
    return encoding.ids[:limit], categories[:limit]
