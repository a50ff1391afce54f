#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
short_description: Decide from measurements whether a system is healthy
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Looks at a system through one or more probes until a verdict is in, in one call.
  - Every round takes one reading of every probe at the same time.
    The gate passes when all probes pass in the same round.
  - The verdict is C(pass), C(fail) or C(inconclusive). No data, too few samples and a flapping service are
    C(inconclusive), and only C(pass) lets the module succeed.
attributes:
  check_mode:
    support: full
    description: In check mode the probes are checked for being usable, and nothing is probed.
options:
  probes:
    description: What is looked at.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the probe in results and reports, unique within the gate.
        type: str
        required: true
      kind:
        description:
          - C(http) sends a request and looks into the answer. Redirects are not followed and no proxy is used.
          - C(tcp) opens a connection.
          - C(command) runs a program.
          - C(sql) asks PostgreSQL, in a read-only session, and takes the first value of the first row.
          - C(redis) sends PING, or counts the keys of a O(probes[].pattern) or the items of a O(probes[].list).
          - C(log_count) counts the lines of a log that match a pattern.
        type: str
        choices: [http, tcp, command, sql, redis, log_count]
        required: true
      timeout:
        description: Seconds for one reading. Five, or thirty for a command, when it is not given.
        type: float
      url:
        description: What an http probe asks (http or https), or the Redis server and database (redis or rediss).
        type: str
      method:
        description: Method of an http probe.
        type: str
        choices: [GET, HEAD, POST]
        default: GET
      headers:
        description: Headers of an http probe.
        type: dict
      secret_headers:
        description: Headers of an http probe that are never shown.
        type: dict
      host:
        description:
          - The host of a tcp or sql probe.
          - For an http probe the name in the Host header and in TLS, when it is not the one in O(probes[].url).
        type: str
      status:
        description: HTTP status codes that are good. Only 200 when it is not given.
        type: list
        elements: int
      body:
        description:
          - Paths into the JSON answer (C(checks.0.state)) and the values expected there.
          - An expected value may be a range, C({min, max}).
        type: dict
      version:
        description:
          - The version that must answer. An empty string leaves it open.
          - Two spellings of one commit are equal when the shorter has at least seven digits.
        type: str
      version_path:
        description: Path of the version in the JSON answer.
        type: str
        default: version
      verify:
        description: Whether the TLS certificate is verified.
        type: bool
        default: true
      once:
        description:
          - One good reading is enough, and stands for all later ones.
            For a trial that takes long and whose answer does not change.
        type: bool
        default: false
      ca_file:
        description: File of the certificate authorities that are trusted instead of the system's.
        type: path
      port:
        description: The port of a tcp or sql probe.
        type: int
      argv:
        description: Program and arguments of a command probe. No shell is involved.
        type: list
        elements: str
      cwd:
        description: Directory in which a command probe runs.
        type: path
      env_file:
        description: File of assignments (C(KEY=value)) that a command probe gets as its environment.
        type: path
      rc:
        description: Exit codes of a command that are good. Only 0 when it is not given.
        type: list
        elements: int
      stdout:
        description: Paths into the JSON that a command prints, and the values expected there.
        type: dict
      query:
        description: The query of a sql probe.
        type: str
      database:
        description: The database of a sql probe.
        type: str
      user:
        description: The role of a sql probe.
        type: str
      password:
        description: The password of a sql probe.
        type: str
      sslmode:
        description: How a sql probe uses TLS.
        type: str
        choices: [disable, prefer, require, verify-ca, verify-full]
        default: verify-full
      expected:
        description:
          - The value that a sql or redis probe must measure, or a range C({min, max}).
          - When it is not given, a sql value must be true or above 0, and a redis count at least 1.
        type: raw
      pattern:
        description: Keys that a redis probe counts, or the regular expression of a log_count probe.
        type: str
      list:
        description: List whose length a redis probe measures.
        type: str
      path:
        description: The log of a log_count probe.
        type: path
      max_matches:
        description: Matching lines that are allowed.
        type: int
        default: 0
      min_lines:
        description: With fewer lines than this a log_count probe is inconclusive.
        type: int
        default: 0
      offset:
        description: Count from this byte of the log on. When nothing is given, from its end as the gate begins.
        type: int
      last_seconds:
        description: Count the lines whose time stamp is at most so old. A stamp without a zone is UTC.
        type: float
      last_lines:
        description: Count the newest lines.
        type: int
  consecutive:
    description: Good readings in a row that every probe needs.
    type: int
    default: 3
  interval:
    description: Seconds from one round to the next.
    type: float
    default: 1.0
  timeout:
    description: Seconds after which the gate is closed with the verdict that it has.
    type: float
    default: 60.0
  window:
    description: Seconds over which O(max_error_ratio) and O(max_p95_ms) are judged. The gate looks at least so long.
    type: float
    default: 0.0
  min_samples:
    description: With fewer readings than this a probe is inconclusive.
    type: int
    default: 1
  max_error_ratio:
    description: Share of bad readings that is allowed in the window, from 0 to 1.
    type: float
  max_p95_ms:
    description: The 95th percentile of the time of http probes that is allowed in the window, in milliseconds.
    type: float
  from:
    description:
      - Name of the place from which the probes look, for results and reports.
      - With O(mode=definitions) the name of the gate.
    type: str
    default: ""
  mode:
    description:
      - C(gate) measures, and fails unless the verdict is C(pass).
      - C(baseline) measures and never fails for what it measures.
      - C(definitions) measures nothing, and returns preflight rows.
    type: str
    choices: [gate, baseline, definitions]
    default: gate
