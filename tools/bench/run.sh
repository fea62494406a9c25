#!/usr/bin/env bash
# make bench: rosterd and its peers side by side, in the same minutes, on the same machine.
#   run.sh [ROW...]   rows: import ready get filter create create256 patch flat latency (SCIM),
#                     member1 member16 member128 check check8 batch compare p99 watch sync (the binary protocol); all
# USERS=20000 SECS=2 is a quick look. See lib.sh for more.
. "$(dirname "$0")/lib.sh"

ALL_ROWS="sync import ready get filter latency member1 member16 member128 check check8 batch p99 watch compare flat patch create create256"
ROWS=${*:-$ALL_ROWS}
SPARE=$((USERS / 5)) # more people: every sixth of all is not in the big group
PEER_GROUP=$((USERS < 50000 ? USERS : 50000))
CONNS=64
RESULTS=$TMP/results
: >"$RESULTS"

wants() { [[ " $ROWS " == *" $1 "* ]]; }
for row in $ROWS; do
	[[ " $ALL_ROWS " == *" $row "* ]] || die "no row \"$row\""
done

# ---- Results ----

result() { # WHAT OURS UNIT THEIRS RATIO REACH AIM ORDER(min|max)
	local verdict
	verdict=$(awk -v r="$5" -v reach="$6" -v aim="$7" -v o="$8" 'BEGIN {
		a = o == "min" ? r >= aim : r <= aim; b = o == "min" ? r >= reach : r <= reach
		print a ? "aim met" : b ? "reached" : "NOT reached" }')
	printf '%-46s %10s %10s %-7s %7s %7s %7s  %s\n' "$1" "$2" "$4" "$3" "$5" "$6" "$7" "$verdict" | tee -a "$RESULTS" >&2
}
note() { printf '  %s\n' "$*" | tee -a "$RESULTS" >&2; }
latencies() { # STREAM FILE
	echo "p50 $(field "$1" p50 "$2") p95 $(field "$1" p95 "$2") p99 $(field "$1" p99 "$2")" \
		"p99.9 $(field "$1" p999 "$2") max $(field "$1" max "$2") us"
}

# A and B in turn, RUNS times; medians of both and of the pairs' ratios. Each prints its rate.
side_by_side() { # WHAT UNIT REACH AIM OURS-FUNCTION THEIRS-FUNCTION
	local a b as='' bs='' rs=''
	for ((RUN = 1; RUN <= RUNS; RUN++)); do
		quiet
		a=$($5)
		b=$($6)
		as+=$a$'\n' bs+=$b$'\n' rs+=$(calc "$a / $b" 3)$'\n'
	done
	a=$(printf %s "$as" | median) b=$(printf %s "$bs" | median)
	result "$1" "$(calc "$a" 0)" "$2" "$(calc "$b" 0)" "$(calc "$(printf %s "$rs" | median)")" "$3" "$4" min
}

# ---- rosterd and the data ----

DATA=$TMP/roster PORT=$(free_port) ROSTER_PORT=$(free_port)
base=/orgs/bench/scim/v2

