"""llama.cpp decoding greedily: reads {"ids": prompt, "new": count} lines, answers with lists of ids. FILE THREADS"""

import json
import sys

import llama_cpp
import numpy

file, threads = sys.argv[1], int(sys.argv[2])
llama_cpp.llama_backend_init()
model = llama_cpp.llama_model_load_from_file(file.encode(), llama_cpp.llama_model_default_params())
params = llama_cpp.llama_context_default_params()
params.n_ctx, params.n_threads, params.n_threads_batch = 512, threads, threads
context = llama_cpp.llama_init_from_model(model, params)
vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))


def step(ids):
    """Decodes some ids and returns the likeliest next one."""
    tokens = (llama_cpp.llama_token * len(ids))(*ids)  # the batch points into it
    batch = llama_cpp.llama_batch_get_one(tokens, len(ids))
    if llama_cpp.llama_decode(context, batch) != 0:
        raise SystemExit("llama_decode failed")
    logits = llama_cpp.llama_get_logits_ith(context, -1)
    return int(numpy.ctypeslib.as_array(logits, shape=(vocabulary,)).argmax())


for line in sys.stdin:
    request = json.loads(line)
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    new = [step(request["ids"])]
    while len(new) < request["new"]:
        new.append(step(new[-1:]))
    print(json.dumps(new), flush=True)
