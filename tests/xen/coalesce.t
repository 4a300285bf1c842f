# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# coalesce.t - thirty layers become four under a guest that writes.
#
# Three layers in the middle have a key, which is also for the layers above
# them, that name none; the leaf was made larger. Each step is what a storage
# manager does: a layer goes into its parent while the guest runs, then the
# disk is paused for as long as it takes to give the next layer its new
# parent. Layers that name different keys, or a key and none, stay apart.
# xen: 4.20
# limit: 600
set -u
. ./lib.sh
export TAPDISK3_CRYPTO_KEYDIR=$tmp/keys
first=14 clear=17 leaf=29 refused=0

layer() { echo "$tmp/$1.vhd"; }
key() { echo "$tmp/keys/$1,aes-xts-plain,512.key"; }

# below N: the layer that N is made over; those from $clear on are made over
# a layer without a key, since a snapshot of one with a key has it too.
below() { [ "$1" = $clear ] && echo $((first - 1)) || echo $(($1 - 1)); }

make_layer() {
	vhd-util snapshot -e -n "$(layer "$1")" \
		-p "$(layer "$(below "$1")")" || return
	case $1 in
	"$first") vhd-util key -s -n "$(layer "$1")" -k "$(key "$1")" ;;
	"$clear") vhd-util modify -n "$(layer "$1")" \
		-p "$(layer $(($1 - 1)))" ;;
	esac
}

# 64 KiB, a part of which a later layer hides.
write_layer() {
	local line
	echo "write -P $1 $(($1 * 16))k 64k" >&"${io[1]}"
	while read -r -t 60 line <&"${io[0]}"; do
		case $line in
		*failed*) return 1 ;;
		*"wrote 65536/65536"*) break ;;
		esac
	done
	tr '\0' "\\$(printf %o "$1")" <"$tmp/zeroes" |
		dd of="$tmp/ref" bs=16k seek="$1" conv=notrunc 2>"$tmp/dd"
}

# Each third layer, and those about the keys, by one tapdisk.
# shellcheck disable=SC2086  # $served is four words
make_chain() {
	local n
	for n in $(seq $leaf); do
		make_layer "$n" || return
	done
	serve "vhd:$(layer 0)" || return
	coproc io { exec qemu-io -f raw "$address" 2>&1; }
	for n in 0 3 6 9 12 $((first - 1)) $first $((first + 1)) \
		$((clear - 1)) $clear 19 22 25 28 $leaf; do
		tap-ctl pause $served &&
			tap-ctl unpause $served -a "vhd:$(layer "$n")" &&
			write_layer "$n" || return
	done
	echo quit >&"${io[1]}"
	wait "$io_PID"
	unserve
}

disk_of() {
	read -r pid minor _ < <(tap-ctl list -f "$1" | sed 's/pid=//; s/minor=//')
	disk="-p $pid -m $minor"
}

# reparent N PARENT: the guest's disk stands still in between.
# shellcheck disable=SC2086  # $disk is four words
reparent() {
	local from=${EPOCHREALTIME/[.,]/} rc
	tap-ctl pause $disk || return
	vhd-util modify -n "$(layer "$1")" -p "$(layer "$2")"
	rc=$?
	tap-ctl unpause $disk || return
	echo $(((${EPOCHREALTIME/[.,]/} - from) / 1000)) >>"$tmp/pauses"
	return $rc
}

# How long as many programs take that do nothing, in ms: the middle of three.
three_programs() {
	local n from
	for n in 1 2 3; do
		from=${EPOCHREALTIME/[.,]/}
		tap-ctl list >"$tmp/none"
		vhd-util query -n "$(layer $leaf)" -f >"$tmp/none"
		tap-ctl list >"$tmp/none"
		echo $(((${EPOCHREALTIME/[.,]/} - from) / 1000))
	done | sort -n | sed -n 2p
}

