"""Programs as streams: no exit code is forgotten, and nothing hangs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import CommandFailed
from ansible_collections.steady.rollback.plugins.module_utils.databases import pipes


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_is_passed_on_whole() -> None:
    code = "import sys; sys.stdout.write('x' * 3_000_000)"
    assert sum(len(block) for block in pipes.output(python(code), os.environ)) == 3_000_000


def test_a_program_that_fails_after_its_output_is_no_success() -> None:
    code = "import sys; print('half'); sys.exit('no space left')"
    with pytest.raises(CommandFailed, match="no space left"):
        list(pipes.output(python(code), os.environ))


def test_a_stream_that_is_given_up_ends_its_program() -> None:
    with closing(pipes.output(python("while True: print('y' * 1000)"), os.environ)) as blocks:
        assert next(blocks)


def test_blocks_that_a_program_does_not_need_are_read_all_the_same() -> None:
    read = []

    def blocks() -> Iterator[bytes]:
        for number in range(50):
            read.append(number)
            yield b"x" * 100_000

    pipes.feed(python("import sys; sys.stdin.buffer.read(1)"), os.environ, blocks())
    assert len(read) == 50
    read.clear()
    assert pipes.ask(python("import sys; print(len(sys.stdin.buffer.read(7)))"), os.environ, blocks()) == "7\n"
    assert len(read) < 50


def test_a_program_that_dies_is_fed_no_more() -> None:
    read = []

    def blocks() -> Iterator[bytes]:
        for number in range(50):
            read.append(number)
            yield b"x" * 100_000

    with pytest.raises(CommandFailed, match="ended with 3"):
        pipes.feed(python("import os; os._exit(3)"), os.environ, blocks())
    assert len(read) < 50


def test_a_source_that_breaks_is_what_is_said() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x"
        raise OSError("the line broke")

    with pytest.raises(OSError, match="the line broke"):
        pipes.feed(python("import sys; sys.stdin.read()"), os.environ, blocks())


def test_a_program_that_takes_too_long_is_ended() -> None:
    sleep = python("import time; time.sleep(60)")
    for run in (lambda: list(pipes.output(sleep, os.environ, 0.3)), lambda: pipes.run(sleep, os.environ, 0.3)):
        with pytest.raises(CommandFailed) as error:
            run()
        assert error.value.code == "client-program-slow"
        assert (
            error.value.message == f"{os.path.basename(sys.executable)} did not end within 0.3 seconds, and was ended."
        )