rosterd_fresh() {
	[[ ${ROSTERD:-} ]] && end "$ROSTERD"
	rm -rf "$DATA"
	rosterd_config "$DATA" "$PORT" "$ROSTER_PORT"
	rosterd_start "$DATA" "$PORT"
	ROSTERD=$SRV
	RLOAD_TOKEN=$(org_create "$DATA" bench)
	export RLOAD_TOKEN
}
import_users() { # FILE ORG: prints milliseconds
	local t
	t=$(now_ms)
	ctl "$DATA" import "$2" "$1" --connection bench >"$TMP/import.log" 2>&1 || die "import: $(tail -2 "$TMP/import.log")"
	echo $(($(now_ms) - t))
}
files_made() {
	[[ -f $TMP/users.jsonl ]] && return
	say "making $USERS people"
	"$TOOLS/people" scim 0 "$USERS" >"$TMP/users.jsonl"
	"$TOOLS/people" scim "$USERS" "$SPARE" >"$TMP/spare.jsonl"
	"$TOOLS/people" names 0 "$USERS" >"$TMP/names"
}
ids_of() { # FILE
	awk -F'"id":"' '{ print substr($2, 1, 36) }' "$1"
}
seeded() { # users, spare people, a group of ten and one of all
	files_made
	if [[ ! ${SEEDED:-} ]]; then
		[[ ${IMPORTED:-} ]] || {
			rosterd_fresh
			ms=$(import_users "$TMP/users.jsonl" bench)
			say "imported $USERS users in $ms ms"
		}
		"$TOOLS/people" scim-group ten 1 0 10 >"$TMP/groups.jsonl"
		"$TOOLS/people" scim-group-but big 2 0 $((USERS + SPARE)) 6 >>"$TMP/groups.jsonl"
		cat "$TMP/spare.jsonl" "$TMP/groups.jsonl" >"$TMP/more.jsonl"
		ms=$(import_users "$TMP/more.jsonl" bench)
		say "imported $SPARE more and two groups in $ms ms"
		ids_of "$TMP/users.jsonl" >"$TMP/ids"
		# Who is not in the big group, in no order.
		ids_of "$TMP/spare.jsonl" | cat "$TMP/ids" - | awk 'NR % 6 == 1' |
			shuf --random-source="$TMP/users.jsonl" >"$TMP/spare-ids"
		TEN=$(ids_of "$TMP/groups.jsonl" | sed -n 1p)
		BIG=$(ids_of "$TMP/groups.jsonl" | sed -n 2p)
		SEEDED=1
	fi
	# The pages of the map in memory, as a daemon has them that runs for a while.
	warm
}
load() { # OUTPUT STREAM...: against rosterd
	local out=$1 before
	shift
	before=$(ticks "$ROSTERD")
	on_load "$TOOLS/rload" --json -d "$SECS" "https://127.0.0.1:$PORT" "$@" >"$out" || die "rload failed: $*"
	echo $(($(ticks "$ROSTERD") - before)) >"$out.ticks"
}
cores() { calc "$(cat "$1.ticks") / $(getconf CLK_TCK) / ($SECS + 0.5)"; } # of the server, in that run
warm() {
	load "$TMP/warm.json" "get,path=$base,ids=$TMP/ids" "filter,path=$base,names=$TMP/names"
}
rate() { field "$1" rate "$2"; }

# ---- nginx ----

nginx_up() { # serves one user's JSON, as rosterd answers it, from a file
	[[ ${NGINX:-} ]] && return
	need nginx-light
	NGINX_PORT=$(free_port)
	mkdir -p "$TMP/www"
	curl -sfk -H "Authorization: Bearer $RLOAD_TOKEN" -o "$TMP/www/user.json" \
		"https://127.0.0.1:$PORT$base/Users/$(head -1 "$TMP/ids")"
	note "the answer: $(stat -c %s "$TMP/www/user.json") bytes of JSON"
	cat >"$TMP/nginx.conf" <<-CONF
		worker_processes $([[ $PIN = 1 ]] && echo 1 || nproc);
		daemon off;
		pid $TMP/nginx.pid;
		error_log $TMP/nginx.log;
		events { worker_connections 4096; }
		http {
			access_log off;
			sendfile on; tcp_nodelay on;
			open_file_cache max=100; open_file_cache_valid 60s;
			keepalive_requests 1000000000; keepalive_timeout 600s;
			client_body_temp_path $TMP; proxy_temp_path $TMP; fastcgi_temp_path $TMP;
			uwsgi_temp_path $TMP; scgi_temp_path $TMP;
			ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
			server {
				listen 127.0.0.1:$NGINX_PORT ssl;
				ssl_certificate $TMP/cert.pem; ssl_certificate_key $TMP/key.pem;
				root $TMP/www; types { application/scim+json json; }
			}
		}
	CONF
	serve "$TMP/nginx.log" nginx -c "$TMP/nginx.conf" -e "$TMP/nginx.log"
	NGINX=$SRV
	wait_port "$NGINX_PORT" "$TMP/nginx.log"
}
nginx_get() {
	on_load "$TOOLS/rload" --json -d "$SECS" "https://127.0.0.1:$NGINX_PORT" \
		"path,path=/user.json,conns=$CONNS" >"$TMP/nginx.json" || die "rload on nginx failed"
	rate path "$TMP/nginx.json"
}

