# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The half of the Celery library that runs inside the application's own interpreter.

Its text is started as ``python -c TEXT APP SCRIPTS`` in a release's directory, so the application's own Celery and
kombu read their own formats, and its own tasks say what they accept. It speaks JSON lines: ``{"do": NAME, ...}`` in,
``{"ok": RESULT}`` or ``{"error": TEXT}`` out. It must not import anything of this collection.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

PAGE = 500  # jobs that one atomic step moves: a few milliseconds of the broker's time


class Agent:
    """One application and its broker."""

    def __init__(self, name: str, scripts: dict[str, str]) -> None:
        self.scripts = scripts
        self.app = import_module("celery.app.utils").find_app(name)
        self.app.loader.import_default_modules()
        self.app.finalize()
        self.channel = self.app.connection_for_write().default_channel
        if self.channel.connection.client.transport.driver_type != "redis":
            raise ValueError(f"the broker of {name} is not Redis")
        self.accept = import_module("kombu.serialization").prepare_accept_content(self.app.conf.accept_content)
        # kombu's own client prefixes some commands and not others, so this one is plain and every key is built here.
        self.redis = import_module("redis").Redis(connection_pool=self.channel.pool)

    def key(self, name: str) -> str:
        return f"{self.channel.global_keyprefix}{name}"

    def found(self, pattern: str) -> list[str]:
        return [key.decode() for key in self.redis.scan_iter(self.key(pattern), count=1000)]

    def queues(self) -> list[str]:
        """Every queue that the application names or that is bound in this broker, without the control ones."""
        names = set(self.app.amqp.queues)
        for binding in self.found("_kombu.binding.*"):
            exchange = binding.split("_kombu.binding.", 1)[1]
            if exchange != "celeryev" and not exchange.endswith("pidbox"):
                names |= {m.decode().split(self.channel.sep)[-1] for m in self.redis.smembers(binding)}
        return sorted(names)

    def lists(self) -> list[str]:
        """The Redis lists behind the queues: one per queue and priority."""
        return [str(self.channel._q_for_pri(q, p)) for q in self.queues() for p in self.channel.priority_steps]

    # -- what is there

    def describe(self) -> dict[str, Any]:
        where = self.channel.pool.connection_kwargs
        address = where.get("path") or f"{where.get('host')}:{where.get('port')}"
        return {
            "broker": f"{address}/{where.get('db', 0)}",
            "host": where.get("host", ""),
            "port": where.get("port", 0),
            "db": where.get("db", 0),
            "queues": {q: n for q in self.lists() if (n := self.redis.llen(self.key(q)))},
            "unacked": self.redis.hlen(self.key(self.channel.unacked_key)),
            "parked": {key: self.redis.llen(key) for key in self.found("rollback:parked:*")},
            "half_parked": {key: self.redis.llen(key) for key in self.found("rollback:parking:*")},
        }

    def jobs(self, limit: int) -> dict[str, Any]:
        """Ids and counts by task of what waits or is being worked on; at most ``limit`` ids."""
        ids: list[str] = []
        names: dict[str, int] = {}
        waiting = (raw for q in self.lists() for raw in self.pages(self.key(q)))
        taken = (
            json.dumps(json.loads(raw)[0]).encode() for raw in self.redis.hvals(self.key(self.channel.unacked_key))
        )
        for source in (waiting, taken):
            for raw in source:
                job, task, _body = self.read(raw)
                names[task] = names.get(task, 0) + 1
                ids += [job] if len(ids) < limit else []
        return {"ids": ids, "tasks": names, "complete": len(ids) == sum(names.values())}

    def pages(self, key: str) -> Iterator[bytes]:
        start = 0
        while page := self.redis.lrange(key, start, start + PAGE - 1):
            yield from page
            start += PAGE

    def read(self, raw: bytes) -> tuple[str, str, Any]:
        """(id, task, body) of a message; the body is an exception when it cannot be read."""
        try:
            message = json.loads(raw)
            headers = message.get("headers") or {}
            body = self.channel.Message(message, channel=self.channel, accept=self.accept).decode()
        except Exception as error:
            found = locals().get("headers") or {}
            return str(found.get("id", "")), str(found.get("task", "unreadable")), error
        if isinstance(body, dict):  # protocol 1
            return str(body.get("id", "")), str(body.get("task", "")), (body.get("args"), body.get("kwargs"), {})
        return str(headers.get("id", "")), str(headers.get("task", "")), body

    def refusal(self, task: str, body: Any) -> str:
        """Why this release cannot run a job, empty when it can. Celery itself checks arguments in the same way."""
        if isinstance(body, Exception):
            return f"the message cannot be read ({type(body).__name__})"
        args, kwargs, embed = body
        after = [*(embed.get("chain") or []), *(embed.get("callbacks") or []), *(embed.get("errbacks") or [])]
        for name in [task, *(sig["task"] for sig in after if isinstance(sig, dict) and "task" in sig)]:
            if name not in self.app.tasks:
                return f"the release has no task {name}"
        try:
            header = getattr(self.app.tasks[task], "__header__", None)
            if header is not None:
                header(*(args or ()), **(kwargs or {}))
        except TypeError as error:
            return f"the arguments do not fit: {error}"
        return ""

    # -- workers

    def listening(self) -> int:
        """How many workers the broker would hand a control message to. The one sent here is addressed to nobody."""
        exchange = self.app.control.mailbox.exchange.name
        body = json.dumps({"method": "ping", "arguments": {}, "destination": ["nobody"], "ticket": "rollback"})
        message = self.channel.prepare_message(body, content_type="application/json", content_encoding="utf-8")
        self.channel._inplace_augment_message(message, exchange, "")
        topic = self.channel._get_publish_topic(exchange, "")
        return int(self.redis.publish(self.key(topic), json.dumps(message)))

    def workers(self, patience: float) -> dict[str, Any]:
        """Workers that listen, and those that answer, with the queues that each consumes."""
        listening = self.listening()
        replies = self.ask("active_queues", listening, patience)
        return {"listening": listening, "workers": {w: [q["name"] for q in qs] for w, qs in replies.items()}}

    def busy(self, patience: float) -> dict[str, Any]:
        """What workers hold: ``jobs`` with id, task, worker, state and age in seconds (0 while not started)."""
        state = self.workers(patience)
        count = state["listening"]
        jobs = []
        for kind in ("active", "reserved"):
            for worker, held in self.ask(kind, count, patience).items():
                for job in held:
                    age = round(time.time() - job["time_start"], 1) if job.get("time_start") else 0.0
                    jobs.append({"id": job["id"], "task": job["name"], "worker": worker, "state": kind, "age": age})
        return {**state, "jobs": jobs}

    def ask(self, command: str, count: int, patience: float) -> dict[str, Any]:
        if not count:
            return {}
        # The limit lets it return as soon as everyone has answered; else each call would cost its whole patience.
        return getattr(self.app.control.inspect(timeout=patience, limit=count), command)() or {}

    def pause(self, change: str, patience: float) -> None:
        """Stop all consuming. What each worker consumed is written down first, for resume."""
        for worker, queues in self.workers(patience)["workers"].items():
            if queues:
                self.redis.hsetnx(self.key(f"rollback:consumers:{change}"), worker, json.dumps(queues))
            for queue in queues:
                self.app.control.cancel_consumer(queue, destination=[worker], reply=True, limit=1, timeout=patience)

    def consumers(self, change: str) -> dict[str, list[str]]:
        """What pause wrote down: queues by worker."""
        found = self.redis.hgetall(self.key(f"rollback:consumers:{change}"))
        return {worker.decode(): json.loads(queues) for worker, queues in found.items()}

    def resume(self, change: str, patience: float) -> None:
        """Let each worker consume again what pause took from it."""
        paused = self.consumers(change)
        for worker, queues in self.workers(patience)["workers"].items():
            for queue in sorted(set(paused.get(worker, [])) - set(queues)):
                self.app.control.add_consumer(queue, destination=[worker], reply=True, limit=1, timeout=patience)

    def forget(self, change: str) -> None:
        self.redis.delete(self.key(f"rollback:consumers:{change}"))

    # -- parking: a job is always in exactly one list

    def judge(self, known: list[str] | None) -> dict[str, Any]:
        """What parking would do with the jobs that wait now. Reads only."""
        reasons: dict[str, int] = {}
        tasks: dict[str, int] = {}
        kept = 0
        ids = None if known is None else frozenset(known)
        for queue in self.lists():
            for raw in self.pages(self.key(queue)):
                task, reason = self.verdict(raw, ids)
                kept += not reason
                if reason:
                    reasons[reason] = reasons.get(reason, 0) + 1
                    tasks[task] = tasks.get(task, 0) + 1
        return {"tasks": tasks, "reasons": reasons, "kept": kept}

    def verdict(self, raw: bytes, known: frozenset[str] | None) -> tuple[str, str]:
        job, task, body = self.read(raw)
        newer = known is not None and job not in known
        return task, self.refusal(task, body) or ("newer than the restore point" if newer else "")

    def restore_unacked(self, change: str) -> int:
        """Put back what killed workers had taken, the oldest at the head. A job without a queue is parked."""
        unacked, index = self.key(self.channel.unacked_key), self.key(self.channel.unacked_index_key)
        scores = dict(self.redis.zrange(index, 0, -1, withscores=True))
        entries = sorted(self.redis.hgetall(unacked).items(), key=lambda entry: -scores.get(entry[0], 0.0))
        back = 0
        for tag, raw in entries:
            message, exchange, routing_key = json.loads(raw)
            message.setdefault("headers", {})["redelivered"] = True
            queues = list(self.channel._lookup(exchange, routing_key)) or [f"rollback:parked:{change}:{routing_key}"]
            priority = self.channel._get_message_priority(message, reverse=False)
            target = self.key(self.channel._q_for_pri(queues[0], priority))
            back += bool(self.redis.eval(self.scripts["restore"], 3, unacked, index, target, tag, json.dumps(message)))
        return back

    def park(self, change: str, known: list[str] | None) -> None:
        """Sort each list: jobs that this release can run stay, in order; the others go to the parked list, in order."""
        ids = None if known is None else frozenset(known)
        for name in self.lists():
            queue, desk, parked = (
                self.key(f"{room}{name}") for room in ("", "rollback:parking:", f"rollback:parked:{change}:")
            )
            left_over = self.redis.exists(desk)  # by a run that was killed; what came since is sorted after it
            for _round in range(1 + left_over):
                self.redis.eval(self.scripts["take"], 2, queue, desk)
                while page := self.redis.lrange(desk, 0, PAGE - 1):
                    sorted_page = [part for raw in page for part in (raw, "1" if self.verdict(raw, ids)[1] else "0")]
                    self.redis.eval(self.scripts["sort"], 3, desk, queue, parked, *sorted_page)

    def unpark(self, change: str) -> dict[str, int]:
        """Put parked jobs back at the head of their queues, also what a killed park left on its desk."""
        moved: dict[str, int] = {}
        for name in self.lists():
            for room in (f"rollback:parked:{change}:", "rollback:parking:"):
                source = self.key(f"{room}{name}")
                if count := self.redis.llen(source):
                    moved[name] = moved.get(name, 0) + count
                    while self.redis.eval(self.scripts["move"], 2, source, self.key(name), PAGE):
                        pass
        return moved


def serve(name: str, scripts: dict[str, str]) -> None:
    """Answer requests about the application ``name`` until the input ends."""
    # Whatever the application prints while it is imported must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    agent = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            agent = agent or Agent(name, scripts)
            answer = {"ok": getattr(agent, request.pop("do"))(**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    serve(sys.argv[1], json.loads(sys.argv[2]))
