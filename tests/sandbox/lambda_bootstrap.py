"""What starts inside a function's process, before AWS's own runtime client (`awslambdaric`) takes over.

Run as a script by the interpreter of .venv-lambda, which holds what AWS's runtime provides and nothing else:
`python -s lambda_bootstrap.py HANDLER MEMORY_MB LIFELINE_FD`. Only the standard library may be imported here.
"""

import errno
import os
import resource
import sys
import threading
from typing import Any

# Linux counts whole thread stacks as data. Small stacks keep the ceiling about the function's memory.
THREAD_STACK_BYTES = 512 * 1024


def limit_memory(megabytes: int) -> None:
    """Make allocation beyond the function's memory size fail (AWS kills the process instead)."""
    threading.stack_size(THREAD_STACK_BYTES)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))


def die_with_owner(lifeline: int) -> None:
    """End this process when its owner closes the lifeline or dies, even in the middle of an invocation."""

    def wait() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def stay_on_this_machine() -> None:
    """Let nothing but loopback be reached, so that no test can talk to the real Falcon or the real AWS."""

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            _require_loopback(arguments[0])
        elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
            _require_loopback(arguments[1][0])

    sys.addaudithook(check)


def _require_loopback(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and not (name.startswith("127.") or name in {"localhost", "::1", ""}):
        raise OSError(errno.ENETUNREACH, f"The sandbox has no way to {name}, except by a proxy on this machine")


def main(handler: str, memory_mb: str, lifeline: str) -> None:
    """Prepare the process as AWS does and run the function until its owner has had enough."""
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    limit_memory(int(memory_mb))
    die_with_owner(int(lifeline))
    stay_on_this_machine()
    from awslambdaric.__main__ import main as run  # noqa: PLC0415 - not before its limits are set

    run(["awslambdaric", handler])


if __name__ == "__main__":
    main(*sys.argv[1:])
