# SPDX-License-Identifier: GPL-2.0-only
"""Tells a stall in a guest's kernel from a stall of the whole guest. The clock of an
emulated machine goes on while the host runs something else. So if the guest's kernel
reports a CPU that was stuck for 25 s, the host may have made a part of this time."""

import os
import re
import time

# A kernel's reports of stalls: the kind; the first line; the line with the length, in
# seconds or jiffies; and the kernel's limit in seconds, unless its configuration has
# another limit.
STALLS = (
    ("soft lockup", r"BUG: soft lockup - ", r"stuck for (\d+)s", 20),
    ("workqueue", r"BUG: workqueue lockup - ", r"stuck for (\d+)s", 30),
    ("hung task", r"INFO: task .* blocked for more than ", r"than (\d+) seconds", 120),
    ("expedited rcu", r"rcu: INFO: .* expedited stalls", r"\} (\d+) jiffies", 21),
    ("rcu", r"rcu: INFO: .* self-detected stall|rcu: INFO: .* detected stalls",
     r"\bt=(\d+) jiffies", 21),
    # Comes only together with another report, which decides.
    ("rcu", r"rcu: .* kthread starved for ", r"for (\d+) jiffies", 21),
)
# The length is in one of this many lines, from the first line on.
REPORT = 40

# The host must have made at least this part of a stall. A kernel complains as soon as the
# limit is reached, so without this rule the shortest wait would excuse a stall. The rule
# also keeps a stall if the kernel's real limit is shorter than the limit known here.
SHARE = 1 / 4


def limits_of(config):
    """{kind: seconds} from the text of a kernel's .config."""
    options = dict(re.findall(r"^(CONFIG_\w+)=(\w+)$", config, re.M))
    found = {}
    if "CONFIG_DEFAULT_HUNG_TASK_TIMEOUT" in options:
        found["hung task"] = int(options["CONFIG_DEFAULT_HUNG_TASK_TIMEOUT"])
    if "CONFIG_RCU_CPU_STALL_TIMEOUT" in options:
        # See RCU_STALL_DELAY_DELTA and rcu_exp_jiffies_till_stall_check().
        prove = options.get("CONFIG_PROVE_RCU") == "y"
        found["rcu"] = int(options["CONFIG_RCU_CPU_STALL_TIMEOUT"]) + 5 * prove
        own = int(options.get("CONFIG_RCU_EXP_CPU_STALL_TIMEOUT", 0)) / 1000
        found["expedited rcu"] = min(own or found["rcu"], 21) * (1.25 if prove else 1)
    return found


def find(lines, number, hz):
    """(kind, seconds, limit) of the stall that a line reports, or None."""
    for kind, first, length, limit in STALLS:
        if not re.search(first, lines[number]):
            continue
        for line in lines[number:number + REPORT]:
            got = re.search(length, line)
            if got:
                jiffies = "jiffies" in length
                return kind, int(got[1]) / (hz if jiffies else 1), limit
    return None


def steal_of_cpus(proc):
    """Seconds of steal time of each CPU: the host's own host took them."""
    with open(os.path.join(proc, "stat"), encoding="ascii") as src:
        rows = [line.split() for line in src if re.match(r"cpu\d", line)]
    return [int(row[8]) / os.sysconf("SC_CLK_TCK") for row in rows]


def waits_for_cpus(proc):
    """Seconds since boot in which some task waited for a CPU of the host, plus the seconds
    that the host's own host took from the CPU that lost most. Raises OSError, ValueError
    or IndexError if the kernel does not tell."""
    with open(os.path.join(proc, "pressure", "cpu"), encoding="ascii") as src:
        total = re.search(r"^some .*total=(\d+)", src.read(), re.M)
    if not total:
        raise ValueError("no total")
    return int(total[1]) / 1e6 + max(steal_of_cpus(proc))


def host_pressure(seconds, proc="/proc"):
    """The part of the next seconds in which some task waits for a CPU; 1 if unknown."""
    try:
        before, began = waits_for_cpus(proc), time.monotonic()
        time.sleep(seconds)
        return (waits_for_cpus(proc) - before) / (time.monotonic() - began)
    except (OSError, ValueError, IndexError):
        time.sleep(seconds)
        return 1


class Clock:
    """Records how long the host kept a guest from running while the kernel log grew.

    In each sample, the lost time grows by the longest wait of one of the guest's threads
    for a CPU: while the thread of the timers waits, no CPU of the guest gets an interrupt.
    It also grows by the time that the host's own host took."""

    def __init__(self, pid, proc="/proc"):
        self.pid, self.proc = pid, proc
        self.waits, self.steal = {}, None
        self.samples = []       # (time, bytes of the log, seconds lost until then)

    def thread_waits(self):
        waits = {}
        folder = os.path.join(self.proc, str(self.pid), "task")
        for task in os.listdir(folder):
            with open(os.path.join(folder, task, "schedstat"), encoding="ascii") as src:
                waits[task] = int(src.read().split()[1]) / 1e9
        return waits

    def host_steal(self):
        return steal_of_cpus(self.proc)

    def sample(self, size, now=None):
        """Call this now and then. If /proc lacks the files, no time counts as lost."""
        now = time.monotonic() if now is None else now
        try:
            waits, steal = self.thread_waits(), self.host_steal()
        except (OSError, IndexError, ValueError):
            waits, steal = self.waits, self.steal
        lost = max((wait - self.waits.get(task, 0) for task, wait in waits.items()),
                   default=0)
        if self.steal and steal:
            lost += max(new - old for new, old in zip(steal, self.steal))
        if self.samples:
            before, _, total = self.samples[-1]
            lost = total + min(max(lost, 0), now - before)
        else:
            lost = 0
        self.waits, self.steal = waits, steal
        self.samples.append((now, size, lost))

    def lost(self, offset, seconds):
        """Seconds lost, of the given seconds before the log grew beyond an offset."""
        end = next((s for s in self.samples if s[1] > offset), None)
        if not end:
            return 0
        start = next((s for s in reversed(self.samples) if s[0] <= end[0] - seconds),
                     self.samples[0])
        return min(end[2] - start[2], seconds)


def forgiven(lines, clock, hz, limits=None):
    """Numbers of the lines that report a stall of the host: the host made a good part of the
    time, and the rest is below the kernel's limit. If a real stall goes on, the kernel
    reports it again, with a longer time."""
    numbers, offset = set(), 0
    for number, line in enumerate(lines):
        got = find(lines, number, hz)
        if got:
            kind, seconds, limit = got
            limit = (limits or {}).get(kind, limit)
            lost = clock.lost(offset, seconds)
            if seconds - lost < limit and lost >= SHARE * seconds:
                numbers.add(number)
        offset += len(line.encode(errors="replace")) + 1
    return numbers
