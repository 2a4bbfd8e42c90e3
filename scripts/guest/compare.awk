# SPDX-License-Identifier: GPL-2.0-only
#
# Compares the announcements of the sample module (first file) with the detector's reports from
# before the module was loaded (second file) and after (third file). Exit status 0 if the
# second file has no report, and the third has all announced leaks and no other block.
#
# -v recipes=N: number of recipes that ran, as the module says.

# An address as a key: without 0x and leading zeroes. Per-cpu addresses have a prefix.
function key(addr, percpu) {
	sub(/^0x0*/, "", addr)
	return (percpu ? "percpu " : "") tolower(addr)
}

FNR == 1 { file = ARGIND_of(FILENAME) }

function ARGIND_of(name,    i) {
	for (i = 1; i < ARGC; i++)
		if (ARGV[i] == name)
			return i
	return 0
}

file == 1 && /^recipe=/ {
	name = expect = addr = ""
	percpu = 0
	for (i = 1; i <= NF; i++) {
		split($i, part, "=")
		if (part[1] == "recipe") name = part[2]
		if (part[1] == "expect") expect = part[2]
		if (part[1] == "addr") addr = part[2]
		if (part[1] == "percpu") percpu = part[2]
	}
	if (name == "" || addr == "" || (expect != "leak" && expect != "none")) {
		print "run: cannot read the announcement: " $0
		bad++
		next
	}
	if (!(name in seen)) {
		seen[name] = 1
		order[++names] = name
	}
	k = key(addr, percpu)
	recipe[k] = name
	verdict[k] = expect
	if (expect == "leak")
		expected[name]++
}

file > 1 && /^unreferenced object / {
	percpu = ($3 == "(percpu)")
	k = key(percpu ? $4 : $3, percpu)
	if (file == 2) {
		print "run: reported before the sample was loaded: " $0
		bad++
		old[k] = 1
		next
	}
	if (k in old)
		next
	if (verdict[k] == "leak") {
		if (!(k in hit))
			found[recipe[k]]++
		hit[k] = 1
	} else {
		why = (k in recipe) ? "recipe " recipe[k] " must not be reported" \
				    : "announced by no recipe"
		print "run: unexpected, " why ": " $0
		if (k in recipe)
			wrong[recipe[k]]++
		bad++
	}
}

END {
	printf "\n%-24s %8s %8s\n", "recipe", "leaks", "reported"
	for (i = 1; i <= names; i++) {
		name = order[i]
		printf "%-24s %8d %8d%s\n", name, expected[name],
			found[name] + wrong[name],
			(expected[name] == found[name] && !wrong[name]) ? "" : "  <-- wrong"
		total += expected[name]
		hits += found[name]
	}
	for (k in verdict)
		if (verdict[k] == "leak" && !(k in hit)) {
			at = k
			sub(/^(percpu )?/, "&0x", at)
			print "run: not reported: recipe " recipe[k] " at " at
			bad++
		}
	if (names == 0 || total == 0) {
		print "run: the sample announced no leak"
		bad++
	}
	if (names != recipes) {
		print "run: the sample ran " recipes " recipes and announced " names
		bad++
	}
	printf "run: %d of %d announced leaks reported, %d fault(s)\n", hits, total, bad
	exit bad > 0
}