# ---- slapd ----

slapd_files() {
	[[ -f $TMP/people.ldif ]] && return
	need slapd ldap-utils libldap-dev
	[[ -x $TOOLS/ldapload ]] || die "ldapload was not built: libldap-dev was missing when configure ran; run configure again"
	"$TOOLS/people" ldif 0 "$USERS" >"$TMP/people.ldif"
	{
		"$TOOLS/people" ldif-group ten 0 10
		"$TOOLS/people" ldif-group big 0 "$PEER_GROUP"
	} >"$TMP/groups.ldif"
	cat >"$TMP/slapd.conf" <<-CONF
		include /etc/ldap/schema/core.schema
		include /etc/ldap/schema/cosine.schema
		include /etc/ldap/schema/inetorgperson.schema
		pidfile $TMP/slapd.pid
		modulepath /usr/lib/ldap
		moduleload back_mdb
		TLSCertificateFile $TMP/cert.pem
		TLSCertificateKeyFile $TMP/key.pem
		database mdb
		suffix dc=bench
		rootdn cn=admin,dc=bench
		rootpw secret
		directory $TMP/ldap
		maxsize 17179869184
		index objectClass,uid eq
	CONF
}
slapd_import() { # prints milliseconds
	local t
	slapd_files
	rm -rf "$TMP/ldap"
	mkdir "$TMP/ldap"
	t=$(now_ms)
	/usr/sbin/slapadd -q -f "$TMP/slapd.conf" -l "$TMP/people.ldif" 2>"$TMP/slapadd.log" ||
		die "slapadd: $(tail -1 "$TMP/slapadd.log")"
	echo $(($(now_ms) - t))
	touch "$TMP/ldap/loaded"
}
slapd_up() {
	[[ ${SLAPD:-} ]] && return
	slapd_files
	[[ -f $TMP/ldap/loaded ]] || ms=$(slapd_import)
	/usr/sbin/slapadd -q -f "$TMP/slapd.conf" -l "$TMP/groups.ldif" 2>"$TMP/slapadd.log" || die "slapadd of groups"
	LDAP_PORT=$(free_port)
	serve "$TMP/slapd.log" /usr/sbin/slapd -d 0 -f "$TMP/slapd.conf" -h "ldaps://127.0.0.1:$LDAP_PORT"
	SLAPD=$SRV
	wait_port "$LDAP_PORT" "$TMP/slapd.log"
	export LDAPLOAD_PASSWORD=secret
}
ldap_load() { # OPERATION CONNECTIONS: prints the rate
	on_load "$TOOLS/ldapload" -c "$2" -d $((SECS < 4 ? 4 : SECS)) -n "$USERS" "ldaps://127.0.0.1:$LDAP_PORT" "$1" >"$TMP/ldap.json" ||
		die "ldapload $1 failed"
	rate "$1" "$TMP/ldap.json"
}

# ---- The rows ----

