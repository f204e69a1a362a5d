"""A child process for what is not trusted: limits, no network, and a view of little but the file.

`run.py` starts the child and waits for it, `child.py` is what it does, `confine.py` locks it in, by
steps: `bounds.py` (rlimits), `landlock.py` (files), `seccomp.py` (system calls).
"""
