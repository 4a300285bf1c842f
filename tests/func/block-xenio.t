#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# block-xenio.t - the hotplug script, with tapdisks that are real, and a store,
# a kernel and a xenio that are not.
. "$(dirname "$0")/lib.sh"

script=$(realpath "$(dirname "$0")/../../xenio/block-xenio")
export BLOCK_XENIO_BUS=$dir/bus BLOCK_XENIO_RUN=$dir XS=$dir/store
mkdir -p "$dir/bin" "$XS/domid" "$BLOCK_XENIO_BUS"/{drivers/vbd,devices}
PATH=$dir/bin:$PATH

# A value is in the file ".v" of its node's folder.
stub() {
	{ echo '#!/bin/bash'; cat; } >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}
echo 0 >"$XS/domid/.v"
stub xenstore-read <<<'cat "$XS/${1#/}/.v"'
stub xenstore-rm <<<'for p; do rm -rf "$XS${p:?}"; done'
stub xenstore-ls <<'END'
cd "$XS" || exit
find ".$2" -name .v | while read -r v; do
	v=${v#.}
	echo "${v%/.v} = \"$(cat ".$v")\""
done
END
# xenio, if it lives, answers the marker.
stub xenstore-write <<'END'
while [ $# != 0 ]; do
	mkdir -p "$XS$1"
	echo "$2" >"$XS$1/.v"
	[ "${1##*/}" != xenio-owner ] || [ ! -e "$XS/../answers" ] ||
		"$0" "${1%/*}/xenio-status" ready
	shift 2
done
END

back=/local/domain/0/backend
# disk TYPE DOMID DEV MODE PARAMS
disk() {
	xenstore-write $back/"$1/$2/$3"/params "$5" $back/"$1/$2/$3"/mode "$4" \
		$back/"$1/$2/$3"/state 2 $back/"$1/$2/$3"/frontend f
	node=$back/$1/$2/$3
	export XENBUS_PATH=backend/$1/$2/$3 XENBUS_TYPE=$1
}
# The kernel's driver is bound, and lets go when it is told to.
drive() {
	local id=vbd-$1-$2
	mkdir -p "$BLOCK_XENIO_BUS/devices/$id/driver"
	rm -f "$BLOCK_XENIO_BUS/drivers/vbd/"{un,}bind
	mkfifo "$BLOCK_XENIO_BUS/drivers/vbd/unbind"
	(read -r told <"$BLOCK_XENIO_BUS/drivers/vbd/unbind"
	rmdir "$BLOCK_XENIO_BUS/devices/$told/driver") >/dev/null 2>&1 &
	kernel=$!
}
driven() { [ -e "$BLOCK_XENIO_BUS/devices/vbd-$1-$2/driver" ]; }
gone() { xenstore-rm $back; }
get() { xenstore-read "$node/$1" 2>/dev/null; }
lines() { grep -c . <<<"$1"; }

truncate -s 1M "$dir/a" "$dir/b:c d"
vhd-util create -n "$dir/v.vhd" -s 1

# --- a disk of a kind of its own ---------------------------------------------

disk vbd3 5 51712 w "vhd:$dir/v.vhd"
ok "a VHD of kind vbd3 is added" "$script" add
is "hotplug-status says so" "$(get hotplug-status)" connected
is "the path is that of the socket" "$(get physical-device-path)" \
	"$BLKTAP_CONTROL_DIR/nbd$(get pid).$(get minor)"
ok "which is there" test -S "$(get physical-device-path)"
is "no marker is written" "$(get xenio-owner)" ""
pid=$(get pid)
ok "it is added again" "$script" add
is "by which nothing changes" "$(get pid) $(lines "$(tap-ctl list)")" "$pid 1"
disk vbd3 6 51712 w "vhd:$dir/v.vhd"
fails_with 1 "another domain does not get it" "$script" add
has "and is told why" "$(get hotplug-error)" "domain 5 has it"
is "the first keeps its tapdisk" "$(lines "$(tap-ctl list)")" 1
xenstore-write /local/domain/5/vm /vm/x /local/domain/6/vm /vm/x
ok "the first one's device model does" "$script" add
is "by the same tapdisk" "$(get pid)" "$pid"
ok "which is removed" "$script" remove
is "and stays for the other" "$(lines "$(tap-ctl list)")" 1
disk vbd3 5 51712 w "vhd:$dir/v.vhd"
ok "that is removed" "$script" remove
is "no tapdisk is left" "$(tap-ctl list)" ""
ok "it is removed again" "$script" remove

disk vbd3 7 1 r "$dir/b:c d"
ok "a path with a colon and a space is added" "$script" add
disk vbd3 8 1 r "$dir/b:c d"
ok "for two who both only read" "$script" add
ok "one goes" "$script" remove
disk vbd3 7 1 r "$dir/b:c d"
kill -9 "$(get pid)"
ok "and the other, whose tapdisk was killed" "$script" remove
is "of which nothing is left" "$(tap-ctl list)" ""

gone
# --- what is wrong -------------------------------------------------------------

# refuses WORDS PARAMS
refuses() {
	disk vbd 9 2 w "$2"
	xenstore-rm "$node/hotplug-error"
	drive 9 2
	fails_with 1 "'$2' is refused" "$script" add
	has "and why" "$(get hotplug-error)" "$1"
	is "by hotplug-status too" "$(get hotplug-status)" error
	ok "the kernel keeps it" driven 9 2
	is "no tapdisk is left" "$(tap-ctl list)" ""
	kill $kernel
}
refuses "does not run" "$dir/a"
exec 8>"$dir/xenio-vbd.lock"
flock 8
refuses "the disk has no target" ""
refuses "there is no such file" "$dir/none"
refuses "there is no such file" "vhd:$dir/none"
refuses "neither TYPE:FILE" "vhd:a"
refuses "tap-ctl create: " "vhd:$dir/a"
refuses "tap-ctl create: " "nonsense:$dir/a"

gone
# --- a disk of the kernel's -------------------------------------------------------

disk vbd 5 51712 w "vhd:$dir/v.vhd"
drive 5 51712
sed 's/until_ 15 answered/until_ 1 answered/' "$script" >"$dir/impatient"
chmod +x "$dir/impatient"
touch "$BLOCK_XENIO_BUS/drivers/vbd/bind"
fails_with 1 "a xenio that does not answer is a failure" "$dir/impatient" add
has "and said" "$(get hotplug-error)" "xenio does not answer"
is "the marker is gone" "$(get xenio-owner)" ""
is "and what names a tapdisk" "$(get pid)$(get minor)" ""
is "the kernel gets the disk back" \
	"$(cat "$BLOCK_XENIO_BUS/drivers/vbd/bind")" vbd-5-51712
is "no tapdisk is left" "$(tap-ctl list)" ""

touch "$dir/answers"
disk vbd 5 51712 w "vhd:$dir/v.vhd"
xenstore-rm "$node/hotplug-status"
drive 5 51712
ok "a VHD of the kernel's kind is added" "$script" add
ok "the kernel has let it go" eval '! driven 5 51712'
is "the marker is there" "$(get xenio-owner)" serve
is "QEMU can read it" "$(get physical-device-path)" \
	"nbd:unix:$BLKTAP_CONTROL_DIR/nbd$(get pid).$(get minor)"
ok "it is removed" "$script" remove
is "no tapdisk is left" "$(tap-ctl list)" ""

# A kernel before 5.6 closes what is unbound.
disk vbd 5 51712 w "$dir/a"
xenstore-write "$node/state" 6
drive 5 51712
touch "$BLOCK_XENIO_BUS/drivers/vbd/bind"
xenstore-rm "$node/hotplug-status"
fails_with 1 "a disk that the kernel closes is refused" "$script" add
has "with the reason" "$(get hotplug-error)" "Linux 5.6"
is "no tapdisk is left" "$(tap-ctl list)" ""

gone
# --- for xenio --all ----------------------------------------------------------------

rm -r "$BLOCK_XENIO_BUS/drivers/vbd"
disk vbd 5 51728 w "$dir/a"
xenstore-write "$node/hotplug-status" connected
ok "xenio opens a disk" "$script" open "backend/vbd/5/51728"
minor=$(get minor)
is "which has one tapdisk" "$(tap-ctl list -m "$minor" | cut -d' ' -f1)" \
	"pid=$(get pid)"
xenstore-rm "$node"
ok "and closes it when its nodes are gone" "$script" close \
	backend/vbd/5/51728 "$minor"
is "no tapdisk is left" "$(tap-ctl list)" ""
disk vbd 5 51728 w "$dir/none"
xenstore-write "$node/hotplug-status" connected
fails_with 1 "one that is not there is not opened" "$script" open \
	"backend/vbd/5/51728"
is "and the script's word stays" "$(get hotplug-status)" connected
fails_with 2 "another word is refused" "$script" nonsense
jobs -p | xargs -r kill 2>/dev/null
done_testing
