#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# xenio.t - the daemon's options, and how it refuses to start.
. "$(dirname "$0")/lib.sh"

page=$(dirname "$0")/../../xenio/xenio.8
for option in $(xenio --help | grep -o -e '--[a-z-]*' | sort -u); do
	has "the manual has $option" \
		"$(sed 's/^\.It //; s/Fl -/--/g' "$page")" "$option"
done

is "--version prints it" "$(xenio -V | cut -d' ' -f1)" xenio
for bad in "-m 5" "-m -1" "-m 0x1" "-x 99999" "-n a/b" "-n" "--max-queues 0" \
	"--max-queues 17" "--max-indirect 257" "--nonsense" "word"; do
	# shellcheck disable=SC2086
	fails_with 2 "xenio $bad is refused" xenio $bad
done

said=$(xenio --check)
rc=$?
for what in xenstore gntdev evtchn; do
	like "--check tells of $what" "$said" "(^|"$'\n'")$what: (ok|missing: )"
done
is "its status says whether anything is missing" "$rc" \
	"$(grep -q missing <<<"$said"; echo $((1 - $?)))"

name=test$$
exec 9>"/run/xenio-$name.lock"
flock 9
echo 4711 >&9
said=$(xenio -D -n $name 2>&1)
is "a second daemon ends with 1" $? 1
has "and names the first" "$said" "process 4711 serves it"
is "in the background too" "$(xenio -n $name 2>/dev/null; echo $?)" 1
exec 9>&-
rm -f "/run/xenio-$name.lock"
done_testing
