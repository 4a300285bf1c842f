#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage, the manual pages, and that the two say the same.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

requires groff col
top=$(cd "$(dirname "$0")/../.." && pwd)

is "no command: usage, 0" "$(tap-ctl | head -1; tap-ctl >/dev/null; echo $?)" \
	"usage: tap-ctl COMMAND [OPTIONS]
0"
like "the second line names the commands" "$(tap-ctl | tail -1)" \
	'^COMMAND := \{ list \| allocate \| .* \}$'
is "an unknown command: the same, 0" \
	"$(tap-ctl nonsense 2>/dev/null; echo $?)" "$(tap-ctl)
0"
is "usage goes to stdout alone" "$(tap-ctl 2>&1 >/dev/null)" ""
fails_with 22 "an unknown option" tap-ctl list -x
fails_with 22 "a missing option" tap-ctl free
fails_with 22 "junk for a number" tap-ctl free -m 1x
fails_with 22 "a surplus word" tap-ctl spawn now
fails_with 22 "neither seconds nor transport" tap-ctl create -a aio:/x -t 5s
fails_with 22 "read-only and read-write" tap-ctl create -a aio:/x -R -W
fails_with 22 "seconds beyond 16 bits" tap-ctl create -a aio:/x -t 65536
is "wrong options: the errno's words come last" \
	"$(tap-ctl free 2>&1 | tail -1)" "Invalid argument"
is "and nothing goes to stdout" "$(tap-ctl free 2>/dev/null)" ""

synopsis() {
	groff -mdoc -Tascii "$1" | col -bx | sed -n '/^SYNOPSIS/,/^DESCR/p' |
		sed '1d;$d' | tr -s ' \n' ' '
}

page=$(synopsis "$top/control/tap-ctl.8")
rest=$page
for c in $(tap-ctl | tail -1 | tr -d '{}|:=' | cut -d' ' -f2-); do
	is "tap-ctl $c -h ends with 0" \
		"$(tap-ctl "$c" -h >/dev/null; echo $?)" 0
	usage=$(tap-ctl "$c" -h)
	usage=${usage#usage: }
	has "the manual has: $usage" "$page" " $usage "
	rest=${rest/" $usage "/ }
done
is "the manual has nothing else" "${rest// /}" ""
page=$(synopsis "$top/tapdisk/tapdisk.8")
usage=$(tapdisk -h | head -1)
is "tapdisk's usage is its synopsis" " ${usage#usage: } " "$page"
fails_with 22 "tapdisk with an unknown option" tapdisk -x
fails_with 22 "tapdisk with a cap that is no power of two" \
	tapdisk --in-flight=3M

for page in control/tap-ctl.8 tapdisk/tapdisk.8; do
	is "$page is clean mdoc" \
		"$(groff -mdoc -ww -z "$top/$page" 2>&1)" ""
	body=$(groff -mdoc -Tascii "$top/$page" | col -bx |
		sed '1,/^DESCRIPTION/d')
	for o in $(sed -n '/^.Sh SYNOPSIS/,/^.Sh DESC/s/^\.\(Op \)*Fl \([^ ]*\).*/\2/p' \
		"$top/$page" | sort -u); do
		has "$page explains -$o" "$body" "-$o"
	done
done
done_testing
