# Sourced by run.sh: the rows of the binary protocol, beside Redis, slapd, and LMDB alone.
BIG_PEER=$((USERS < 50000 ? USERS : 50000))

ask_token() { # a product's token, and the workspaces that checks are about
	[[ ${ASKLOAD_TOKEN:-} ]] && return
	local api=https://127.0.0.1:$PORT$base group id i
	ASKLOAD_TOKEN=$(ctl "$DATA" --json token create --service --orgs bench --permissions org.check,team.view,org.watch | secret)
	OPERATOR=$(ctl "$DATA" --json token create --operator | secret)
	export ASKLOAD_TOKEN
	made() { # ENDPOINT JSON: prints the id
		curl -sfk -H "Authorization: Bearer $OPERATOR" -H 'Content-Type: application/scim+json' "$api/$1" -d "$2" |
			grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4
	}
	place() { # NAME GROUP: a workspace where the group may look
		local ours=urn:rosterd:scim:schemas:core:1.0: w
		w=$(made Workspaces "{\"schemas\":[\"${ours}Workspace\"],\"displayName\":\"$1\"}")
		made Assignments "{\"schemas\":[\"${ours}Assignment\"],\"principal\":{\"value\":\"$2\"},\"role\":\"workspace/viewer\",\"scope\":{\"value\":\"$w\"}}" >/dev/null
		echo "$w"
	}
	"$TOOLS/people" scim-group all 3 0 "$USERS" >"$TMP/all.jsonl"
	import_users "$TMP/all.jsonl" bench >/dev/null
	ALL=$(ids_of "$TMP/all.jsonl")
	NEAR=$(place Near "$ALL")
	group=$ALL
	for i in 1 2 3 4 5 6 7; do
		group=$(made Groups "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"displayName\":\"Around $i\",\"members\":[{\"value\":\"$group\"}]}")
	done
	FAR=$(place Far "$group")
}
secret() { grep -o '"token": *"rst_[^"]*"' | head -1 | cut -d'"' -f4; }

# ---- Load ----

asked() { # OUTPUT CONNECTIONS DEPTH SERVER-THREAD URL KIND OPTION...: prints the rate; with PER_CORE=1, of a core-second of the server
	local out=$1 c=$2 p=$3 server=$4 url=$5 kind=$6
	shift 6
	on_load "$TOOLS/askload" -c "$c" -p "$p" -d "$SECS" --server "$server" --ids "$TMP/ids" "$@" "$url" "$kind" >"$out" ||
		die "askload $kind failed: $(cat "$out")"
	if [[ ${PER_CORE:-0} = 1 ]]; then
		calc "$(of rate "$out") / $(of server_cores "$out")" 0
	else
		of rate "$out"
	fi
}
of() { sed "s/.*\"$1\":\([0-9.]*\)[,}].*/\1/" "$2"; } # FIELD FILE
worker_thread() { grep -lx worker-0 "/proc/$ROSTERD/task/"*/comm | head -1 | cut -d/ -f5; }
ours() { asked "$TMP/ours.json" "$CONNS" "$DEPTH" "$(worker_thread)" "roster://127.0.0.1:$ROSTER_PORT" "$@"; }
ours_member() { ours is-member --group "$ALL" "$@"; }
ours_check() { ours check --permission content.view --scope "$NEAR" "$@"; }
ours_check_far() { ours check --permission content.view --scope "$FAR" "$@"; }
ours_batch() { ours check-batch --batch 1000 --permission content.view --scope "$NEAR"; }
theirs() { asked "$TMP/theirs.json" "$CONNS" "$DEPTH" "$REDIS" "rediss://127.0.0.1:$REDIS_PORT" sismember --group team; }

# Each of them is asked about everybody once before: of somebody who was not asked about, see the note.
warmed() {
	local member near far PER_CORE=0 # whatever the row is in
	[[ ${ASK_WARM:-} ]] && return
	ASK_WARM=1
	CONNS=8 DEPTH=128
	near=$(ours_check --once)
	far=$(ours_check_far --once)
	member=$(ours_member --once)
	note "of those who were not asked about before: is-member $member/s, check through a team $near/s, through 8 $far/s"
}

# ---- Peers ----

redis_up() {
	[[ ${REDIS:-} ]] && return
	need redis-server redis-tools
	local plain
	plain=$(free_port)
	REDIS_PORT=$(free_port)
	serve "$TMP/redis.log" redis-server --bind 127.0.0.1 --port "$plain" --tls-port "$REDIS_PORT" --tls-cert-file "$TMP/cert.pem" \
		--tls-key-file "$TMP/key.pem" --tls-ca-cert-file "$TMP/cert.pem" --tls-auth-clients no \
		--tls-ciphersuites TLS_AES_128_GCM_SHA256 --save '' --appendonly no --dir "$TMP"
	REDIS=$SRV
	wait_port "$plain" "$TMP/redis.log"
	awk '{ print "SADD team " $1 }' "$TMP/ids" | redis-cli -p "$plain" --pipe >/dev/null
}
ldap_compare() { # GROUP PEOPLE
	on_load "$TOOLS/ldapload" -c 8 -p 16 -d "$SECS" -g "$1" -n "$2" "ldaps://127.0.0.1:$LDAP_PORT" compare >"$TMP/ldap.json" ||
		die "ldapload compare failed"
	rate compare "$TMP/ldap.json"
}
ldap_compare_big() { ldap_compare big "$BIG_PEER"; }
ldap_compare_ten() { ldap_compare ten 10; }

# ---- Rows ----

