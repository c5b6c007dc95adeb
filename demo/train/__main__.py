"""Makes the demo model: tokenizer, transformer, SAEs, labels, reference values. `python demo/train` does it all."""

import argparse
from itertools import islice
import os
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
from tokenizers import Tokenizer  # noqa: E402  (reads the variable above)
import torch  # noqa: E402

from corpus import documents  # noqa: E402
from data import TOKENIZER_SEED  # noqa: E402
from pretrain import complete, load_model, pretrain, save_model  # noqa: E402
from tokenizer import save_tokenizer, train_tokenizer  # noqa: E402

DEMO = Path(__file__).resolve().parent.parent
PROMPTS = ["Once upon a time", "One rainy morning, Emma went to the", "The capital of France is", "7 + 5 =",
           "The French word for dog is", "<|user|>\nWho are you?<|end|>\n<|assistant|>\n",
           "<|user|>\nTell me a story about a blue boat.<|end|>\n<|assistant|>\n"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--files", type=Path, default=DEMO / "files", help="where the runtime files go")
    arguments.add_argument("--steps", type=int, default=3000, help="training steps of the transformer")
    arguments.add_argument("--from-stage", choices=["model", "sae", "labels"], default="model",
                           help="keep what earlier stages wrote")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)  # with one thread every sum has one order: the same files every time
    chosen.files.mkdir(parents=True, exist_ok=True)
    log_file = open(chosen.files.parent / "training-log.txt", "w" if chosen.from_stage == "model" else "a")

    def log(line: str) -> None:
        print(line, flush=True)
        print(line, file=log_file, flush=True)

    if chosen.from_stage == "model":
        tokenizer = train_tokenizer([document.text() for document in islice(documents(TOKENIZER_SEED), 20000)])
        save_tokenizer(tokenizer, chosen.files)
        model = pretrain(tokenizer, chosen.steps, log)
        save_model(model, tokenizer, chosen.files)
    tokenizer = Tokenizer.from_file(str(chosen.files / "tokenizer.json"))
    model = load_model(tokenizer, chosen.files)
    for prompt in PROMPTS:
        log(f"{prompt!r} -> {complete(model, tokenizer, prompt)!r}")


if __name__ == "__main__":
    main()
