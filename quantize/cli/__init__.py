"""The commands that the toolchain adds to `edge`: one file each."""
