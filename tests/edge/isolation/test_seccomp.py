from __future__ import annotations

import errno
import struct

import pytest

from edge.isolation.seccomp import ATTRIBUTES, NETWORK, PROCESSES, SYSTEM, program

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ALLOW, EPERM = 0x7FFF0000, 0x00050000 | errno.EPERM
ENOSYS, KILL = 0x00050000 | errno.ENOSYS, 0x80000000


def run(code: bytes, number: int, architecture: int, flags: int = 0) -> int:
    """Run classic BPF as the kernel does, as far as the filter uses it."""
    data = {0: number, 4: architecture, 16: flags}
    steps = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    value, at = 0, 0
    while True:
        kind, yes, no, operand = steps[at]
        at += 1
        if kind == 0x20:
            value = data[operand]
        elif kind == 0x06:
            return int(operand)
        else:
            jump = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}
            at += yes if jump[kind] else no


@pytest.mark.parametrize("machine", _MACHINES)
def test_what_is_refused_and_what_is_not(machine: str) -> None:
    column, architecture = _MACHINES[machine]
    every = NETWORK | PROCESSES | SYSTEM | ATTRIBUTES
    code = program(machine, every, processes=False)
    for name, numbers in every.items():
        number = numbers[column]
        if number is not None:
            assert run(code, number, architecture) == EPERM, name
    for number in ((0, 1, 9, 257), (63, 64, 222, 56))[column]:  # read, write, mmap, openat
        assert run(code, number, architecture) == ALLOW


@pytest.mark.parametrize("machine", _MACHINES)
def test_threads_pass_and_processes_do_not(machine: str) -> None:
    column, architecture = _MACHINES[machine]
    clone = (56, 220)[column]
    code = program(machine, (), processes=False)
    assert run(code, clone, architecture, flags=0x3D0F00) == ALLOW
    assert run(code, clone, architecture, flags=0x1200011) == EPERM
    assert run(code, 435, architecture) == ENOSYS
    free = program(machine, (), processes=True)
    assert run(free, clone, architecture, flags=0x1200011) == ALLOW
    assert run(free, 435, architecture) == ALLOW


def test_another_interface_of_the_processor_is_no_way_around() -> None:
    code = program("x86_64", NETWORK, processes=False)
    assert run(code, 41, 0x40000003) == KILL  # 32-bit
    assert run(code, 0x40000000 | 41, 0xC000003E) == KILL  # x32


def test_no_list_names_a_call_twice() -> None:
    lists = (NETWORK, PROCESSES, SYSTEM, ATTRIBUTES)
    assert sum(map(len, lists)) == len(set().union(*lists))