# Layer by layer into the lowest that will take it.
coalesce_all() {
	local n into=0 said
	for n in $(seq $((leaf - 1))); do
		if said=$(vhd-util coalesce -n "$(layer "$n")" 2>&1); then
			reparent $((n + 1)) "$into" || return
			rm "$(layer "$n")"
			continue
		fi
		case $n,$said in
		$first,*"key hashes of child and parent differ"*) ;;
		$clear,*"key hashes of child and parent differ"*) ;;
		*) echo "$n: $said"; return 1 ;;
		esac
		refused=$((refused + 1)) into=$n
	done
}

mkdir "$tmp/keys"
head -c 64 /dev/urandom >"$(key $first)"
for n in $(seq $((first + 1)) $((clear - 1))); do
	cp "$(key $first)" "$(key "$n")"
done
head -c 64k /dev/zero >"$tmp/zeroes"
truncate -s 20M "$tmp/ref"
vhd-util create -n "$(layer 0)" -s 16
ok "thirty layers are made" make_chain
ok "the leaf is made larger" vhd-util resize -n "$(layer $leaf)" -s 20 \
	-j "$tmp/journal"
is "there are thirty" "$(vhd-util query -d -n "$(layer $leaf)")" \
	"chain depth: 30"
is "three have a key" "$(for n in $(seq 0 $leaf); do
	vhd-util key -p -n "$(layer "$n")"; done | grep -c '^0* [0-9a-f]*$')" 3
ok "the data of one with a key is not there to read" \
	sh -c "! grep -q '$(printf '\016%.0s' 1 2 3 4 5 6 7 8)' '$(layer $first)'"
ok "that of one without is" \
	grep -q "$(printf '\014%.0s' 1 2 3 4 5 6 7 8)" "$(layer 12)"
is "domain 0 reads what was written" "$(image_sum "vhd:$(layer $leaf)")" \
	"$(sum "$tmp/ref")"

ok "a guest starts" guest g pv "$(tap vhd xvda "$(layer $leaf)")"
disk_of "$(layer $leaf)"
is "it reads the same" "$(sum_in g /dev/xvda)" "$(sum "$tmp/ref")"
ok "it writes and verifies, again and again" busy g /dev/xvda \
	"--offset=12m --rate_iops=200"
ok "it has begun" until_ 60 worked g
ok "layer by layer is coalesced under it" coalesce_all
is "a key and none were kept apart" "$refused" 2
is "twenty-six times the disk stood still" "$(wc -l <"$tmp/pauses")" 26
is "there are four layers" "$(vhd-util query -d -n "$(layer $leaf)")" \
	"chain depth: 4"
three=$(three_programs)
sort -n -o "$tmp/pauses" "$tmp/pauses"
half=$(sed -n 13p "$tmp/pauses")
echo "  pauses in ms: half up to $half, longest $(tail -n 1 "$tmp/pauses")," \
	"three programs that do nothing take $three"
# A second; or on a host that is busy with other things, what it allows.
ok "they are short" [ "$half" -lt $((3 * three > 1000 ? 3 * three : 1000)) ]
rounds=$(in_guest g 'grep -c round /tmp/rounds')
echo "  rounds of fio by then: $rounds"
ok "the guest goes on" until_ 60 worked g $((rounds + 2))
ok "and has read what it wrote" quiet g
is "what it did not write is as it was" \
	"$(in_guest g 'head -c 12582912 /dev/xvda | sha256sum' | some)" \
	"$(head -c 12M "$tmp/ref" | sum)"
after=$(sum_in g /dev/xvda)
ok "it ends" destroy g

is "domain 0 reads the same as the guest" \
	"$(image_sum "vhd:$(layer $leaf)")" "$after"
for n in 0 $first $clear $leaf; do
	ok "layer $n is clean" vhd-util check -b -n "$(layer "$n")"
done
vhd-util coalesce -n "$(layer $leaf)" >"$tmp/said" 2>&1
is "the larger leaf does not go into its parent" $? 22
ok "until that has its size" vhd-util resize -n "$(layer $clear)" -s 20 \
	-j "$tmp/journal"
ok "then it does" vhd-util coalesce -n "$(layer $leaf)"
is "the parent is what the guest read" \
	"$(image_sum "vhd:$(layer $clear)")" "$after"
finish
