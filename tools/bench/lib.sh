# Sourced by run.sh and scale.sh. Nothing leaves loopback and one temporary directory below the build's;
# only processes that serve() started are ended, by pid.
#   BUILD  the build directory            RUNS  runs of a figure, the median counts (3)
#   SECS   seconds of a run (4)           PIN   1: servers on core 0, load on core 1; 0: as the kernel likes
#   USERS  people in the org (1000000)    KEEP  1: leave the directory (it is named at the end)
#   QUIET  seconds to wait, at most, for a second in which others leave the machine idle (20)
set -euo pipefail
BUILD=${BUILD:?the build directory} RUNS=${RUNS:-3} SECS=${SECS:-4} USERS=${USERS:-1000000}
[[ $(nproc) -ge 2 ]] && PIN=${PIN:-1} || PIN=0
TOOLS=$BUILD/tools/bench
TMP=$(mktemp -d "${BENCH_DIR:-$BUILD}/bench.XXXXXX")
SERVED=()
chmod 755 "$TMP"

finish() {
	local p
	for p in ${SERVED[@]+"${SERVED[@]}"}; do end "$p"; done
	if [[ ${KEEP:-} ]]; then echo "left in place: $TMP" >&2; else rm -rf "$TMP"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '%s\n' "$*" >&2; }
die() { say "bench: $*"; exit 1; }

need() { # PACKAGE...: Debian packages, installed where missing and we may
	local p miss=() sudo=
	for p; do dpkg -s "$p" 2>/dev/null | grep -q '^Status: install ok' || miss+=("$p"); done
	((${#miss[@]} == 0)) && return
	((EUID == 0)) || sudo='sudo -n'
	say "installing ${miss[*]}"
	{ $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "${miss[@]}"; } >"$TMP/apt.log" 2>&1 ||
		die "needs the packages ${miss[*]}: $(tail -1 "$TMP/apt.log")"
}

on_server() { if [[ $PIN = 1 ]]; then exec taskset -c 0 "$@"; else exec "$@"; fi; }
on_load() { if [[ $PIN = 1 ]]; then taskset -c 1 "$@"; else "$@"; fi; }

serve() { # LOG COMMAND...: in the background on the server's core; its pid is in $SRV
	local log=$1
	shift
	(on_server "$@") >>"$log" 2>&1 </dev/null &
	SRV=$!
	SERVED+=("$SRV")
}
end() { # PID
	local _
	kill "$1" 2>/dev/null || return 0
	for _ in {1..600}; do
		kill -0 "$1" 2>/dev/null || break
		sleep .05
	done
	kill -9 "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}
pause() { kill -STOP "$1"; } # so that a peer that waits takes no part of the other's time
resume() { kill -CONT "$1"; }
wait_port() { # PORT LOG
	local _
	for _ in {1..3000}; do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
		sleep .02
	done
	die "nothing listens on port $1: $(tail -3 "$2")"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

certificate() { # $TMP/cert.pem, $TMP/key.pem: ECDSA P-256, as a good deployment has it
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
		-keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>/dev/null
	chmod 644 "$TMP/key.pem"
}

busy() { awk '/^cpu /{ print $2 + $3 + $4 + $7 + $8 + $9 }' /proc/stat; } # ticks, all cores
quiet() {
	local a b n try
	n=$(nproc)
	for ((try = 0; try < ${QUIET:-20}; try++)); do
		a=$(busy)
		sleep 1
		b=$(busy)
		(((b - a) * 100 <= n * 7 * $(getconf CLK_TCK))) && return
	done
	LOUD=$((${LOUD:-0} + 1))
}
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; } # of a process

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
calc() { awk "BEGIN { printf \"%.${2:-2}f\", $1 }"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
field() { # STREAM FIELD FILE: of a report of rload or ldapload
	sed -n "/\"name\":\"$1\"/s/.*\"$2\":\([0-9.]*\).*/\1/p" "$3"
}
rss_kib() { # PID: private resident memory; the store's map (a file) is not in it
	awk '/^RssAnon:/ { print $2 }' "/proc/$1/status"
}
rss_file_kib() { awk '/^RssFile:/ { print $2 }' "/proc/$1/status"; }

# ---- rosterd ----

rosterd_config() { # DIRECTORY PORT [ROSTER-PORT]
	local roster=
	[[ ${3:-} ]] && roster=", \"roster://127.0.0.1:$3\""
	cat >"$1.conf" <<-CONF
		data_directory = "$1";
		listen = [ "https://127.0.0.1:$2"$roster ];
		public_url = "https://127.0.0.1:$2";
		workers = $([[ $PIN = 1 ]] && echo 1 || echo 0);
		access_log = false;
		log_level = "warn";
		tls: { certificate = "$TMP/cert.pem"; private_key = "$TMP/key.pem"; };
		rate: { token = 0; org = 0; };
		guard: { enabled = false; };
		limits: { idle_timeout = 600; };
	CONF
}
rosterd_start() { # DIRECTORY PORT; pid in $SRV, milliseconds until it answered in $READY_MS
	local t
	t=$(now_ms)
	serve "$1.log" "$BUILD/rosterd" --config "$1.conf"
	wait_port "$2" "$1.log"
	READY_MS=$(($(now_ms) - t))
}
ctl() { # DIRECTORY ARGUMENT...
	local directory=$1
	shift
	"$BUILD/rosterctl" --data "$directory" "$@"
}
org_create() { # DIRECTORY KEY: prints the token of its connection
	ctl "$1" --json org create "$2" >/dev/null
	ctl "$1" --json connection create "$2" bench | grep -o '"\(secret\|token\)": *"[^"]*"' | head -1 | cut -d'"' -f4
}
