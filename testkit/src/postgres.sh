# Runs PostgreSQL on port $1 of loopback with the settings $2, in a temporary folder. Its programs are in $3,
# and initdb takes the option $4. It obeys the lines of its standard input and answers each when it is done or
# has failed. It ends with its input and removes the folder, so nothing is left, whatever happens to the test:
# a killed PostgreSQL would leave shared memory.
set -u
port=$1
settings=$2
PATH=$3:$PATH
sync=$4
folder=$(mktemp -d)
cd "$folder" || exit 1

# PostgreSQL does not run as root.
as() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- env "PATH=$PATH" "$@"; else "$@"; fi
}
start() {
    as pg_ctl -D data -l log -w -t 60 \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= $settings" start
}
stop() {
    as pg_ctl -D data -w -t 60 -m "$1" stop
}
make() {
    [ "$(id -u)" != 0 ] || chown postgres "$folder"
    as initdb -D data -U causerie -A trust $sync --encoding=UTF8 --locale=C.UTF-8 && start
}

if make >orders 2>&1; then echo "$folder"; else cat orders log >&2; fi
while read -r order; do
    if $order >>orders 2>&1; then echo done; else cat orders >&2; echo failed; fi
done
stop immediate >/dev/null 2>&1
cd / && rm -rf "$folder"
