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
from labels import write_labels  # noqa: E402
from pretrain import complete, load_model, pretrain, save_model  # noqa: E402
from sae import evaluate, load_sae, save_sae, train_saes  # noqa: E402
from tokenizer import save_tokenizer, train_tokenizer  # noqa: E402

DEMO = Path(__file__).resolve().parent.parent
PROMPTS = ["Once upon a time", "One rainy morning, Emma went to the", "The capital of France is", "7 + 5 =",
           "The French word for dog is", "<|user|>\nWho are you?<|end|>\n<|assistant|>\n",
           "<|user|>\nTell me a story about a blue boat.<|end|>\n<|assistant|>\n"]
STAGES = ["model", "sae", "labels", "reference"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--files", type=Path, default=DEMO / "files", help="where the runtime files go")
    arguments.add_argument("--steps", type=int, default=2400, help="training steps of the transformer")
    arguments.add_argument("--sae-steps", type=int, default=900, help="training steps of the SAEs")
    arguments.add_argument("--from-stage", choices=STAGES, default=STAGES[0], help="keep what earlier stages wrote")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)  # with one thread every sum has one order: the same files every time
    chosen.files.mkdir(parents=True, exist_ok=True)
    log_file = open(chosen.files.parent / "training-log.txt", "w" if chosen.from_stage == "model" else "a")

    def log(line: str) -> None:
        print(line, flush=True)
        print(line, file=log_file, flush=True)

    stages = STAGES[STAGES.index(chosen.from_stage):]
    if "model" in stages:
        tokenizer = train_tokenizer([document.text() for document in islice(documents(TOKENIZER_SEED), 20000)])
        save_tokenizer(tokenizer, chosen.files)
        save_model(pretrain(tokenizer, chosen.steps, log), tokenizer, chosen.files)
    tokenizer = Tokenizer.from_file(str(chosen.files / "tokenizer.json"))
    model = load_model(tokenizer, chosen.files)
    if "model" in stages:
        for prompt in PROMPTS:
            log(f"{prompt!r} -> {complete(model, tokenizer, prompt)!r}")
    if "sae" in stages:
        for layer, sae in enumerate(train_saes(model, tokenizer, chosen.sae_steps, log)):
            save_sae(sae, layer, model.config.context, chosen.files)
    if "labels" in stages:
        saes = [load_sae(layer, chosen.files) for layer in range(model.config.layers)]
        write_labels(saes, evaluate(saes, model, tokenizer), model, tokenizer, chosen.files, log)
    from reference import write_reference  # slow to import, and needed only here
    write_reference(model, tokenizer, chosen.files, chosen.files.parent / "expected.json", log)


if __name__ == "__main__":
    main()
