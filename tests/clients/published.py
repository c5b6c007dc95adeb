"""The client from PyPI, with nothing but a default header, calls every method it has.

What it reads must be what npinf answers to a plain request.
"""

import json
import os
import re
import urllib.request

import neuronpedia_inference_client as client
from neuronpedia_inference_client import models

URL = os.environ["NPINF_URL"]
SNAKE = {"X-Npinf-Case": "snake", "Content-Type": "application/json"}
PROMPT = "Once upon a time there was a cat."


def plain(path, body=None):
    request = urllib.request.Request(URL + path, data=body and json.dumps(body).encode(), headers=SNAKE)
    with urllib.request.urlopen(request) as r:
        return json.load(r)


def compact(value):
    """A value without its nulls, which the client turns into absent fields."""
    if isinstance(value, list):
        return [compact(v) for v in value]
    if isinstance(value, dict):
        return {k: compact(v) for k, v in value.items() if v is not None}
    return value


def requests():
    model = plain("/v1/capabilities")["model"]
    source = plain("/v1/provenance")["sources"][0]["id"]
    width = len(plain("/v1/activation/raw", {"prompts": ["a"], "layers": [0]})["results"][0]["activations"][0]["values"][0])
    vector, hook = [float(i % 5 - 2) for i in range(width)], "blocks.1.hook_resid_post"
    selection = {"model": model, "source_set": source.split("-", 1)[1], "selected_sources": [source],
                 "sort_by_token_indexes": [1], "ignore_bos": True, "num_results": 3}
    steering = {"model": model, "steer_method": "SIMPLE_ADDITIVE", "normalize_steering": False, "types": ["STEERED", "DEFAULT"],
                "n_completion_tokens": 6, "temperature": 0, "strength_multiplier": 1, "freq_penalty": 0, "seed": 16, "n_logprobs": 2}
    feature = {"model": model, "source": source, "index": 3}
    return {
        "/v1/tokenize": {"model": model, "text": PROMPT, "prepend_bos": True},
        "/v1/activation/single": {"prompt": PROMPT, "model": model, "source": source, "index": "3"},
        "/v1/activation/single-batch": {"prompts": [PROMPT, "A dog."], "model": model, "vector": vector, "hook": hook},
        "/v1/activation/all": {"prompt": PROMPT, **selection},
        "/v1/activation/all-batch": {"prompts": [PROMPT, "A dog."], **selection},
        "/v1/activation/topk-by-token": {"prompt": PROMPT, "model": model, "source": source, "top_k": 2, "ignore_bos": True},
        "/v1/activation/topk-by-token-batch": {"prompts": [PROMPT], "model": model, "source": source, "top_k": 2, "ignore_bos": False},
        "/v1/activation/source": {"prompts": [PROMPT], "model": model, "source": source},
        "/v1/util/sae-vector": feature,
        "/v1/util/sae-topk-by-decoder-cossim": {"feature": feature, "model": model, "source": source, "num_results": 3},
        "/v1/steer/completion": {"prompt": PROMPT, "features": [{**feature, "strength": 10}], **steering},
        "/v1/steer/completion-chat": {"prompt": [{"role": "user", "content": "Hello"}], "steer_special_tokens": False,
                                      "vectors": [{"steering_vector": vector, "strength": 1, "hook": hook}], **steering},
    }


def method_of(path):
    return re.sub(r"[/-]", "_", path.removeprefix("/v1/")) + "_post"


def model_of(method):
    """The class of a method's request; one of them has a name of its own."""
    name = "".join(word.capitalize() for word in method.split("_")) + "Request"
    return getattr(models, name, None) or models.SteerCompletionRequest


def differences(read, answered, where=""):
    """What the client read differently, keys that it has no field for aside."""
    if isinstance(read, dict) and isinstance(answered, dict):
        return [d for key in read for d in differences(read[key], answered.get(key), f"{where}.{key}")]
    if isinstance(read, list) and isinstance(answered, list) and len(read) == len(answered):
        return [d for i, (a, b) in enumerate(zip(read, answered)) for d in differences(a, b, f"{where}[{i}]")]
    return [] if read == answered else [f"{where}: read {read!r}, answered {answered!r}"]


def camel(key):
    """The client knows hookName in this spelling only, and npinf answers both."""
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def main():
    configuration = client.Configuration(host=URL + "/v1")
    with client.ApiClient(configuration, header_name="X-Npinf-Case", header_value="snake") as connection:
        api = client.DefaultApi(connection)
        bodies = {method_of(path): (path, body) for path, body in requests().items()}
        methods = {name for name in dir(api) if name.endswith("_post") and not name.startswith("_")}
        assert methods == set(bodies), methods ^ set(bodies)
        for method, (path, body) in bodies.items():
            try:
                answer = getattr(api, method)(model_of(method).from_dict(body))
            except client.ApiException as e:
                assert path == "/v1/steer/completion-chat" and e.status == 400 and "chat template" in e.body, e
                continue
            read, answered = compact(answer.to_dict()), compact(plain(path, body))
            wrong = differences(read, answered)
            missing = [key for key in answered if key not in read and camel(key) not in read]
            assert not wrong and not missing, (method, wrong[:3], missing)
        print(f"PyPI client: {len(methods)} methods")


main()