ours_get() { load "$TMP/get.json" "get,path=$base,ids=$TMP/ids,conns=$CONNS" && rate get "$TMP/get.json"; }
ours_filter() { load "$TMP/filter.json" "filter,path=$base,names=$TMP/names,conns=$CONNS" && rate filter "$TMP/filter.json"; }
ours_create() { load "$TMP/create.json" "create,path=$base,conns=$CONNS" && rate create "$TMP/create.json"; }
ours_patch() {
	load "$TMP/patch.json" "patch,path=$base,group=$BIG,ids=$TMP/spare-ids.$RUN,conns=$CONNS" &&
		rate patch "$TMP/patch.json"
}

row_get() {
	seeded && nginx_up
	side_by_side "GET a user by id : nginx static file" req/s 0.7 0.9 ours_get nginx_get
	note "$(cores "$TMP/get.json") cores, $(latencies get "$TMP/get.json"); nginx $(latencies path "$TMP/nginx.json")"
}
row_filter() {
	seeded && nginx_up
	side_by_side "GET Users?filter=userName eq : the same nginx" req/s 0.6 0.8 ours_filter nginx_get
	note "$(cores "$TMP/filter.json") cores, $(latencies filter "$TMP/filter.json")"
}
ldap_add() { ldap_load add "$CONNS"; }
row_create() {
	seeded && slapd_up
	side_by_side "POST a user, 64 clients : slapd add" req/s 4 6 ours_create ldap_add
	note "$(cores "$TMP/create.json") cores, $(latencies create "$TMP/create.json"); slapd $(latencies add "$TMP/ldap.json")"
}
row_create256() {
	seeded && slapd_up
	CONNS=256
	side_by_side "POST a user, 256 clients : slapd add" req/s 6 9 ours_create ldap_add
	note "$(cores "$TMP/create.json") cores, $(latencies create "$TMP/create.json"); slapd $(latencies add "$TMP/ldap.json")"
	CONNS=64
}
ldap_member() { ldap_load member "$CONNS"; }
row_patch() {
	seeded && slapd_up
	# Each run adds people whom no other run adds.
	split -d -a 1 -n "l/$RUNS" --numeric-suffixes=1 "$TMP/spare-ids" "$TMP/spare-ids."
	side_by_side "PATCH a member into $USERS : slapd into $PEER_GROUP" req/s 40 100 ours_patch ldap_member
	note "$(cores "$TMP/patch.json") cores, $(latencies patch "$TMP/patch.json"); slapd $(latencies member "$TMP/ldap.json")"
}
pair() { # GROUP CONNECTIONS OUTPUT: prints the rate
	load "$3" "pair,path=$base,group=$1,ids=$TMP/spare-ids,conns=$2" && rate pair "$3"
}
row_flat() {
	local c t b ts bs rs
	seeded
	for c in 1 64; do
		ts='' bs='' rs=''
		for ((RUN = 1; RUN <= RUNS; RUN++)); do
			t=$(pair "$TEN" $c "$TMP/ten.json")
			b=$(pair "$BIG" $c "$TMP/big.json")
			ts+=$t$'\n' bs+=$b$'\n' rs+=$(calc "$t / $b" 3)$'\n'
		done
		result "PATCH, time: group of $USERS / of 10, $c client(s)" "$(calc "$(printf %s "$bs" | median)" 0)" req/s \
			"$(calc "$(printf %s "$ts" | median)" 0)" "$(calc "$(printf %s "$rs" | median)")" 1.3 1.1 max
		note "big $(latencies pair "$TMP/big.json"); ten $(latencies pair "$TMP/ten.json")"
	done
	# What leaving the members out costs.
	load "$TMP/small.json" "group,path=$base,group=$TEN,as=ten"
	load "$TMP/large.json" "group,path=$base,group=$BIG,as=big"
	note "GET of the group without members: of 10 $(rate ten "$TMP/small.json")/s, of $USERS $(rate big "$TMP/large.json")/s"
}
row_latency() {
	local c a w as ws rs
	seeded
	for c in 64 8; do
		as='' ws='' rs=''
		for ((RUN = 1; RUN <= RUNS; RUN++)); do
			load "$TMP/alone.json" "get,path=$base,ids=$TMP/ids,conns=$c"
			load "$TMP/mixed.json" "get,path=$base,ids=$TMP/ids,conns=$c" "create,path=$base,conns=64"
			a=$(field get p99 "$TMP/alone.json") w=$(field get p99 "$TMP/mixed.json")
			as+=$a$'\n' ws+=$w$'\n' rs+=$(calc "$w / $a" 3)$'\n'
		done
		a=$(printf %s "$as" | median) w=$(printf %s "$ws" | median)
		if ((c == CONNS)); then
			result "p99 of GET, 64 writers / alone, $c readers" "$(calc "$w" 0)" us "$(calc "$a" 0)" \
				"$(calc "$(printf %s "$rs" | median)")" 4 2 max
		else # no goal: how long a reader waits who has the core nearly to himself else
			note "p99 of GET, $c readers: alone $a us, beside 64 writers $w us"
		fi
		note "alone $(rate get "$TMP/alone.json")/s $(latencies get "$TMP/alone.json")"
		note "with writers $(rate get "$TMP/mixed.json")/s $(latencies get "$TMP/mixed.json");" \
			"they $(rate create "$TMP/mixed.json")/s"
	done
}
# Neither side is pinned here: the aim asks for both cores.
row_import() {
	local a b as='' bs='' rs=''
	files_made
	for ((RUN = 1; RUN <= RUNS; RUN++)); do
		PIN=0 rosterd_fresh
		a=$(import_users "$TMP/users.jsonl" bench)
		end "$ROSTERD" && ROSTERD=
		b=$(slapd_import)
		as+=$(calc "$USERS * 1000 / $a" 0)$'\n' bs+=$(calc "$USERS * 1000 / $b" 0)$'\n' rs+=$(calc "$b / $a" 3)$'\n'
	done
	result "rosterctl import of $USERS : slapadd -q" "$(printf %s "$as" | median)" users/s "$(printf %s "$bs" | median)" \
		"$(calc "$(printf %s "$rs" | median)")" 0.5 1 min
	IMPORTED=1
	rosterd_config "$DATA" "$PORT" "$ROSTER_PORT"
	rosterd_start "$DATA" "$PORT"
	ROSTERD=$SRV
}
row_ready() {
	seeded
	note "resident, without the map: $(rss_kib "$ROSTERD") KiB after the rows so far; the map $(rss_file_kib "$ROSTERD") KiB," \
		"data.mdb $(du -k "$DATA/data.mdb" | cut -f1) KiB on disk"
	end "$ROSTERD"
	sync
	{ echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || note "(page cache not dropped: not root)"
	rosterd_start "$DATA" "$PORT"
	ROSTERD=$SRV
	result "ready with $USERS users on disk" "$READY_MS" ms - "$READY_MS" 1000 1000 max
	note "resident then, without the map: $(rss_kib "$ROSTERD") KiB"
}

. "$(dirname "$0")/rows_ask.sh"

[[ -x $BUILD/rosterd && -x $BUILD/rosterctl ]] || die "no rosterd in $BUILD: run make first"
[[ $(stat -f -c %T "$TMP") != tmpfs ]] || say "warning: $TMP is in memory: durable writes cost nothing there (set BENCH_DIR)"
need openssl curl python3
certificate
printf '%-46s %10s %10s %-7s %7s %7s %7s\n' "what (median of $RUNS x $SECS s)" ours theirs '' ratio reach aim | tee -a "$RESULTS" >&2
for row in $ALL_ROWS; do
	if wants $row; then row_$row; fi
done
((${LOUD:-0} == 0)) || note "the machine was busy with other work before $LOUD of the runs: the ratios count, if any figure does"
note "resident at the end, without the map: $(rss_kib "${ROSTERD:-$$}") KiB"
echo
cat "$RESULTS"
! grep -q 'NOT reached' "$RESULTS"
