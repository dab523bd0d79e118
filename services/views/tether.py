"""Runs a command that ends when the process that started it ends, even by SIGKILL (Linux).

Run as a script, `python tether.py PARENT_PID COMMAND ARGUMENT...`; it becomes the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>; see prctl(2). The setting outlives execve(2)."""


def main() -> None:
    """Asks the kernel for SIGTERM at the parent's death, then becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:
            sys.exit("The parent ended before its child was tethered to it.")
    os.execv(command[0], command)  # noqa: S606 - the command is the caller's, and no shell is wanted


if __name__ == "__main__":
    main()
