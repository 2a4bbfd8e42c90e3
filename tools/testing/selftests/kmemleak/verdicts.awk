# SPDX-License-Identifier: GPL-2.0-only
#
# Compares expected results of blocks (first file) with reports (second file). No live block
# may be reported. Lost blocks must be reported with their size, or with the requested size
# where the smallest slab caches are larger. If a function is given, their trace must show
# it. The compiler may have added to the function's name.
#
# First file:	[percpu ]<live|lost|past> <address> <size> [trace=<function>[,<or>...]]
#		past: lost earlier; it may be reported or not
#		<size>: "?" if it is not known
# -v percent=P:	so many of the lost blocks must be reported (default: 100)
# -v only=1:	no other block may be reported
#
# Exit status 0 if all reports are right. Prints a summary and the faults as KTAP
# diagnostics.

# An address as a key: without 0x and leading zeroes, since their number depends on the kind of
# address. Per-cpu addresses have a prefix.
function key(addr, percpu)
{
	sub(/^0x0*/, "", addr)
	return (percpu ? "percpu " : "") addr
}

function complain(what)
{
	if (++complaints <= 20)
		print "# " what
}

function shows(line, functions,    names, i)
{
	for (i = split(functions, names, ","); i > 0; i--)
		if (index(line, " " names[i] "+0x") || index(line, " " names[i] "."))
			return 1
	return 0
}

FNR == 1 { file++ }

file == 1 && /^(percpu )?(live|lost|past) / {
	percpu = ($1 == "percpu")
	k = key($(2 + percpu), percpu)
	verdict[k] = $(1 + percpu)
	size[k] = $(3 + percpu)
	if ($(4 + percpu) ~ /^trace=/)
		trace[k] = substr($(4 + percpu), 7)
	n[verdict[k]]++
}

file == 2 && /^unreferenced object / {
	percpu = ($3 == "(percpu)")
	current = key($(3 + percpu), percpu)
	reported[current]++
	text = $(5 + percpu)
	sub(/\).*/, "", text)
	got_size[current] = text
}

file == 2 && /^  requested [0-9]+ bytes/ {
	asked[current] = $2
}

file == 2 && /^    .*\+0x/ {
	if (current in trace && shows($0, trace[current]))
		in_trace[current] = 1
}

END {
	for (k in reported) {
		if (only && !(k in verdict)) {
			complain("reported, but not in the first file: 0x" k)
			wrong++
		}
	}
	for (k in verdict) {
		if (verdict[k] == "past")
			continue
		if (verdict[k] == "live") {
			if (k in reported) {
				complain("live block reported: 0x" k " size " size[k])
				wrong++
			}
			continue
		}
		if (!(k in reported)) {
			if (missed++ < 5)
				complain("lost block not reported: 0x" k " size " size[k])
			continue
		}
		if (reported[k] > 1) {
			complain("reported " reported[k] " times: 0x" k)
			wrong++
		}
		if (size[k] != "?" && got_size[k] != size[k] && asked[k] != size[k]) {
			complain("size of 0x" k ": " got_size[k] ", expected " size[k])
			wrong++
		}
		if ((k in trace) && !(k in in_trace)) {
			complain("trace of 0x" k " does not show " trace[k])
			wrong++
		}
	}
	if (percent == "")
		percent = 100
	print "# live " n["live"] + 0 ", lost " n["lost"] + 0 ", missed " missed + 0
	if (n["live"] + n["lost"] == 0) {
		print "# no block with an expected result"
		wrong++
	}
	exit wrong > 0 || (n["lost"] - missed) * 100 < percent * n["lost"]
}
