#!/bin/sh
# Runs the search of a spec on the cluster, or goes on with it after a restart.  controller.sh SPEC ADDRESS
set -eu
spec="$1" address="$2"

# A Ray driver talks to the node on its own machine, so this container joins as one that takes no work.
ray start --address="$address" --num-cpus=0 --num-gpus=0 --disable-usage-stats

name="$(python -c 'import sys; from gasearch.spec.loader import load_spec; print(load_spec(sys.argv[1]).name)' "$spec")"
case "$(gasearch status "$name" --format json 2>/dev/null)" in
"") exec gasearch run "$spec" --set "workers.address=$address" ;;
*'"state": "finished"'*) exec gasearch front "$name" ;;
*) exec gasearch resume "$name" ;;
esac
