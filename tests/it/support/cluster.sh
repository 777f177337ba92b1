# A PostgreSQL of the tests' own, on this port of loopback and with these settings, in a folder that
# is gone when it ends. It obeys the lines of its standard input, says for each whether it was done,
# and ends when no more can come: whatever becomes of the test, nothing is left behind.
set -u
port=$1
settings=$2
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -z "$bin" ] || PATH=$bin:$PATH
folder=$(mktemp -d)
cd "$folder" || exit 1

# PostgreSQL does not run as root.
as() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- env "PATH=$PATH" "$@"; else "$@"; fi
}
start() {
    as pg_ctl -D data -l log -w -t 60 -o "-p $port -k $folder $settings" start
}
stop() {
    as pg_ctl -D data -w -t 60 -m "$1" stop
}
make() {
    [ "$(id -u)" != 0 ] || chown postgres "$folder"
    as initdb -D data -U causerie -A trust --no-sync --encoding=UTF8 --locale=C.UTF-8 && start
}

if make >orders 2>&1; then echo "$folder"; else cat orders log >&2; fi
while read -r order; do
    if $order >>orders 2>&1; then echo done; else cat orders >&2; echo failed; fi
done
stop immediate >/dev/null 2>&1
cd / && rm -rf "$folder"
