#!/usr/bin/env bash
# make scale: what "any size" means, with figures: a million users, a group of them all, 100,000 groups, 1,000 orgs; loaded by
# rosterctl import and a part by SCIM bulk; the daemon's memory while it answers the biggest group.
#   GROUPS_N (100000)  ORGS_N (1000)  BULKS (20 requests of 1,000 users)
PIN=${PIN:-0}
. "$(dirname "$0")/lib.sh"
GROUPS_N=${GROUPS_N:-100000} ORGS_N=${ORGS_N:-1000} BULKS=${BULKS:-20}
DATA=$TMP/roster PORT=$(free_port)
URL=https://127.0.0.1:$PORT/orgs/bench/scim/v2
FAILED=0

figure() { printf '%-58s %s\n' "$1" "$2"; }
check() { # WHAT CONDITION(awk)
	if awk "BEGIN { exit !($2) }"; then figure "$1" ok; else figure "$1" "FAILED ($2)"; FAILED=1; fi
}
memory() { figure "  resident, without the map" "$(rss_kib "$SRV") KiB"; }
timed() { # WHAT COUNT COMMAND...
	local what=$1 n=$2 t
	shift 2
	t=$(now_ms)
	"$@"
	t=$(($(now_ms) - t))
	figure "$what" "$t ms, $(calc "$n * 1000 / ($t + 1)" 0)/s"
}
import() { ctl "$DATA" import "$1" "$2" --connection bench >"$TMP/import.log" 2>&1 || die "import: $(tail -2 "$TMP/import.log")"; }
get() { # OUTPUT URL [CURL OPTION...]: prints the time in ms
	local out=$1 url=$2
	shift 2
	curl -sfkg -H "Authorization: Bearer $RLOAD_TOKEN" -o "$out" -w '%{time_total}' "$@" "$url" |
		awk '{ printf "%.1f", $1 * 1000 }'
}
bulks() {
	local i
	for ((i = 0; i < BULKS; i++)); do
		"$TOOLS/people" bulk bulk- $((i * 1000)) 1000 >"$TMP/bulk.json"
		curl -sfk -H "Authorization: Bearer $RLOAD_TOKEN" -H 'Content-Type: application/scim+json' \
			--data-binary "@$TMP/bulk.json" -o "$TMP/bulk.out" "$URL/Bulk" || die "bulk request $i failed"
		[[ $(grep -o '"status":"201"' "$TMP/bulk.out" | wc -l) = 1000 ]] || die "bulk request $i: not all 201"
	done
}
orgs() {
	local i
	for ((i = 0; i < ORGS_N; i++)); do echo "org$i"; done >"$TMP/orgs"
	while read -r i; do ctl "$DATA" org create "$i" >/dev/null; done <"$TMP/orgs"
}
# The most resident memory while a command runs.
peak_of() {
	local job peak=0 now
	"$@" >"$TMP/peak.out" &
	job=$!
	while kill -0 "$job" 2>/dev/null; do
		now=$(rss_kib "$SRV")
		((now > peak)) && peak=$now
		sleep .02
	done
	wait "$job"
	echo "$peak"
}

need openssl curl python3
certificate
rosterd_config "$DATA" "$PORT"
rosterd_start "$DATA" "$PORT"
RLOAD_TOKEN=$(org_create "$DATA" bench)
export RLOAD_TOKEN
memory

"$TOOLS/people" scim 0 "$USERS" >"$TMP/users.jsonl"
timed "import of $USERS users" "$USERS" import bench "$TMP/users.jsonl"
memory
"$TOOLS/people" scim-group big 1 0 "$USERS" >"$TMP/big.jsonl"
timed "import of a group of $USERS" "$USERS" import bench "$TMP/big.jsonl"
memory
# 100,000 groups of ten, over all the people.
"$TOOLS/people" scim-groups team 1000 0 "$((GROUPS_N * 10 < USERS ? GROUPS_N * 10 : USERS))" 10 >"$TMP/groups.jsonl"
timed "import of $(wc -l <"$TMP/groups.jsonl") groups of 10" "$(wc -l <"$TMP/groups.jsonl")" import bench "$TMP/groups.jsonl"
memory
timed "SCIM bulk: $BULKS requests of 1,000 users" $((BULKS * 1000)) bulks
memory
timed "$ORGS_N orgs" "$ORGS_N" orgs
memory

big=$(get "$TMP/found" "$URL/Groups?filter=displayName+eq+%22big%22&excludedAttributes=members" >/dev/null
	grep -o '"id":"[^"]*"' "$TMP/found" | head -1 | cut -d'"' -f4)
small=$(get "$TMP/found" "$URL/Groups?filter=displayName+eq+%22team+1000%22&excludedAttributes=members" >/dev/null
	grep -o '"id":"[^"]*"' "$TMP/found" | head -1 | cut -d'"' -f4)
before=$(rss_kib "$SRV")
peak=$(peak_of get "$TMP/group.json" "$URL/Groups/$big")
figure "GET of the group of $USERS, with members" "$(cat "$TMP/peak.out") ms, $(stat -c %s "$TMP/group.json") bytes"
check "  all members are in it" "$(grep -o '"value":' "$TMP/group.json" | wc -l) == $USERS"
figure "  most resident meanwhile, without the map" "$peak KiB (before: $before KiB)"
check "  streamed in bounded memory (16 MiB more at most)" "$peak - $before <= 16384"
slow=$(peak_of get "$TMP/group.json" "$URL/Groups/$big" --limit-rate 20M)
figure "  the same to a slow client" "$(cat "$TMP/peak.out") ms, $slow KiB"
check "  bounded memory" "$slow - $before <= 16384"
"$TOOLS/rload" --json -d 2 "https://127.0.0.1:$PORT" \
	"group,path=/orgs/bench/scim/v2,group=$small,conns=8,as=small" >"$TMP/small.json"
"$TOOLS/rload" --json -d 2 "https://127.0.0.1:$PORT" \
	"group,path=/orgs/bench/scim/v2,group=$big,conns=8,as=big" >"$TMP/large.json"
a=$(field small rate "$TMP/small.json") b=$(field big rate "$TMP/large.json")
figure "GET without members: group of 10, of $USERS" "$a/s, $b/s"
check "  costs what a small group costs (within 1.3)" "$a <= 1.3 * $b"
memory

end "$SRV"
sync
{ echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || say "page cache not dropped: not root"
rosterd_start "$DATA" "$PORT"
figure "ready, with all that on disk" "$READY_MS ms"
check "  under a second" "$READY_MS < 1000"
memory
figure "data.mdb" "$(du -k "$DATA/data.mdb" | cut -f1) KiB"
timed "verify" $((USERS + GROUPS_N)) ctl "$DATA" verify
exit $FAILED
