# SPDX-License-Identifier: GPL-2.0-only
"""The results of `make bench` as text: reads the guest's lines, computes medians, makes
the two tables. Runs no command and reads no file."""

import re
import statistics
from dataclasses import dataclass, field

TREES = ("stock", "ours")


@dataclass
class Sample:
    """One boot: values is {(label, name): number}, units {name: unit}."""
    tree: str
    boot: str
    turn: int
    values: dict = field(default_factory=dict)
    units: dict = field(default_factory=dict)
    missing: list = field(default_factory=list)     # labels that failed


def read_lines(sample, plan, lines):
    """Puts a guest's lines into a sample. plan is the [(label, command)] that the guest
    got. A command with the label "" is not a measurement. Commands behind a parameter that
    the detector lacks are not measurements either."""
    position, lacks = -1, False
    for line in lines:
        if line.startswith("bench: do "):
            position += 1
            if position >= len(plan) or plan[position][1] != line[10:]:
                raise ValueError(f"the guest ran another command: {line}")
            if plan[position][1].startswith("param "):
                lacks = False
            continue
        if line == "bench: lacks":
            lacks = True
        if position < 0:
            continue
        label = plan[position][0]
        got = re.fullmatch(r"bench: got (\w+) (-?\d+(?:\.\d+)?) (\w+)", line)
        if got and label and not lacks:
            sample.values[label, got[1]] = float(got[2])
            sample.units[got[1]] = got[3]
        elif line == "bench: failed":
            sample.missing.append(label or plan[position][1])
    for label, _ in plan[position + 1:]:
        if label:
            sample.missing.append(label)


def pick(samples, tree, boot, label, name):
    """{turn: value} of one figure."""
    return {s.turn: s.values[label, name] for s in samples
            if (s.tree, s.boot) == (tree, boot) and (label, name) in s.values}


def paired(left, right, combine):
    """Combines the values of each turn that both have."""
    return [combine(left[turn], right[turn]) for turn in sorted(left)
            if turn in right]


def ratios(left, right):
    return paired(left, right, lambda a, b: a / b if b else float("nan"))


def digits(value):
    """A number with three significant digits."""
    if value != value:
        return "-"
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


SCALES = (("ns", 1e9, "s"), ("ns", 1e6, "ms"), ("ns", 1e4, "us"),
          ("bytes", 1 << 20, "MiB"))
FACTORS = {"s": 1e9, "ms": 1e6, "us": 1e3, "MiB": 1 << 20}


def scale(value, unit):
    """(divisor, unit) with which a value has few digits."""
    for base, least, name in SCALES:
        if unit == base and abs(value) >= least:
            return FACTORS[name], name
    return 1, unit


def show(values, unit):
    """Median and spread, like "37.1 ns (36.0-41.2)"; "-" if there are no values."""
    values = list(values)
    if not values:
        return "-"
    middle = statistics.median(values)
    by, name = scale(middle, unit)
    gap = "" if name == "x" else " "
    text = f"{digits(middle / by)}{gap}{name}"
    if len(values) > 1:
        text += f" ({digits(min(values) / by)}-{digits(max(values) / by)})"
    return text


