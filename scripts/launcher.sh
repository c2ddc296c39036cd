#!/bin/sh
# Starts the bundled driver with the pinned runtime, from any folder and in any
# environment.
self=$0
case $self in */*) ;; *) self=./$self ;; esac
if [ -L "$self" ]; then self=$(readlink -f "$self"); fi
root=${self%/*}/../..
node=$root/node_modules/node-linux-@ARCH@/bin/node
if [ ! -x "$node" ]; then
  echo "nomad-driver-exec2: the runtime is missing: $node. Run 'npm ci' in the project's folder" >&2
  exit 1
fi
# The agent's environment may hold options for other Node programs.
unset NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_COMPILE_CACHE NODE_V8_COVERAGE NODE_DEBUG
# Node raises its own soft limit of open files. Tasks get the agent's limit.
NOMAD_DRIVER_EXEC2_NOFILE=$(ulimit -Sn)
export NOMAD_DRIVER_EXEC2_NOFILE
# One arena for malloc, and a quarter of V8's default for the young generation: together
# they save some 60 MiB after a thousand tasks, and slow no start down.
export MALLOC_ARENA_MAX=1
exec "$node" --max-semi-space-size=4 "$root/dist/lib/main.js" "$@"
