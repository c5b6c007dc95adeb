#!/usr/bin/env python3
"""Writes listed.gz and unlisted.gz, the directory of released sources that npinf embeds.

The facts come from one file inside the PyPI wheel of SAELens, which is downloaded without its
dependencies and never installed or run:

    pip install pyyaml
    python generate.py            # downloads the pinned version
    python generate.py some.whl   # reads a wheel that is already here

Both outputs are gzipped lines of tab-separated fields, in directory order:

    R release model repository dialect overrides     one release; overrides is JSON or empty
    S id path neuronpedia-id factor                  one source of the release above

An empty path equals the id and an empty factor means none. listed.gz names every release but
only the sources with a neuronpedia id; unlisted.gz holds the others.
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import yaml

VERSION = "6.54.12"
DIRECTORY_FILE = "sae_lens/pretrained_saes.yaml"
HERE = pathlib.Path(__file__).parent


def read_directory(wheel):
    with zipfile.ZipFile(wheel) as archive:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return yaml.load(archive.read(DIRECTORY_FILE), Loader=loader)


def download(folder):
    package = f"sae-lens=={VERSION}"
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package], check=True)
    return next(pathlib.Path(folder).glob("*.whl"))


def line(*fields):
    texts = ["" if field is None else str(field) for field in fields]
    assert not any("\t" in text or "\n" in text for text in texts), texts
    return "\t".join(texts) + "\n"


def release_line(name, release):
    overrides = release.get("config_overrides")
    text = json.dumps(overrides, separators=(",", ":"), sort_keys=True) if overrides else None
    dialect = release.get("conversion_func") or "sae_lens"
    return line("R", name, release["model"], release["repo_id"], dialect, text)


def source_line(source):
    path = source["path"] if source["path"] != source["id"] else None
    factor = source.get("norm_scaling_factor")
    return line("S", source["id"], path, source.get("neuronpedia"), factor if factor is None else repr(float(factor)))


def lines(directory, listed):
    for name, release in directory.items():
        sources = [s for s in release["saes"] if bool(s.get("neuronpedia")) == listed]
        if listed or sources:
            yield release_line(name, release)
            yield from map(source_line, sources)


def write(name, text):
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    (HERE / name).write_bytes(packed)
    print(f"{name}: {text.count(chr(10))} lines, {len(packed)} bytes")


def main():
    with tempfile.TemporaryDirectory() as folder:
        directory = read_directory(sys.argv[1] if len(sys.argv) > 1 else download(folder))
    write("listed.gz", "".join(lines(directory, True)))
    write("unlisted.gz", "".join(lines(directory, False)))


if __name__ == "__main__":
    main()
