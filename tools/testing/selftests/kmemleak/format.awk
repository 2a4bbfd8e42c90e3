# SPDX-License-Identifier: GPL-2.0-only
#
# Checks one read of the reports. Each line must have the shape and the place that users'
# scripts expect. Exit status 0 if so, and if there are at least ten reports.
#
# A state machine: the state is the kind of the last line.

function bad(why) {
	if (++faults <= 10)
		print "# line " NR ", " why ": " $0
}
/^unreferenced object (0x[0-9a-f]+|\(percpu\) 0x[0-9a-f]+) \(size [1-9][0-9]*\):$/ {
	if (state != "" && state != "frame")
		bad("report in the midst of another")
	state = "header"
	n++
	next
}
/^  comm ".*", pid [0-9]+, jiffies [0-9]+$/ {
	if (state != "header")
		bad("comm after " state)
	state = "comm"
	next
}
/^  hex dump \(first [1-9][0-9]* bytes( on cpu [0-9]+)?\):$/ {
	if (state != "comm")
		bad("dump after " state)
	left = $4
	if (left > 32)
		bad("long dump")
	state = "dump"
	next
}
state == "dump" && left > 0 && /^    [0-9a-f][0-9a-f] / {
	row = left > 16 ? 16 : left
	hex = substr($0, 5, row * 3 - 1)
	if (length($0) != 4 + 16 * 3 + 1 + row || hex !~ /^[0-9a-f][0-9a-f]( [0-9a-f][0-9a-f])*$/)
		bad("shape of dump")
	left -= row
	next
}
/^  requested (at most )?[1-9][0-9]* bytes$/ {
	if (state != "dump" || left != 0)
		bad("request after " state " with " left " bytes left")
	state = "request"
	next
}
/^  (root of a lost structure: [1-9][0-9]* more blocks, [1-9][0-9]* bytes|reached from other lost blocks)$/ {
	if ((state != "dump" && state != "request") || left != 0)
		bad("place after " state " with " left " bytes left")
	state = "place"
	next
}
/^  backtrace \(crc [0-9a-f]+\):$/ {
	if ((state != "dump" && state != "request" && state != "place") || left != 0)
		bad("trace after " state " with " left " bytes left")
	state = "trace"
	next
}
/^    [A-Za-z_][A-Za-z0-9_.]*\+0x[0-9a-f]+\/0x[0-9a-f]+( \[[a-z0-9_]+\])?$/ {
	if (state != "trace" && state != "frame")
		bad("frame after " state)
	state = "frame"
	next
}
{ bad("unknown") }
END {
	if (state != "frame")
		bad("ends in " state)
	print "# " n " reports"
	exit faults > 0 || n < 10
}
