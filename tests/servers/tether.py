"""Runs a command that is killed when the process that started it ends, however that ends (Linux).

Run as a script, `python tether.py PARENT_PID COMMAND ARGUMENT...`; it becomes the command. The server of the
product is asked to end by SIGTERM; here it is SIGKILL, which ends a paused server too.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Asks the kernel for SIGKILL at the parent's death, then becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("The parent ended before its child was tethered to it.")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
