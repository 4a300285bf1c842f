#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage of blktap-migrate, its manual page, and that the two say the same.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"

requires groff col
top=$(cd "$(dirname "$0")/../.." && pwd)
page=$top/migrate/blktap-migrate.8

fails_with 1 "no command" blktap-migrate
fails_with 1 "an unknown command" blktap-migrate nonsense
is "--help goes to stdout and ends with 0" \
	"$(blktap-migrate --help 2>/dev/null | head -1; blktap-migrate --help >/dev/null 2>&1; echo $?)" \
	"usage: blktap-migrate COMMAND [OPTIONS]
0"
fails_with 1 "an unknown option" blktap-migrate plan --nonsense
fails_with 1 "an option of another command" blktap-migrate status --plan x
has "which is said" "$(blktap-migrate status --plan x 2>&1)" \
	"status does not take --plan"
fails_with 1 "--root, where files are named" \
	blktap-migrate fleet --root /x "$0"
fails_with 1 "fleet without a file" blktap-migrate fleet
fails_with 1 "fleet with what is no inventory" blktap-migrate fleet "$0"
fails_with 1 "a surplus word" blktap-migrate plan now
fails_with 1 "a verdict that cannot be allowed" \
	blktap-migrate plan --allow cold,tepid
fails_with 1 "a target before 4.13" blktap-migrate plan --target 4.12
fails_with 1 "a root that is not there" \
	blktap-migrate inventory --root "$dir/none"

synopsis() {
	groff -mdoc -Tascii "$page" | col -bx |
		sed -n '/^SYNOPSIS/,/^DESCR/p' | sed '1d;$d' | tr -s ' \n' ' '
}

text=$(synopsis)
rest=$text
commands=$(blktap-migrate --help | sed -n 's/^COMMAND := {\(.*\)}/\1/p')
for c in ${commands//|/}; do
	is "$c -h ends with 0" \
		"$(blktap-migrate "$c" -h >/dev/null; echo $?)" 0
	usage=$(blktap-migrate "$c" -h)
	usage=${usage#usage: }
	has "the manual has: $usage" "$text" " $usage "
	rest=${rest/" $usage "/ }
done
is "the manual has nothing else" "${rest// /}" ""
is "the page is clean mdoc" "$(groff -mdoc -ww -z "$page" 2>&1)" ""
body=$(groff -mdoc -Tascii "$page" | col -bx | sed '1,/^DESCRIPTION/d')
for o in $(sed -n '/^.Sh SYNOPSIS/,/^.Sh DESC/s/^\.Op Fl \([^ ]*\).*/\1/p' \
	"$page" | sort -u); do
	has "the page explains -$o" "$body" "-$o"
done
done_testing
