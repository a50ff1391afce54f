# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Client programs as streams. However a stream ends, its program is gone and its exit code was looked at."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import IO, Any, cast

from ..core.errors import CommandFailed

BLOCK = 1024 * 1024  # bytes of one read
TAIL = 2000  # bytes of an error output that are shown


def output(argv: Sequence[str], environment: Mapping[str, str]) -> Generator[bytes, None, None]:
    """What a program writes, in blocks; raises CommandFailed at the end when the program ended badly."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
        try:
            yield from iter(lambda: _stream(process.stdout).read(BLOCK), b"")
        except BaseException:
            process.kill()
            raise
        finally:
            _stream(process.stdout).close()
            process.wait()
        _judge(argv, process, said)


def feed(argv: Sequence[str], environment: Mapping[str, str], blocks: Iterable[bytes]) -> None:
    """Give a program its input. Blocks that it does not need are read all the same: they may be checked on the way."""
    _feed(argv, environment, blocks, to_the_end=True)


def ask(argv: Sequence[str], environment: Mapping[str, str], blocks: Iterable[bytes]) -> str:
    """What a program says to its input, of which it gets only as much as it wants."""
    return _feed(argv, environment, blocks, to_the_end=False)


def run(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a program to its end; raises CommandFailed when it ended badly."""
    feed(argv, environment, ())


def _feed(argv: Sequence[str], environment: Mapping[str, str], blocks: Iterable[bytes], *, to_the_end: bool) -> str:
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as answer:
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=answer, stderr=said)
        stdin, reads = _stream(process.stdin), True
        try:
            for block in blocks:
                try:
                    stdin.write(block if reads else b"")
                except BrokenPipeError:
                    reads = False
                    if process.wait() != 0 or not to_the_end:
                        break
        except BaseException:
            process.kill()
            raise
        finally:
            _hang_up(stdin)
            process.wait()
        _judge(argv, process, said)
        answer.seek(0)
        return answer.read().decode(errors="surrogateescape")


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    return cast("IO[bytes]", stream)  # asked for with PIPE, so it is there


def _hang_up(stdin: IO[bytes]) -> None:
    try:
        stdin.close()
    except BrokenPipeError:
        # What was still in the buffer is not needed: the exit code says whether all is well.
        return


def _judge(argv: Sequence[str], process: subprocess.Popen[Any], said: IO[bytes]) -> None:
    if process.returncode == 0:
        return
    said.seek(max(0, said.seek(0, 2) - TAIL))
    text = " ".join(said.read().decode(errors="replace").split())
    name = argv[0].rpartition("/")[2]
    raise CommandFailed(
        f"{name} ended with {process.returncode}: {text or 'it said nothing.'}",
        hint="Mend what it names, then run this step again.",
        next="ansible-playbook status.yml",
        code="client-program-failed",
    )
