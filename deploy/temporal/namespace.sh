#!/bin/sh
# Makes the namespace, or sets what it keeps: closed runs for a month. May run at every start.
set -eu
namespace=${TEMPORAL_NAMESPACE:-default}
until temporal operator cluster health; do sleep 1; done
if temporal operator namespace describe -n "$namespace" >/dev/null 2>&1; then
  temporal operator namespace update -n "$namespace" --retention 30d
else
  temporal operator namespace create -n "$namespace" --retention 30d
fi
# The server answers for a new namespace only when it has read it again.
until temporal workflow list -n "$namespace" >/dev/null 2>&1; do sleep 1; done
