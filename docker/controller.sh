#!/bin/sh
# Runs the search of a spec on the cluster, or goes on with it after a restart.  controller.sh SPEC ADDRESS
#
# Whoever restarts this container can only tell success from failure. So ends that another start would not change (bad
# input, another controller, paused until the cause is mended, stopped) leave with 0 here, and say so.
set -eu
spec="$1" address="$2"

# A shell passes no signal on while it waits in the foreground.
end_with() {
    "$@" &
    child=$!
    trap 'kill -TERM "$child" 2>/dev/null || true' TERM INT
    status=0
    wait "$child" || status=$?
    while kill -0 "$child" 2>/dev/null; do # the wait was cut short by a signal
        status=0
        wait "$child" || status=$?
    done
    case "$status" in
    2 | 3 | 5 | 130)
        echo "controller.sh: the search ended with status $status, which another start would not change" >&2
        exit 0
        ;;
    esac
    exit "$status"
}

# A Ray driver talks to the node on its own machine, so this container joins as one that takes no work.
ray start --address="$address" --num-cpus=0 --num-gpus=0 --disable-usage-stats

name="$(python -c 'import sys; from gasearch.spec.loader import load_spec; print(load_spec(sys.argv[1]).name)' "$spec" 2>/dev/null)" || end_with gasearch check "$spec"
known=0
standing="$(gasearch status "$name" --format json)" || known=$?
case "$known$standing" in
2*) end_with gasearch run "$spec" --set "workers.address=$address" ;; # no such search yet
0*'"state": "finished"'*) end_with gasearch front "$name" ;;
0*'"state": "failed"'*) end_with gasearch status "$name" ;;
0*) end_with gasearch resume "$name" ;;
*) exit "$known" ;; # the database is away, for instance
esac
