# SPDX-License-Identifier: GPL-2.0-only
"""Tests how `make bench` evaluates the output of guests. Measures nothing."""

import json
import re
import unittest

from tooling import bench, figures, kernel

PLAN = (("", "populate 10 list"), ("first", "scan"), ("", "param workers 2"),
        ("second", "scan"), ("", "param rules 1"), ("third", "scan"))
LINES = """\
bench: up
bench: do populate 10 list
bench: got populate 5 ns
bench: do scan
bench: got scan 100 ns
bench: got timer_worst 7 ns
bench: do param workers 2
bench: lacks
bench: do scan
bench: got scan 62.50 ns
bench: do param rules 1
bench: do scan
bench: got scan 62.25 ns
""".splitlines()


def sample(tree, boot, turn, **values):
    """values: label__name=number, with "_" for the blanks of the label."""
    made = figures.Sample(tree, boot, turn)
    for key, value in values.items():
        label, name = key.rsplit("__", 1)
        made.values[label.replace("_", " "), name] = value
        made.units[name] = "bytes" if name == "memory" else "ns"
    return made


class Reading(unittest.TestCase):
    def read(self, lines, plan=PLAN):
        got = figures.Sample("ours", "on", 1)
        figures.read_lines(got, plan, lines)
        return got

    def test_same_command_twice(self):
        got = self.read(LINES)
        self.assertEqual(got.values, {("first", "scan"): 100, ("first", "timer_worst"): 7,
                                      ("third", "scan"): 62.25})
        self.assertEqual(got.missing, [])

    def test_failed_and_never_reached(self):
        lines = [*LINES[:4], "sh: write error: Invalid argument", "bench: failed"]
        self.assertEqual(self.read(lines).missing, ["first", "second", "third"])
        self.assertEqual(self.read([]).missing, ["first", "second", "third"])

    def test_another_order(self):
        self.assertRaises(ValueError, self.read, ["bench: do scan"])
        self.assertRaises(ValueError, self.read, [*LINES, "bench: do scan"])


class Numbers(unittest.TestCase):
    def test_median_and_spread(self):
        self.assertEqual(figures.show([3, 1, 2], "ns"), "2 ns (1-3)")
        self.assertEqual(figures.show([37.12], "ns"), "37.1 ns")
        self.assertEqual(figures.show([], "ns"), "-")

    def test_units(self):
        for value, unit, text in ((1573, "ns", "1,573 ns"), (25000, "ns", "25 us"),
                                  (18e6, "ns", "18 ms"), (2.5e9, "ns", "2.50 s"),
                                  (3 << 20, "bytes", "3 MiB"), (1.019, "x", "1.02x"),
                                  (71.9, "B", "71.9 B"), (-5, "ns", "-5 ns")):
            self.assertEqual(figures.show([value], unit), text)

    def test_one_unit_for_a_spread(self):
        self.assertEqual(figures.show([0.5e6, 2e6, 3e6], "ns"), "2 ms (0.50-3)")

    def test_ratio_of_the_same_round(self):
        self.assertEqual(figures.ratios({1: 10, 2: 30, 3: 5}, {2: 10, 1: 5}), [2, 3])

    def test_table(self):
        lines = figures.table(["a", "long"], [["xyz", 1]])
        self.assertEqual(lines, ["| a   | long |", "| --- | ---- |", "| xyz | 1    |"])


class Tables(unittest.TestCase):
    def setUp(self):
        self.samples = []
        for turn in (1, 2):
            for tree, on in (("stock", 1600), ("ours", 80)):
                self.samples += [
                    sample(tree, "on", turn, pair_64_4__pair=on,
                           memory_300k__memory=300000 * (128 + on / 10),
                           scan_list_300k__scan=on * 1e5),
                    sample(tree, "off", turn, pair_64_4__pair=40,
                           pair_64_4__pair_best=40, memory_300k__memory=300000 * 128),
                    sample(tree, "out", turn, pair_64_4__pair_best=40),
                    sample(tree, "leaks", turn, **{
                        figures.LEAKS_FIRST + "__scan": on + 1500 * turn,
                        figures.LEAKS_LATER + "__scan": on})]

    def row(self, lines, start):
        found = [line for line in lines if line.startswith("| " + start)]
        self.assertEqual(len(found), 1, "\n".join(lines))
        return [cell.strip() for cell in found[0].strip("|").split("|")]

    def test_aims(self):
        lines = figures.aim_table(self.samples)
        for start, cells in (
                ("kmalloc(64)", ["40x (40-40)", "at most 3x", "2x (2-2)"]),
                ("off : compiled", ["1x (1-1)", "at most 1.02x", "1x (1-1)"]),
                ("all metadata per live object, 300,000",
                 ["160 B (160-160)", "at most 72 B", "8 B (8-8)"]),
                ("scan of 300,000", ["160 ms (160-160)", "at most 18 ms",
                                     "8 ms (8-8)"]),
                ("scan that finds 200,000 leaks",
                 ["1x (1-1)", "at most 2x", "0.59x (0.51-0.67)"]),
                ("later scan, when all",
                 ["1x (1-1)", "at most 2x", "0.05x (0.05-0.05)"]),
                ("one marking worker", ["-", "at least 1.70x", "-"])):
            self.assertEqual(self.row(lines, start)[1:], cells)

    def test_work(self):
        lines = figures.work_table(self.samples)
        self.assertEqual(self.row(lines, "on    | pair 64 4")[2:],
                         ["1,600 ns (1,600-1,600)", "80 ns (80-80)",
                          "0.05x (0.05-0.05)"])

    def test_json(self):
        data = json.loads(json.dumps(figures.plain_data(self.samples)))
        self.assertEqual(len(data), len(self.samples))
        self.assertEqual(data[0]["values"][0],
                         {"work": "pair 64 4", "name": "pair", "value": 1600,
                          "unit": "ns"})


class Plans(unittest.TestCase):
    def test_labels_are_unique(self):
        for boot in bench.BOOTS:
            labels = [label for label, _ in boot.plan if label]
            self.assertEqual(len(labels), len(set(labels)), boot.name)

    def test_all_is_there(self):
        for boot in bench.BOOTS:
            self.assertIn(boot.flavor, kernel.FLAVORS)
            for _, command in boot.plan:
                self.assertLess(len(command), 96)
                self.assertTrue(re.fullmatch(r"[a-z]+( [a-z0-9_]+)*", command), command)

    def test_aims_are_measured(self):
        """Some boot measures each figure of the second table."""
        names = {"pair": ["pair", "pair_best"], "scan": ["scan"],
                 "read": ["read"], "populate": ["memory"], "quiet": ["timer_worst"],
                 "stat": ["stop_us"], "unpack": ["work"], "remove": ["work"],
                 "fork": ["work"]}
        samples = []
        for tree in figures.TREES:
            for boot in bench.BOOTS:
                made = figures.Sample(tree, boot.name, 1)
                for label, command in boot.plan:
                    for name in names.get(command.split()[0], []):
                        made.values[label, name] = 1
                        made.values[label, "timer_worst"] = 1
                samples.append(made)
        for name, values, _, _ in figures.aims(samples):
            self.assertTrue(values["ours"] and values["stock"], name)
