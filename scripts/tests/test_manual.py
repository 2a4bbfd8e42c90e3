# SPDX-License-Identifier: GPL-2.0-only
"""Compares the documents with the code: the manual's lists match the code, and the
functions, fields, locks and files in the other documents exist."""

import glob
import os
import re
import unittest

from tooling import tiers, work

MANUAL = "Documentation/dev-tools/kmemleak.rst"
DESIGN = "Documentation/mm/kmemleak/design.rst"
LOCKING = "Documentation/mm/kmemleak/locking.rst"

# Values of names from the kernel's headers that the code's limits use.
KNOWN = {"INT_MAX": 2**31 - 1, "U8_MAX": 255, "U32_MAX": 2**32 - 1, "UINT_MAX": 2**32 - 1,
         "MSEC_PER_SEC": 1000, "MIN_NICE": -20, "MAX_NICE": 19}


def read(name):
    with open(os.path.join(work.ROOT, name), encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def names_of(pattern):
    paths = glob.glob(os.path.join(work.ROOT, pattern), recursive=True)
    return sorted(os.path.relpath(path, work.ROOT) for path in paths)


FILES = {os.path.basename(name): without_comments(read(name))
         for pattern in ("mm/kmemleak/*.[ch]", "mm/kmemleak/core/*.[ch]",
                         "mm/kmemleak/arch/*.h")
         for name in names_of(pattern)}
CODE = "\n".join(FILES.values())


def joined_strings(text):
    """The text of adjacent C strings."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)).replace("\\n", "")


# ------------------------------------------------------------------ the manual --

def section(text, title):
    """The text from a heading to the next heading of any level."""
    start = re.search(rf"^{re.escape(title)}\n([=~-])\1+\n", text, re.M)
    if not start:
        raise AssertionError(f"no section {title}")
    end = re.compile(r"^[^\s].*\n([=~-])\1{3,}$", re.M).search(text, start.end())
    return text[start.end():end.start() if end else len(text)]


def table(text):
    """Rows of the first list-table; each row is a list of the text of its cells."""
    rows = []
    for line in text[text.index(".. list-table::"):].splitlines()[1:]:
        if line and not line.startswith(" "):
            break
        cell = re.match(r"   (\* -|  -) ?(.*)", line)
        if cell and cell[1] == "* -":
            rows.append([])
        if cell:
            rows[-1].append(cell[2])
        elif rows and line.strip():
            rows[-1][-1] += " " + line.strip()
    return rows[1:]


def words(text):
    return re.findall(r"``([^`]+)``", text)


# -------------------------------------------------------------------- the code --

def enum_names(prefix, end):
    """KMEMLEAK_<prefix>_*, in the order of the enum that ends with @end."""
    body = re.search(r"enum \w+ \{([^{}]*)\b" + end + r"\b", CODE)[1]
    return re.findall(rf"\b{prefix}(\w+)", body)


def value(expression):
    """The value of a constant expression of the code. A string is returned as it is."""
    text = expression.strip()
    for _ in range(16):
        name = re.search(r"\b[A-Za-z_]\w*\b(?!\s*\()", text)
        if not name:
            break
        define = re.search(rf"^#define\s+{name[0]}\s+(.*)$", CODE, re.M)
        if name[0] in ("KMEMLEAK_NR_RULES", "KMEMLEAK_NR_ROOTS"):
            found = len(enum_names(name[0].replace("NR_", "")[:-1] + "_", name[0]))
        elif name[0] in KNOWN:
            found = KNOWN[name[0]]
        elif define:
            found = f"({define[1]})"
        else:
            raise AssertionError(f"{name[0]} in {expression}: unknown here")
        text = text.replace(name[0], str(found), 1)
    text = re.sub(r"\bBIT\(", "(1 << ", text).replace("/", "//")
    text = re.sub(r"\b(\d+)[UL]+\b", r"\1", text)
    if not re.fullmatch(r"[\d\s()+*/<-]+", text):
        raise AssertionError(f"{expression}: cannot be worked out, {text}")
    return eval(text)  # pylint: disable=eval-used


def parameters():
    """Each parameter's name, its limits or the function that sets it ("": the kernel's),
    and its variable."""
    found = {}
    for name, kind in re.findall(r"module_param_named\((\w+),[^,]+, (\w+),", CODE):
        found[name] = ("", kind)
    for name, var, limit in re.findall(r"^UINT_PARAM\((\w+), (\w+), (\w+),", CODE, re.M):
        found[name] = (("0", limit), var)
    for name, ops, var in re.findall(r"^module_param_cb\((\w+), &(\w+), &?(\w+),", CODE, re.M):
        setter = re.search(rf"\b{ops} = \{{[^}}]*\.set = (\w+)", CODE)[1]
        found[name] = (setter, name if var == "NULL" else var)
    return found


def body_of(function):
    """The text of a function's definition."""
    start = re.search(rf"^[^\s#].*\b{function}\([^;{{]*\)\n\{{", CODE, re.M)
    if not start:
        raise AssertionError(f"no function {function}()")
    return CODE[start.end():CODE.index("\n}", start.end())]


