# SPDX-License-Identifier: GPL-2.0-only
"""Tells a stall of a guest's kernel from one of the guest itself. The clock of an
emulated machine runs on while the host runs something else, so what its kernel
says of a CPU that was stuck for 25 s holds only as far as the host let it run."""

import os
import re
import time

# Reports of a kernel on time that went by: the kind; its first line; the line with the
# length, in seconds or jiffies; and the kernel's limit in seconds, where its
# configuration does not have another one.
STALLS = (
    ("soft lockup", r"BUG: soft lockup - ", r"stuck for (\d+)s", 20),
    ("workqueue", r"BUG: workqueue lockup - ", r"stuck for (\d+)s", 30),
    ("hung task", r"INFO: task .* blocked for more than ", r"than (\d+) seconds", 120),
    ("expedited rcu", r"rcu: INFO: .* expedited stalls", r"\} (\d+) jiffies", 21),
    ("rcu", r"rcu: INFO: .* self-detected stall|rcu: INFO: .* detected stalls",
     r"\bt=(\d+) jiffies", 21),
    # Only beside a stall, so that one decides.
    ("rcu", r"rcu: .* kthread starved for ", r"for (\d+) jiffies", 21),
)
# Within so many lines of the first one is the length.
REPORT = 40

# The host has to have taken that much of a stall. A kernel complains as soon as its
# limit is reached, so without this the least wait would do. It also keeps a stall that
# a kernel tells of earlier than its limit is known to be.
SHARE = 1 / 4


def limits_of(config):
    """{kind: seconds} as a kernel's .config says, which is its text."""
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
    """(kind, seconds, limit) of the stall that a line tells of, or None."""
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
    """Seconds that the host's own host took of each CPU."""
    with open(os.path.join(proc, "stat"), encoding="ascii") as src:
        rows = [line.split() for line in src if re.match(r"cpu\d", line)]
    return [int(row[8]) / os.sysconf("SC_CLK_TCK") for row in rows]


def waits_for_cpus(proc):
    """Seconds since boot in which some task waited for a CPU of the host, plus those that
    the host's own host took of the CPU that lost most. OSError, ValueError or IndexError
    where the kernel does not say."""
    with open(os.path.join(proc, "pressure", "cpu"), encoding="ascii") as src:
        total = re.search(r"^some .*total=(\d+)", src.read(), re.M)
    if not total:
        raise ValueError("no total")
    return int(total[1]) / 1e6 + max(steal_of_cpus(proc))


def host_pressure(seconds, proc="/proc"):
    """For what part of so many seconds from now somebody waits; 1 if that is unknown."""
    try:
        before, began = waits_for_cpus(proc), time.monotonic()
        time.sleep(seconds)
        return (waits_for_cpus(proc) - before) / (time.monotonic() - began)
    except (OSError, ValueError, IndexError):
        time.sleep(seconds)
        return 1


class Clock:
    """How long the host kept a guest from running, as the kernel log grew.

    lost grows by the longest wait of any of the guest's threads for a CPU, since
    a CPU of the guest gets no interrupt while the thread of its timers waits, and
    by what the host's own host took."""

    def __init__(self, pid, proc="/proc"):
        self.pid, self.proc = pid, proc
        self.waits, self.steal = {}, None
        self.samples = []       # (time, bytes of the log, seconds lost till then)

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
        """To be called now and then. Without these files nothing is ever lost."""
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
        """Seconds lost of those before the log grew beyond an offset."""
        end = next((s for s in self.samples if s[1] > offset), None)
        if not end:
            return 0
        start = next((s for s in reversed(self.samples) if s[0] <= end[0] - seconds),
                     self.samples[0])
        return min(end[2] - start[2], seconds)


def forgiven(lines, clock, hz, limits=None):
    """Numbers of the lines that tell of a stall which the host made: it took a good
    part of the time, and without that the kernel would not have said so. Where a real
    stall goes on, the kernel says so again, and of longer."""
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