"""

EXAMPLES = r"""
- name: Open only when the right version answers three times in a row
  steady.rollback.health_gate:
    consecutive: 3
    timeout: 60
    probes:
      - name: health
        kind: http
        url: https://api.example.com/v1/health
        body: {status: ok, database: connected}
        version: v1.4.2

- name: Watch for five minutes
  steady.rollback.health_gate:
    window: 300
    timeout: 330
    min_samples: 200
    max_error_ratio: 0.01
    max_p95_ms: 500
    probes:
      - {name: api, kind: http, url: "https://api.example.com/v1/health"}
      - {name: errors, kind: log_count, path: /var/log/wabot/application.log, pattern: ERROR}
"""

RETURN = r"""
verdict:
  description: C(pass), C(fail) or C(inconclusive).
  returned: when the probes looked
  type: str
  sample: pass
reason:
  description: Which probes do not pass, and why.
  returned: when the probes looked
  type: str
  sample: "health: only 2 of at least 3 samples"
from:
  description: The place from which the probes looked.
  returned: when the probes looked
  type: str
  sample: edge1
started:
  description: When the first round began, in UTC.
  returned: when the probes looked
  type: str
  sample: "2026-11-24T02:23:01Z"
seconds:
  description: How long it took.
  returned: when the probes looked
  type: float
  sample: 3.2
probes:
  description:
    - One entry for each probe, with its name, kind, verdict, reason and figures over the window.
    - C(series) holds at most 600 readings of all probes together, each C([second, milliseconds, state]);
      the state is 1 for good, 0 for bad, -1 for unknown.
  returned: when the probes looked
  type: list
  elements: dict
  sample:
    - {name: health, kind: http, verdict: pass, samples: 3, error_ratio: 0.0, p95_ms: 12.5, series: [[0.0, 12.5, 1]]}
rows:
  description: Findings about the definitions.
  returned: with O(mode=definitions) and in check mode
  type: list
  elements: dict
  sample: [{level: ok, name: probe health, found: "http probe, usable", fix: "", code: ""}]
captured_host:
  description: The error ratio and the percentiles of each probe, to be kept in a restore point.
  returned: with O(mode=baseline)
  type: dict
  sample: {baseline: {health: {samples: 10, error_ratio: 0.0, p50_ms: 8.1, p95_ms: 12.5}}}
"""

from ansible_collections.steady.rollback.plugins.module_utils.core.errors import GateFailed
from ansible_collections.steady.rollback.plugins.module_utils.entry import Call, Outcome, run
from ansible_collections.steady.rollback.plugins.module_utils.gates import gate, spec
from ansible_collections.steady.rollback.plugins.module_utils.gates.verdict import PASS, Rule

MODE = {"type": "str", "default": "gate", "choices": ["gate", "baseline", "definitions"]}


def do(call: Call) -> Outcome:
    rule = Rule(**{name: call.params[name] for name in spec.RULE})
    probes = call.params["probes"]
    if call.dry_run or call.params["mode"] == "definitions":
        return Outcome(False, {"rows": [row.row() for row in gate.definitions(probes, rule, call.params["from"])]})
    found = gate.measure(probes, rule, call.params["from"])
    if call.params["mode"] == "baseline":
        kept = ("samples", "error_ratio", "p50_ms", "p95_ms")
        baseline = {probe["name"]: {key: probe[key] for key in kept} for probe in found["probes"]}
        return Outcome(False, {**found, "captured_host": {"baseline": baseline}})
    if found["verdict"] != PASS:
        raise GateFailed(
            f"The gate is closed ({found['verdict']}): {found['reason']}.",
            hint="Look at the probe that is named. Traffic stays as it is until the gate passes.",
            code="gate-failed" if found["verdict"] == "fail" else "gate-inconclusive",
            **found,
        )
    return Outcome(False, found)


def main() -> None:
    run(do, argument_spec={"probes": spec.PROBES, **spec.RULE, "from": {"type": "str", "default": ""}, "mode": MODE})


if __name__ == "__main__":
    main()
