#!/bin/sh
# Does to who calls it what docker's client does where the image is this machine: what it runs is no child of the caller, gets no
# variable but those that are named, outlives a client that is killed, and is found and removed by its labels.
state=$(dirname "$0")/containers
mkdir -p "$state"
command=$1
shift
case $command in
  run)
    name=none workdir=/ labels='' variables="PATH=$PATH"
    while :; do
      case $1 in
        --name) name=$2 && shift 2 ;;
        --workdir) workdir=$2 && shift 2 ;;
        --label) labels="$labels$2
" && shift 2 ;;
        --env) variables="$variables $2=$(printenv "$2")" && shift 2 ;;
        --volume | --user | --gpus) shift 2 ;;
        --*) shift ;;
        *) break ;;
      esac
    done
    shift
    container=$state/$name
    mkdir "$container"
    printf %s "$labels" > "$container/labels.new"
    # Beside it: what a command says at its very end is read when the container is gone.
    : > "$container.log"
    echo "$@" >> "$state/../ran"
    # shellcheck disable=SC2016,SC2086
    setsid env -i $variables sh -c '
      container=$1 && cd "$2" && shift 2
      echo $$ > "$container/pid"
      # It is listed from here on, when it can also be removed.
      mv "$container/labels.new" "$container/labels"
      "$@" >> "$container.log" 2>&1
      echo $? > "$container.code"
      rm -r "$container"
    ' sh "$container" "$workdir" "$@" < /dev/null > /dev/null 2>&1 &
    tail -n +1 -s 0.1 -f --pid=$! "$container.log" >&2
    rm "$container.log"
    code=$(cat "$container.code") && rm "$container.code" && exit "$code"
    ;;
  ps)
    # ps --all --filter label=NAME=VALUE --format '{{.ID}} {{.Label "OTHER"}}'
    wanted=${3#label=}
    other=${5#*\"} && other=${other%%\"*}
    for container in "$state"/*/; do
      container=${container%/}
      grep -qxF "$wanted" "$container/labels" 2> /dev/null || continue
      echo "$(basename "$container") $(sed -n "s|^$other=||p" "$container/labels")"
    done
    ;;
  rm)
    [ "$1" = --force ] && shift
    for name; do
      [ -d "$state/$name" ] || { echo "Error: No such container: $name" >&2 && failed=1 && continue; }
      kill -s KILL -- "-$(cat "$state/$name/pid")"
      rm -r "${state:?}/$name"
    done
    exit ${failed:-0}
    ;;
esac
