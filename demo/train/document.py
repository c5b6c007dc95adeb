"""A document of the corpus: its text, and for every piece of text what it is.

A document has a kind ("story", "sum", …) and is a list of pieces (text, category). Special tokens are pieces too:
their text is the token's own spelling, which the tokenizer turns into one id.
"""

import re
from dataclasses import dataclass, field

from lexicon import CATEGORY_TITLES

BOS, EOS = "<|bos|>", "<|eos|>"
SYSTEM, USER, ASSISTANT, END = "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = [BOS, EOS, SYSTEM, USER, ASSISTANT, END]

SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")


@dataclass
class Document:
    kind: str
    pieces: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, template: str, **slots: str) -> "Document":
        """Appends a template whose {slots} are filled in.

        A slot's category is its name without digits ({colour2} is a colour); a value may also be a pair
        (text, category). {afraid:unhappy} is the word itself with its category.
        """
        position = 0
        for match in SLOT.finditer(template):
            self._piece(template[position:match.start()], None)
            word, category = match.groups()
            if category is None:
                value = slots[word]
                word, category = value if isinstance(value, tuple) else (value, word.rstrip("0123456789"))
            self._piece(word, category if category in CATEGORY_TITLES else None)
            position = match.end()
        self._piece(template[position:], None)
        return self

    def _piece(self, text: str, category: str | None) -> None:
        if not text:
            return
        if self.pieces and text[0] in "aeiou" and self.pieces[-1][0].endswith((" a ", "A ", "\na ")):
            before, before_category = self.pieces[-1]
            self.pieces[-1] = (before[:-1] + "n ", before_category)
        self.pieces.append((text, category))

    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)


def chat_turn(document: Document, role: str, content: Document | str) -> None:
    """Appends one turn in the spelling of the chat template (tokenizer.py: CHAT_TEMPLATE)."""
    document.add(role + "\n")
    if isinstance(content, Document):
        document.pieces.extend(content.pieces)
    else:
        document.add(content)
    document.add(END + "\n")
