# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Client programs as streams. However a stream ends, its program is gone and its exit code was looked at.

A program that takes longer than its ``seconds`` is ended: its archive's own settings lift every limit of the server's.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

from ..core.errors import CommandFailed

BLOCK = 1024 * 1024  # bytes of one read
TAIL = 2000  # bytes of an error output that are shown
LONGEST = 3600.0  # seconds for a program, unless its caller knows better
GRACE = 10  # seconds that a program gets to cancel what it has asked the server for


def output(
    argv: Sequence[str], environment: Mapping[str, str], seconds: float = LONGEST
) -> Generator[bytes, None, None]:
    """What a program writes, in blocks; raises CommandFailed at the end when the program ended badly."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with _program(argv, environment, seconds, streams) as process, _stream(process.stdout) as stdout:
        yield from iter(lambda: stdout.read(BLOCK), b"")


def feed(
    argv: Sequence[str], environment: Mapping[str, str], blocks: Iterable[bytes], seconds: float = LONGEST
) -> None:
    """Give a program its input. Blocks that it does not need are read all the same: they may be checked on the way."""
    _feed(argv, environment, blocks, seconds, to_the_end=True)


def ask(argv: Sequence[str], environment: Mapping[str, str], blocks: Iterable[bytes]) -> str:
    """What a program says to its input, of which it gets only as much as it wants."""
    return _feed(argv, environment, blocks, LONGEST, to_the_end=False)


def run(argv: Sequence[str], environment: Mapping[str, str], seconds: float = LONGEST) -> None:
    """Run a program to its end; raises CommandFailed when it ended badly."""
    feed(argv, environment, (), seconds)


def _feed(
    argv: Sequence[str], environment: Mapping[str, str], blocks: Iterable[bytes], seconds: float, *, to_the_end: bool
) -> str:
    with tempfile.TemporaryFile() as answer:
        with _program(argv, environment, seconds, {"stdin": subprocess.PIPE, "stdout": answer}) as process:
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
        answer.seek(0)
        return answer.read().decode(errors="surrogateescape")


@contextmanager
def _program(
    argv: Sequence[str], environment: Mapping[str, str], seconds: float, streams: Mapping[str, Any]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs; raises CommandFailed afterwards when it ended badly. It ends with its caller's work."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, env=environment, stderr=said, **streams)
        over = threading.Event()
        late = threading.Timer(seconds, _end, [process, over])
        late.daemon = True
        late.start()
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
            late.cancel()
        _judge(argv, process, said, seconds if over.is_set() else 0)


def _end(process: subprocess.Popen[bytes], over: threading.Event) -> None:
    """PostgreSQL's programs cancel their work on the server, and end their own workers, when they are asked to end."""
    over.set()
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    return cast("IO[bytes]", stream)  # asked for with PIPE, so it is there


def _hang_up(stdin: IO[bytes]) -> None:
    try:
        stdin.close()
    except BrokenPipeError:
        # What was still in the buffer is not needed: the exit code says whether all is well.
        return


def _judge(argv: Sequence[str], process: subprocess.Popen[bytes], said: IO[bytes], late: float) -> None:
    """``late`` are the seconds after which it was ended; 0 when it ended by itself."""
    if process.returncode == 0:
        return
    name = argv[0].rpartition("/")[2]
    if late:
        raise CommandFailed(
            f"{name} did not end within {late:g} seconds, and was ended.",
            hint="Look what the server waits for. When all is well and it needs longer, raise postgres_tools_seconds.",
            next="psql -d postgres -c 'SELECT pid, wait_event_type, state, query FROM pg_stat_activity'",
            code="client-program-slow",
        )
    said.seek(max(0, said.seek(0, 2) - TAIL))
    text = " ".join(said.read().decode(errors="replace").split())
    raise CommandFailed(
        f"{name} ended with {process.returncode}: {text or 'it said nothing.'}",
        hint="Mend what it names, then run this step again.",
        next="ansible-playbook status.yml",
        code="client-program-failed",
    )
