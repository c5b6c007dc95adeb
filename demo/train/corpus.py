"""The corpus: documents made by a grammar of our own, in a fixed mixture, from a seed.

Run alone, it prints a few documents.
"""

from collections.abc import Iterator
from random import Random
import sys

import chat
import facts
from document import Document
import stories

# Share of documents of each kind.
MIXTURE = [(0.34, stories.story), (0.14, facts.facts), (0.13, facts.sums), (0.05, facts.word_problem),
           (0.07, facts.lists), (0.06, facts.code), (0.07, facts.sentences), (0.14, chat.chat)]

# The same with documents that teach copying, which the plain mixture teaches too slowly.
COPY_MIXTURE = [(0.7 * share, make) for share, make in MIXTURE] + [(0.1, facts.word_problem), (0.1, facts.recall), (0.1, facts.echo)]


def documents(seed: int, mixture: list = MIXTURE) -> Iterator[Document]:
    """Endless documents; the same seed gives the same documents."""
    rng = Random(seed)
    shares, makers = [share for share, _ in mixture], [make for _, make in mixture]
    while True:
        yield rng.choices(makers, shares)[0](rng)


if __name__ == "__main__":
    for _, document in zip(range(int(sys.argv[1])), documents(seed=int(sys.argv[2]))):
        print(f"--- {document.kind}\n{document.text()}")
