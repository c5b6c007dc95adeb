"""npinf on Modal.

    modal run deploy/modal_app.py::warm      # download once, into the volume
    modal deploy deploy/modal_app.py         # serve

The secret `neuronpedia-inference` may hold HF_TOKEN, SECRET and SENTRY_DSN; every one of
them is optional (docs/secrets.md). What is served is set in ENV below.
"""

import subprocess

import modal

ENV = {
    "MODEL_ID": "openai-community/gpt2",
    "SAE_SETS": '["res-jb"]',
    "SERVER_HOST": "0.0.0.0",
    "SERVER_PORT": "5002",
    "HF_HOME": "/hf",
    # Modal sends traffic as soon as the port accepts connections: bind it when loaded.
    "LISTEN": "ready",
    # Page faults are slow under gVisor: read weights, do not map them.
    "LOAD_MODE": "read",
}
MOUNT = {"/hf": modal.Volume.from_name("npinf-hf", create_if_missing=True, version=2)}
SECRETS = [modal.Secret.from_name("neuronpedia-inference")]

app = modal.App("npinf")
image = modal.Image.from_dockerfile("deploy/Dockerfile.modal", context_dir=".", add_python="3.13").env(ENV)


@app.function(image=image, volumes=MOUNT, secrets=SECRETS, timeout=3600)
def warm():
    """Downloads the model and its sources into the volume and verifies them."""
    subprocess.run(["npinf", "pull"], check=True)
    MOUNT["/hf"].commit()


@app.server(
    image=image,
    port=5002,
    # Callers identify themselves with X-SECRET-KEY, not with Modal's proxy token.
    unauthenticated=True,
    startup_timeout=600,
    exit_grace_period=30,
    cpu=(4, 8),
    memory=(6144, 12288),
    volumes=MOUNT,
    secrets=SECRETS,
    max_containers=4,
    target_concurrency=4,
    scaledown_window=300,
)
class Npinf:
    """One container with one npinf process."""

    @modal.enter()
    def start(self):
        self.process = subprocess.Popen(["npinf", "run"])

    @modal.exit()
    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=25)