def range_of(setter):
    if isinstance(setter, tuple):
        return f"{value(setter[0])} to {value(setter[1])}"
    body = body_of(setter)
    limits = re.search(r"(\w+) < (\w+) \|\| \1 > (\w+)", body)
    if limits:
        low, high = limits.groups()[-2:]
        return f"{value(low)} to {value(high)}"
    choice = re.search(r"sysfs_match_string\((\w+),", body)
    if choice:
        return table_of_strings(choice[1])
    raise AssertionError(f"{setter}(): how does it limit the value?")


def table_of_strings(name):
    """The values of an array of strings, or the last string of each of its structs."""
    body = re.search(rf"\b{name}\[\w*\] = \{{(.*?)^\}};", CODE, re.M | re.S)[1]
    return re.findall(r'"([^"]*)"', body)


def default_of(var):
    found = re.search(rf"^(?!extern)\w[\w ]* {var}(?: __\w+)?( = ([^;]+))?;", CODE, re.M)
    return found[2] or "0"


def statistics():
    """Names in kmemleak_stats, in its order."""
    names = []
    for names_line, text in re.findall(r'(?:seq_printf|print_(names))\(m, "([^"]*)"',
                                       FILES["report.c"]):
        if names_line:
            names.append(text)
        elif text.startswith("%s "):
            names += counters()
        elif re.match(r"[a-z_]+ %", text):
            names.append(text.split()[0])
    return names


def counters():
    return table_of_strings("kmemleak_counter_names")


