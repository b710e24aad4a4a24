"""`python -m tests.faults.child FD`: imports the store once, then forks a process for each life of a store.

A fork is fifty times cheaper than a start, and safe as long as this process itself never searches or starts a thread.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback

from faiss_memory.settings import prepare_process

prepare_process()
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from tests.faults import workloads  # noqa: E402


def main(control: socket.socket) -> None:
    while True:
        message, descriptors, *_ = socket.recv_fds(control, 1 << 16, 1)
        if not message:
            return
        request = json.loads(message)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                control.close()
                live(request, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        control.sendall(json.dumps(answer).encode() + b"\n")


def live(request: dict[str, object], descriptors: list[int]) -> None:
    signal.alarm(workloads.SECONDS_TO_LIVE)  # nothing that hangs outlives its test for long
    code = 70
    try:
        code = workloads.run(request, descriptors)
    except BaseException:  # noqa: BLE001  (nothing may get back into the loop above)
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
