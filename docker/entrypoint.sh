#!/bin/sh
# The first process of the container. As root it makes /data the service's own and gives up its rights; then it becomes
# the program that its arguments name.
set -eu

data=/data

refuse() {
    echo "faiss-memory: $1" >&2
    exit 1
}

# Whoever owns the folder keeps it: the service runs as that user. What is root's is given to user 1000.
take_over() {
    mkdir -p "$data" 2>/dev/null || refuse "there is no $data, and it cannot be made. Mount a folder there: -v ./data:$data"
    user=$(stat -c %u "$data")
    group=$(stat -c %g "$data")
    [ "$user" != 0 ] || user=1000
    [ "$group" != 0 ] || group=1000
    # Only what is somebody else's, so that a large folder costs no time at each start. -h: never through a link.
    find "$data" -xdev ! -uid "$user" -exec chown -h "$user:$group" {} + 2>/dev/null || true
    # A backup that is copied in may be read-only, as where it was kept.
    find "$data" -xdev ! -type l ! -perm -u+rw -exec chmod u+rwX {} + 2>/dev/null || true
}

check_writable() {
    [ -d "$data" ] || refuse "there is no $data. Mount a folder there: -v ./data:$data"
    bad=$(find "$data" -xdev ! -type l ! -writable -print -quit 2>/dev/null || true)
    [ -z "$bad" ] || refuse "$bad cannot be written by user $(id -u). On the machine, give the folder that is mounted \
as $data to that user (sudo chown -R $(id -u):$(id -g) FOLDER; sudo chmod -R u+rwX FOLDER), or run the container as the \
user who owns it (\`user:\` in compose.yaml). If it is mounted read-only, mount it writable."
}

# As people write it behind the image's name, which is that of the program. It writes into a home folder that is mounted,
# as the user that `--user` says, root too, and nothing into /data.
[ "${1-}" != setup ] || exec faiss-memory "$@"

if [ "$(id -u)" = 0 ]; then
    take_over
    exec setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs sh "$0" "$@"
fi
case "$*" in
"faiss-memory serve"*) check_writable ;;
esac
exec "$@"