class Manual(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.text = read(MANUAL)

    def section(self, title):
        return section(self.text, title)

    def test_parameters(self):
        rows = table(self.section("Module parameters"))
        said = {words(row[0])[0]: row for row in rows}
        code = parameters()
        self.assertEqual(sorted(said), sorted(code))
        for name, (setter, what) in code.items():
            with self.subTest(name):
                if not setter:
                    limits = {"bool": "Y, N"}[what]
                    self.assertEqual(said[name][1], limits)
                    continue
                limits, default = range_of(setter), default_of(what)
                if isinstance(limits, list):
                    self.assertEqual(words(said[name][1]), limits)
                    self.assertEqual(words(said[name][3]), [default.split("_")[-1].lower()])
                else:
                    self.assertEqual(said[name][1], limits)
                    # A default that depends on an option has two values.
                    choice = re.search(r"IS_ENABLED.* \? (\d+) : (\d+)$", default)
                    self.assertEqual(re.findall(r"\d+", said[name][3]), list(
                        reversed(choice.groups()) if choice else [str(value(default))]))

    def test_statistics(self):
        rows = table(self.section("Statistics"))
        said = [name for row in rows for name in words(row[0])]
        self.assertEqual(said, statistics())

    def test_counters(self):
        self.assertEqual([name.lower() for name in
                          enum_names("KMEMLEAK_CNT_", "KMEMLEAK_NR_COUNTERS")], counters())

    def test_rules(self):
        code = enum_names("KMEMLEAK_RULE_", "KMEMLEAK_NR_RULES")
        rows = table(self.section("Rules"))
        self.assertEqual([row[0] for row in rows],
                         [f"{1 << bit} {name}" for bit, name in enumerate(code)])
        rows = table(section(read(DESIGN), "Rules"))
        self.assertEqual([row[0] for row in rows], code)
        self.assertEqual([name.upper() for name in table_of_strings("kmemleak_rule_names")],
                         code)
        head = read("mm/kmemleak/core/rules.c").split("*/")[0]
        self.assertEqual(sorted(re.findall(r"^ \* ([A-Z_]+)  ", head, re.M)), sorted(code))

    def test_roots(self):
        code = enum_names("KMEMLEAK_ROOT_", "KMEMLEAK_NR_ROOTS")
        rows = table(self.section("References and roots"))
        self.assertEqual([row[0] for row in rows],
                         [f"{1 << bit} {name.lower()}" for bit, name in enumerate(code)])
        self.assertEqual([name.upper() for name in table_of_strings("kmemleak_root_names")],
                         code)

    def test_commands(self):
        text = self.section("Commands")
        said = [word for line in re.findall(r"^``.*``$", text, re.M) for word in words(line)]
        code = table_of_strings("commands")
        self.assertEqual(sorted(re.sub("<.*", "", word) for word in said), sorted(code))
        self.assertIn(f"1 to {value('KMEMLEAK_MAX_SECS')} seconds", text)
        self.assertIn(f"above {2**32 - 1}", text)
        self.assertIn(f"{value('KMEMLEAK_CMD_MAX')} bytes or more", text)

    def test_errors_of_a_write(self):
        text = self.section("Commands")
        rows = {row[0]: row[1] for row in table(text)}
        source = read("mm/kmemleak/debugfs.c")
        contract = re.search(r"Return: @size;(.*?)\*/", source, re.S)[1]
        for errno in set(re.findall(r"-(E[A-Z]+)", contract)):
            self.assertIn(errno, rows)
        # The kernel-doc, the paragraph and the table have all errors of "on".
        source = read("mm/kmemleak/control.c")
        doc = source[:source.index("\nint kmemleak_turn_on(")].rsplit("/**", 1)[1]
        code = set(re.findall(r"-(E[A-Z]+)", doc))
        self.assertLessEqual(set(re.findall(r"-(E[A-Z]+)", body_of("kmemleak_turn_on"))), code)
        said = re.search(r"^``on``\n(.*?)\n\n", text, re.M | re.S)[1]
        self.assertEqual(set(re.findall(r"\bE[A-Z]{3,}\b", said)), code)
        rows_of_on = {errno for errno, when in rows.items()
                      if "``on``" in re.sub(r"except ``clear`` and ``on``", "", when)}
        self.assertEqual(rows_of_on, code)

    def test_flag_words(self):
        text = self.section("The description of a block")
        said = words(re.search(r"^``flags``\n(.*?)(\n\n|\Z)", text, re.M | re.S)[1])
        self.assertEqual(sorted(said), sorted(table_of_strings("flag_names")))

    def test_flag_words_of_the_code(self):
        flags = re.findall(r"^#define KMEMLEAK_(\w+)\s+0x[\da-f]*[1248]0*\s*$", CODE, re.M)
        shown = re.findall(r"\{ KMEMLEAK_(\w+),\s+\"", FILES["report.c"])
        self.assertEqual(flags, shown)

    def test_messages(self):
        said = [re.sub(r"<[^>]*>", "<>", " ".join(words(row[0])))
                for row in table(self.section("Messages"))]
        said += [re.sub(r"<[^>]*>", "<>", line)
                 for line in re.findall(r"^ *kmemleak: +(.*)$", self.text, re.M)]
        logged = r'\bpr_(?:info|warn|notice|err)(?:_once)?\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)'
        for text in re.findall(logged, CODE):
            message = re.sub(r"%[-0-9*]*[a-z]+[A-Z]?", "<>", joined_strings(text))
            # A message that is only formats gets its text elsewhere.
            if message.replace("<>", "").strip():
                with self.subTest(message):
                    self.assertTrue(message.strip() in said, f"not in the manual: {message}")


# ------------------------------------------------------- the developers' chapters --

def fields_of(owner):
    """Members of each struct whose name is owner, or ends with it as names of variables do."""
    found = set()
    for body in re.findall(rf"^(?:static )?(?:struct|union) (?:\w+_)?{owner} \{{(.*?)^\}}",
                           CODE, re.M | re.S):
        found |= set(re.findall(r"(\w+)(?:\[[^;]*\])?(?: : \w+)?[;,)]", body))
        found |= set(re.findall(r"DECLARE_BITMAP\((\w+),", body))
    return found


class Chapters(unittest.TestCase):
    """The code has each name that is in Documentation/mm/kmemleak/."""

    @classmethod
    def setUpClass(cls):
        cls.text = {name: read(name) for name in names_of("Documentation/mm/kmemleak/*.rst")}
        cls.all = "\n".join(cls.text.values())
        cls.code = CODE + "\n".join(without_comments(read(name)) for pattern in (
            "include/linux/kmemleak.h", "scripts/series/**/*.series",
            "scripts/series/*/compat/**/*.h", "samples/kmemleak/*.c",
            "tools/testing/kmemleak/**/*.[ch]") for name in names_of(pattern))
        cls.known = set(re.findall(r"\w+", cls.code))

    def in_the_tree(self, names):
        """The names that the base tree does not know either."""
        base = os.environ.get("KMEMLEAK_BASE_TREE")
        if not base:
            self.skipTest("no base tree")
        left = set(names)
        for folder in ("include/linux", "mm", "kernel", "lib", "arch/x86/kernel"):
            for place, _, files in os.walk(os.path.join(base, folder)):
                if place.startswith(os.path.join(base, "mm/kmemleak")):
                    continue
                for file in files:
                    if not left:
                        return left
                    with open(os.path.join(place, file), errors="ignore",
                              encoding="utf-8") as text:
                        found = text.read()
                    left -= {name for name in left if name in found
                             and re.search(rf"\b{name}\b", found)}
        return left

    def test_functions(self):
        called = set(re.findall(r"\b([a-z]\w+)\(\)", self.all))
        unknown = called - self.known
        self.assertEqual({name for name in unknown if name.startswith("kmemleak")}, set())
        if unknown:
            self.assertEqual(self.in_the_tree(unknown), set())

    def test_fields(self):
        for owner, field in sorted(set(re.findall(
                r"``(?:struct |union )?(\w+)(?:\.|->)([a-z]\w*)(?:\(\))?(?:\.\w+)*``", self.all))):
            with self.subTest(f"{owner}.{field}"):
                if f"{owner}.{field}" in FILES or owner in ("task", "thread"):
                    continue
                self.assertIn(field, fields_of(owner))

    def test_words(self):
        """The code has each literal that looks like a name."""
        own = {word for word in words(self.all) if re.fullmatch(r"[a-z]\w*_\w+(\[\])?", word)}
        own |= {word.split()[1] for word in words(self.all)
                if re.match(r"(struct|union|enum) ", word)}
        unknown = {word.rstrip("[]") for word in own} - self.known
        if unknown:
            self.assertEqual(self.in_the_tree(unknown), set())

    def test_files(self):
        named = set(re.findall(r"\b([a-z]\w*\.[ch])\b", self.all))
        ours = {name for name in named if name in FILES
                or name_is_elsewhere(name, self.all)}
        self.assertEqual(named - ours, set())
        listed = set(re.findall(r"^(\w+\.[ch])  ", section(self.text[DESIGN], "Files"), re.M))
        self.assertEqual(listed, set(FILES))

    def test_where(self):
        """``name`` (file.c), and file.c ``name()``: the file has this name."""
        text = re.sub(r"\s+", " ", self.all)
        pairs = [(name, file) for names, file in re.findall(
            r"((?:``[^`]+``(?:, | and )?)+) \((\w+\.c)\)", text) for name in words(names)]
        pairs += [(name, file) for file, name in re.findall(
            r"(\w+\.c) ``(\w+)\(\)``", text)]
        pairs += [(name, file) for file, name in re.findall(r"(\w+\.c) (\w+)\(\)", text)]
        self.assertGreater(len(pairs), 20)
        for name, file in pairs:
            last = re.findall(r"\w+", name)
            if file in FILES and last:
                with self.subTest(f"{name} in {file}"):
                    self.assertRegex(FILES[file], rf"\b{last[-1]}\b")

    def test_lock_order(self):
        head = read("mm/kmemleak/state.h").split("Lock order", 1)[1].split("*/")[0]
        order = re.findall(r"^ \*   ([\w.]+?)\s{2,}", head, re.M)
        said = re.findall(r"^``(?:kmemleak_)?([\w.]+)``.*, (?:raw|mutex|spinlock)$",
                          section(self.text[LOCKING], "Locks"), re.M)
        strip = [name.replace("kmemleak_", "") for name in order]
        self.assertEqual(said, strip)


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = read("README.md")

    def test_limits(self):
        row = re.search(r"^\| `LIMIT=SECONDS` .*", self.text, re.M)[0]
        said = {tier: int(seconds) for seconds, tiers_of in re.findall(
            r"(\d+) for ((?:`\w+`(?: and )?)+)", row)
                for tier in re.findall(r"\w+", tiers_of.replace(" and ", " "))}
        code = {name.replace("uml-debug", "uml"): value
                for name, value in tiers.LIMITS.items()}
        self.assertEqual(said, code)

    def test_targets(self):
        rows = re.findall(r"^\| (`make.*?) \| ", section_of_readme(self.text, "Targets"), re.M)
        said = {word for row in rows for word in re.findall(r"`make ([a-z]+)", row)}
        code = set(re.findall(r"^([a-z ]+):(?! *[:=])", read("Makefile"), re.M))
        self.assertEqual(said | {"help"}, {word for names in code for word in names.split()})

    def test_folders(self):
        for name in re.findall(r"`([^`]+)`", " ".join(re.findall(
                r"^\| (`.*?`) \| ", section_of_readme(self.text, "Layout"), re.M))):
            with self.subTest(name):
                self.assertTrue(name == "build/" or glob.glob(os.path.join(work.ROOT, name)))


def section_of_readme(text, title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


# ------------------------------------------------------------ lockless accesses --

# The accesses in the table: "plain", or a call with the field in its arguments. Barriers
# have no arguments.
BARRIERS = {"smp_mb", "smp_rmb", "smp_wmb"}
STRONG = BARRIERS | {
    "atomic_cmpxchg", "atomic_inc_return_release", "atomic_read_acquire", "atomic_xchg",
    "cmpxchg", "raw_read_seqcount", "raw_write_seqcount_begin", "raw_write_seqcount_end",
    "read_seqcount_retry", "smp_load_acquire", "smp_store_release", "try_cmpxchg",
    "xchg"}
ACCESSES = STRONG | {
    "READ_ONCE", "WRITE_ONCE", "atomic_dec", "atomic_inc", "atomic_long_add",
    "atomic_long_inc", "atomic_long_read", "atomic_read", "bitmap_clear", "bitmap_set",
    "list_add", "list_del", "plain", "this_cpu_read"}

# The arguments of a call, which can have calls in them.
ARGUMENTS = r"\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)"

DEFINITION = re.compile(r"^(?=[^\s#}/])[^;{}()]*?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}|"
                        r"^#define (\w+)\([^)]*\)((?:[^\n]*\\\n)+)", re.M | re.S)


def definitions():
    """{function: {file: bodies}} of all functions that the detector's files define."""
    found = {}
    for file, text in FILES.items():
        for got in DEFINITION.finditer(text):
            bodies = found.setdefault(got[1] or got[3], {}).setdefault(file, [])
            bodies.append(got[2] if got[1] else got[4])
    return found


def clauses(cell):
    """[(accesses, [(file or "", function)])] of the clauses of a cell."""
    found = []
    for part in cell.split(";"):
        accesses, functions = [], []
        for file, name, plain in re.findall(
                r"(?:\b(\w+\.[ch]) )?(?:\b|``)(\w+)\(\)|\b(plain)\b", part):
            name = name or plain
            if name not in ACCESSES:
                functions.append((file, name))
                continue
            if functions:
                found.append((accesses, functions))
                accesses, functions = [], []
            accesses.append(name)
        if accesses or functions:
            found.append((accesses, functions))
    return found


class Lockless(unittest.TestCase):
    """Each function in the table of lockless accesses makes the access in its row. The table
    has each access that pairs with another one."""

    @classmethod
    def setUpClass(cls):
        cls.rows = table(section(read(LOCKING), "Lockless accesses"))
        cls.code = definitions()

    def bodies(self, file, function):
        places = self.code.get(function, {})
        self.assertTrue(places, f"no function {function}()")
        if file:
            self.assertIn(file, places, f"{function}() is not in {file}")
        return [body for place, found in places.items() if place == (file or place)
                for body in found]

    @staticmethod
    def makes(body, access, fields):
        if access in BARRIERS:
            return re.search(rf"\b{access}\(\)", body)
        if access == "plain":
            rest = re.sub(rf"\b(?:{'|'.join(ACCESSES)}){ARGUMENTS}", "", body)
            return any(re.search(rf"\b{field}\b", rest) for field in fields)
        calls = re.findall(rf"\b{access}{ARGUMENTS}", body)
        return any(not fields or re.search(rf"\b(?:{'|'.join(fields)})(?:_of)?\b", call)
                   for call in calls)

    def test_each_makes_its_access(self):
        for what, where, _ in self.rows:
            fields = [re.findall(r"\w+", word)[-1] for word in words(what)]
            named = {name for _, names in clauses(where) for name in names}
            for accesses, functions in clauses(where):
                with self.subTest(f"{what}: {', '.join(accesses)}"):
                    self.assertTrue(functions or not accesses, "by which function?")
                for access in accesses:
                    for file, function in functions:
                        with self.subTest(f"{what}: {access} in {function}()"):
                            self.assertTrue(self.reaches(
                                (file, function), access, fields, named))

    def reaches(self, function, access, fields, named):
        """Does the function make the access, or call a function of the same row that does?"""
        bodies = self.bodies(*function)
        return any(self.makes(body, access, fields) for body in bodies) or any(
            re.search(rf"\b{other[1]}\(", body) and
            any(self.makes(more, access, fields) for more in self.bodies(*other))
            for other in named for body in bodies)

    def test_all_that_pair_are_there(self):
        said = {(access, name) for _, where, _ in self.rows
                for accesses, functions in clauses(where) for access in accesses
                for _, name in functions}
        for function, places in self.code.items():
            for body in (body for found in places.values() for body in found):
                for access in set(re.findall(r"\b(\w+)\(", body)) & STRONG:
                    with self.subTest(f"{access} in {function}()"):
                        self.assertIn((access, function), said)


def name_is_elsewhere(name, text):
    """Is the name always given with a folder? Then it is a file of the tree or of the
    tests."""
    return all(re.search(r"/$", text[:found.start()]) for found in
               re.finditer(rf"(?<![\w.]){re.escape(name)}", text))
