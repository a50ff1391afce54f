# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The atomic steps of sorting jobs, as Redis runs them: a job is always in exactly one list."""

from __future__ import annotations

# KEYS: queue, desk. The queue's jobs go on the desk in one rename, unless the desk still holds some.
TAKE = """
if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
end
return redis.call('LLEN', KEYS[2])"""

# KEYS: desk, queue, parked. ARGV: job, '1' to park or '0' to keep, ... A job leaves the desk as it reaches its place.
SORT = """
for i = 1, #ARGV, 2 do
  if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[i] then return 0 end
  redis.call('LPOP', KEYS[1])
  redis.call('RPUSH', ARGV[i + 1] == '1' and KEYS[3] or KEYS[2], ARGV[i])
end
return 1"""

# KEYS: from, to. ARGV: how many. Both lists hold their newest job at the left, so the order stays.
MOVE = """
for i = 1, tonumber(ARGV[1]) do
  local job = redis.call('LPOP', KEYS[1])
  if not job then return 0 end
  redis.call('RPUSH', KEYS[2], job)
end
return 1"""

# KEYS: unacked, unacked_index, queue. ARGV: tag, job. Only who takes the entry away may put the job back.
RESTORE = """
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('RPUSH', KEYS[3], ARGV[2])"""

SCRIPTS = {"take": TAKE, "sort": SORT, "move": MOVE, "restore": RESTORE}