ask_row() { # CONNECTIONS DEPTH WHAT REACH AIM OURS THEIRS
	seeded && ask_token && redis_up && warmed
	CONNS=$1 DEPTH=$2
	side_by_side "$3" /s "$4" "$5" "$6" "$7"
	note "ours $(ask_latencies "$TMP/ours.json")$([[ $7 = theirs ]] && echo "; beside $(ask_latencies "$TMP/theirs.json")")"
	CONNS=64
}
ask_latencies() { echo "$(of rate "$1")/s, p50 $(of p50 "$1") p99 $(of p99 "$1") us (server $(of server_cores "$1") cores, load $(of load_cores "$1"))"; }
# With one question under way on each connection the load takes as much of a core as the server: what the server does in a second of its core counts.
row_member1() { PER_CORE=1 ask_row 64 1 "is-member : Redis, 64 x 1, a core-second" 1.1 1.3 ours_member theirs; }
row_member16() { ask_row 8 16 "is-member : Redis SISMEMBER, 8 x 16" 1.4 1.8 ours_member theirs; }
row_member128() { ask_row 8 128 "is-member : Redis SISMEMBER, 8 x 128" 1.5 1.8 ours_member theirs; }
row_check() { ask_row 8 16 "check through a team : is-member, 8 x 16" 0.5 0.8 ours_check ours_member; }
row_check8() { ask_row 8 16 "check through 8 teams : through one, 8 x 16" 0.35 0.7 ours_check_far ours_check; }
lmdb_gets() {
	rm -rf "$TMP/gets" && mkdir "$TMP/gets"
	on_server_wait "$TOOLS/getload" "$TMP/ids" "$TMP/gets" "$SECS"
}
on_server_wait() { (on_server "$@"); }
row_batch() { ask_row 1 2 "check-batch of 1000 : LMDB gets in-process" 0.4 0.7 ours_batch lmdb_gets; }
row_compare() {
	seeded && ask_token && slapd_up && warmed
	CONNS=8 DEPTH=16
	side_by_side "is-member : slapd compare, group of $BIG_PEER" /s 200 400 ours_member ldap_compare_big
	side_by_side "is-member : slapd compare, group of 10" /s 15 25 ours_member ldap_compare_ten
	CONNS=64
}
# The kernel's own threads take the server's core now and then, for milliseconds: the row is of questions that did not meet that, the note of all.
row_p99() {
	local half p p99s='' alls=''
	seeded && ask_token && warmed
	CONNS=8 DEPTH=16
	half=$(calc "$(ours_check) / 2" 0)
	for ((RUN = 1; RUN <= RUNS; RUN++)); do
		quiet
		ours_check -r "$half" >/dev/null
		p99s+=$(of p99_on_core "$TMP/ours.json")$'\n' alls+=$(of p99 "$TMP/ours.json")$'\n'
	done
	p=$(printf %s "$p99s" | median)
	result "p99 of check at half of the peak ($half/s)" "$p" us - "$p" 1000 300 max
	note "with the times in which others had the core ($(calc "$(of paused "$TMP/ours.json") * 100") % of the last run): p99 $(printf %s "$alls" | median) us"
	CONNS=64
}
row_watch() {
	local p p99s=
	seeded && ask_token
	for ((RUN = 1; RUN <= RUNS; RUN++)); do
		quiet
		ASKLOAD_TOKEN=$OPERATOR on_load "$TOOLS/watchload" "roster://localhost:$ROSTER_PORT" "$TMP/cert.pem" $((SECS * 300)) >"$TMP/watch.json" ||
			die "watchload failed"
		p99s+=$(of p99 "$TMP/watch.json")$'\n'
	done
	p=$(printf %s "$p99s" | median)
	result "p99 of a watch behind the commit" "$p" us - "$p" 5000 1000 max
	note "$(cat "$TMP/watch.json")"
}
sync_users() { # prints milliseconds
	local t
	t=$(now_ms)
	ctl "$DATA" sync --org bench --from "$TMP/plain.jsonl" --connection bench --match userName --users-only --yes >"$TMP/sync.log" 2>&1 ||
		die "sync: $(tail -2 "$TMP/sync.log")"
	echo $(($(now_ms) - t))
}
# Neither side is pinned: all of them use both cores.
row_sync() {
	local a b c d as='' bs='' cs='' ds='' rs='' qs=''
	files_made
	# As a directory sends people: without ids of ours.
	sed 's/"id":"[^"]*",//' "$TMP/users.jsonl" >"$TMP/plain.jsonl"
	for ((RUN = 1; RUN <= RUNS; RUN++)); do
		PIN=0 rosterd_fresh
		a=$(import_users "$TMP/users.jsonl" bench)
		PIN=0 rosterd_fresh
		b=$(sync_users)
		c=$(sync_users)
		d=$(reading)
		as+=$a$'\n' bs+=$b$'\n' cs+=$c$'\n' ds+=$d$'\n' rs+=$(calc "$a / $b" 3)$'\n' qs+=$(calc "$c / $d" 3)$'\n'
	done
	result "sync of $USERS, first : rosterctl import" "$(calc "$USERS * 1000 / $(printf %s "$bs" | median)" 0)" users/s \
		"$(calc "$USERS * 1000 / $(printf %s "$as" | median)" 0)" "$(calc "$(printf %s "$rs" | median)")" 0.7 1 min
	result "time of it unchanged : reading the file" "$(printf %s "$cs" | median)" ms "$(printf %s "$ds" | median)" \
		"$(calc "$(printf %s "$qs" | median)")" 3 2 max
	SEEDED=
	IMPORTED=
}
reading() { # parsing the file's lines, which whoever reads it has to do: prints milliseconds
	local t
	t=$(now_ms)
	"$TOOLS/readload" "$TMP/plain.jsonl"
	echo $(($(now_ms) - t))
}
