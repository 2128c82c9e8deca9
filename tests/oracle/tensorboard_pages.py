"""Load event files into TensorBoard and write what it answers over HTTP as JSON.

python tests/oracle/tensorboard_pages.py LOGDIR PATH...
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.request

from tensorboard import default, program


def main(folder: str, paths: list[str]) -> None:
    board = program.TensorBoard(default.get_plugins())
    once = ["--load_fast=false", "--reload_interval=0", "--reload_task=blocking"]
    board.configure(argv=[None, "--logdir", folder, "--host=localhost", "--port=0", *once])
    url = board.launch().rstrip("/")
    found = {path: page(url + path) for path in paths}
    for path in paths:
        if path.startswith("/data/plugin/images/images?"):  # each image has a page of its own
            queries = [it["query"] for it in json.loads(found[path])]
            found |= {f"{path}/{i}": page(f"{url}/data/plugin/images/individualImage?{queries[i]}") for i in range(3)}
    print(json.dumps({path: base64.b64encode(content).decode() for path, content in found.items()}))


def page(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
