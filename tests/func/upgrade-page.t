#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every command of docs/upgrade.md is run, in its order, on a small legacy host.
#
# The host is a tree, so blktap-migrate and vhd-util are told of it by wrappers;
# there is neither a running Xen nor a systemd in it, so that xl and systemctl
# only say that they were asked.
# shellcheck source=tests/func/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/func/migrate.sh
. "$(dirname "$0")/migrate.sh"
page=$(cd "$(dirname "$0")/../.." && pwd)/docs/upgrade.md
cd "$dir" || exit 1
legacy start
cp -a start tree
before=$(listing start times)

mkdir bin
cat >bin/blktap-migrate <<EOF
#!/bin/bash
set -- "\$@" --root $dir/tree
case \$1 in
fleet) exec $O/bin/blktap-migrate fleet "\${@:2:\$#-3}" ;;
plan | apply) [[ \$* == *--target* ]] || set -- "\$@" $target ;;
esac
exec $O/bin/blktap-migrate "\$@"
EOF
cat >bin/vhd-util <<EOF
#!/bin/bash
exec $O/bin/vhd-util "\${@/#\/srv/$dir/tree/srv}"
EOF
printf '#!/bin/sh\necho xl "$@"\n' >bin/xl
printf '#!/bin/sh\necho systemctl "$@"\n' >bin/systemctl
chmod +x bin/*
PATH=$dir/bin:$PATH

# Blocks of code are indented by four, in a list by seven.
mapfile -t commands < <(sed -nE 's/^ {4}( {3})?([^ |].*)$/\2/p' "$page" |
	grep -E '^(blktap-migrate|vhd-util|xl|systemctl|hash=)')
blocks=$(grep -cE '^ {4}( {3})?[^ |]' "$page")
is "every line of code is a command that is known here" \
	"${#commands[@]}" "$blocks"
ok "there are some" test "${#commands[@]}" -gt 10
# What would not be looked at as code is not there, and what stands in a
# sentence is true: options of ours, commands of ours, units of ours.
is "no code is fenced, or indented by tabs" \
	"$(grep -cE '^[[:blank:]]*(```|~~~)|^ *	' "$page")" 0
words=$(for c in inventory plan apply verify resume rollback status fleet; do
	"$O/bin/blktap-migrate" "$c" -h
done)
for word in $(grep -oE '`[^`]*`' "$page" | grep -oE -- '--[a-z-]+' | sort -u); do
	has "$word is an option" "$words" "$word"
done
for word in $(grep -oE '`(blktap-migrate|vhd-util) [a-z]+' "$page" |
	sed 's/.* //' | sort -u) resume status; do
	ok "$word is a command" sh -c "'$O/bin/blktap-migrate' $word -h ||
		'$O/bin/vhd-util' help 2>&1 | grep -qw $word"
done
for unit in $(sed -n 's/^ *systemctl .* //p' "$page" | sort -u); do
	ok "$unit is a unit of ours" test -n \
		"$(find "${page%/docs/*}" -name "$unit.service*" -not -path '*/build/*' \
			-not -path '*/tests/*' | head -1)"
done

# Shown first and not done: that is what these are for.
status_of() {
	case $1 in
	*"rollback") echo 2 ;;
	*) echo 0 ;;
	esac
}

for command in "${commands[@]}"; do
	eval "$command" >said 2>&1
	rc=$?
	result $((rc != $(status_of "$command"))) "$command" "$rc: $(cat said)"
	case $command in
	*apply*) [ "$(listing tree times)" != "$before" ]
		result $? "which has done something" ;;
	*"rollback --yes") is "which has brought everything back" \
		"$(listing tree times)" "$before" ;;
	esac
done
done_testing
