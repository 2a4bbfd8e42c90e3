# SPDX-License-Identifier: GPL-2.0-only
#
# Compares blocks with a known verdict (first file) with reports (second file):
# no live block may be reported, lost ones have to be, with their size (or as requested,
# where the smallest slab caches are larger) and, where it is known, with a function in
# their trace. The compiler may have added to its name.
#
# First file:	[percpu ]<live|lost|past> <address> <size> [trace=<function>[,<or>...]]
#		past: lost earlier; it may be reported by now
#		<size>: "?" if it is not known
# -v percent=P:	so many of the lost ones are enough (100 if not given)
# -v only=1:	and no other block may be reported
#
# Exit status 0 if all is as it should be. Prints a summary and what is not, as
# diagnostics.

# Without 0x and leading zeroes, which depend on the kind of address.
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
			complain("reported, though nobody knows it: 0x" k)
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
		print "# no block with a known verdict"
		wrong++
	}
	exit wrong > 0 || (n["lost"] - missed) * 100 < percent * n["lost"]
}
