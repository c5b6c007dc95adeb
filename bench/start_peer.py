"""Python from its start to the first answer; prints its resident megabytes then, and after all sources were used. THREADS MODEL SOURCE…"""

import os
import pathlib
import sys

import torch

import activations
import weights
from harness import resident_megabytes

torch.set_num_threads(int(sys.argv[1]))
peer = activations.Peer(pathlib.Path(sys.argv[2]), [pathlib.Path(p) for p in sys.argv[3:]])
text, ids = weights.prompt(peer.tokenizer, 32)
with torch.no_grad():
    for case in (activations.FeaturesByToken("", text, ids), activations.AllFeatures("", text, ids)):
        case.theirs(peer)
        print(resident_megabytes(os.getpid()), flush=True)