def table(head, rows):
    """Lines of a Markdown table that is also readable as plain text."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |"
             for row in [head, *rows]]
    lines.insert(1, "| " + " | ".join("-" * w for w in widths) + " |")
    return lines


# Results that have their own row. All other results are only in the JSON.
ROWS = ("pair", "bulk", "vmalloc", "percpu", "populate", "memory", "scan",
        "read", "timer_worst", "free_worst", "stop_us", "work", "boot")


def work_table(samples):
    """Every figure of both trees, in the order of the measurements."""
    order, units = {}, {}
    for sample in samples:
        for label, name in sample.values:
            if name in ROWS:
                order.setdefault((sample.boot, label, name))
                units[name] = sample.units[name]
    rows = []
    for boot, label, name in order:
        columns = [pick(samples, tree, boot, label, name) for tree in TREES]
        ratio = ratios(columns[1], columns[0])
        # If a command has several results, name the one in this row.
        shown = label if name in label or name in ("pair", "work") else f"{label}: {name}"
        rows.append([boot, shown, *(show(c.values(), units[name]) for c in columns),
                     show(ratio, "x")])
    return table(["boot", "work", *TREES, "ours : stock"], rows)


def per_object(samples, tree, label, count):
    """Bytes that an object costs if the detector is on, compared with off."""
    on, off = {"memory 300k": ("on", "off"), "memory 3M": ("large", "large-off")}[label]
    return paired(pick(samples, tree, on, label, "memory"),
                  pick(samples, tree, off, label, "memory"),
                  lambda on, off: (on - off) / count)


WORKS = ("unpack 4,000 files", "remove 4,000 files", "run 300 programs")
LEAKS_FIRST, LEAKS_LATER = "first scan, 200k leaks", "later scan, 200k leaks"
LEAKS_READ = "read, 200k leaks"


def aims(samples):
    """The aims of the detector: [(figure, {tree: values}, unit, limit)]."""
    def both(make):
        return {tree: make(tree) for tree in TREES}

    def ratio(*pairs):
        return both(lambda tree: ratios(pick(samples, tree, *pairs[0]),
                                        pick(samples, tree, *pairs[1])))

    def plain(*key):
        return both(lambda tree: list(pick(samples, tree, *key).values()))

    def against_stock(*key):
        return both(lambda tree: ratios(pick(samples, tree, *key),
                                        pick(samples, TREES[0], *key)))

    pair, deep, two = "pair 64 4", "pair 64 16", "pair 64 4, 2 threads"
    return [
        *((f"{work}, in instructions, on : off",
           ratio(("work", work, "work"), ("work-off", work, "work")), "x", 1.10)
          for work in WORKS),
        ("kmalloc(64)+kfree, native, on : off",
         ratio(("on", pair, "pair"), ("off", pair, "pair")), "x", 3),
        ("the same with 16 callers",
         ratio(("on", deep, "pair"), ("off", deep, "pair")), "x", 3),
        ("off : compiled out",
         ratio(("off", pair, "pair_best"), ("out", pair, "pair_best")), "x", 1.02),
        ("the same in instructions, x86-64 with jump labels",
         ratio(("count-off", pair, "pair"), ("count-out", pair, "pair")), "x", 1.02),
        *((f"the same in {irq} : in a task, on",
           ratio(("count", f"{pair} in {irq}", "pair"), ("count", pair, "pair")), "x", 1.2)
          for irq in ("hardirq", "softirq")),
        ("two threads against one, QEMU, on",
         ratio(("smp", two, "pair"), ("smp", pair, "pair")), "x", 1.10),
        ("all metadata per live object, 300,000",
         both(lambda tree: per_object(samples, tree, "memory 300k", 300000)), "B", 72),
        ("all metadata per live object, 3,000,000",
         both(lambda tree: per_object(samples, tree, "memory 3M", 3000000)), "B", 72),
        ("scan of 300,000 linked 128 B objects, native",
         plain("on", "scan list 300k", "scan"), "ns", 0.018e9),
        ("scan time from 300k to 3M objects",
         ratio(("large", "scan list 3M", "scan"), ("on", "scan list 300k", "scan")),
         "x", 11),
        ("scan that finds 200,000 leaks, ours : stock",
         against_stock("leaks", LEAKS_FIRST, "scan"), "x", 2),
        ("later scan, when all are known, ours : stock",
         against_stock("leaks", LEAKS_LATER, "scan"), "x", 2),
        ("reading these", plain("leaks", LEAKS_READ, "read"), "ns", None),
        ("one marking worker against two, QEMU",
         ratio(("smp", "scan, 1 worker", "scan"), ("smp", "scan, 2 workers", "scan")),
         "x", -1.7),
        ("longest with interrupts off in a scan, native",
         plain("on", "scan with probe", "timer_worst"), "ns", 100e3),
        ("the same with no scan",
         plain("on", "no scan", "timer_worst"), "ns", None),
        *((f"CPUs stopped for a suspect, {count} objects, native",
           {tree: [us * 1e3 for us in pick(samples, tree, boot, f"stop, {count}",
                                           "stop_us").values()] for tree in TREES},
           "ns", None)
          for boot, count in (("on", "30k"), ("on", "300k"), ("large", "3M"))),
    ]


def wanted(limit, unit):
    """A limit in words. A negative limit is a lower limit."""
    if limit is None:
        return ""
    return ("at most " if limit > 0 else "at least ") + show([abs(limit)], unit)


def aim_table(samples):
    return table(["figure", "stock", "wanted", "measured"],
                 [[name, show(values["stock"], unit), wanted(limit, unit),
                   show(values["ours"], unit)]
                  for name, values, unit, limit in aims(samples)])


def plain_data(samples):
    """All values, as data for JSON."""
    return [{"tree": s.tree, "boot": s.boot, "round": s.turn,
             "failed": s.missing,
             "values": [{"work": label, "name": name, "value": value,
                         "unit": s.units[name]}
                        for (label, name), value in s.values.items()]}
            for s in samples]
