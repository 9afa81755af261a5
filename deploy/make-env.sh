#!/bin/sh
# Writes .env, the settings of docker-compose.yml: fresh passwords, and who trains. Never over one that is there.
#   sh deploy/make-env.sh [caffe-cpu|gpu [FILE]]    (default: gpu where the engine has NVIDIA's runtime; .env)
set -eu
cd "$(dirname "$0")/.."

die() { printf 'make-env: %s\n' "$1" >&2; exit 1; }
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

file=${2:-.env}
[ ! -e "$file" ] || die "Expected no $file, got one: the data in the volumes know its passwords (docker compose down -v, and rm $file, discard both)"
case ${1-} in
  caffe-cpu | gpu) profile=$1 ;;
  '')
    profile=caffe-cpu
    if docker info --format '{{json .Runtimes}}' 2>/dev/null | grep -q '"nvidia"'; then profile=gpu; fi
    ;;
  *) die "Expected caffe-cpu or gpu, got \`$1\`" ;;
esac

umask 077
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
cat >"$new" <<END
# Who trains: gpu (NVIDIA's cards) or caffe-cpu.
COMPOSE_PROFILES=$profile
RETINOPATHY_POSTGRES_PASSWORD=$(secret)
# Of the store: the account of the workers and of yours, and the one that makes it.
RETINOPATHY_S3_ACCESS_KEY=$(secret | cut -c1-20)
RETINOPATHY_S3_SECRET_KEY=$(secret)
RETINOPATHY_S3_ROOT_ACCESS_KEY=$(secret | cut -c1-20)
RETINOPATHY_S3_ROOT_SECRET_KEY=$(secret)
# Whose the files are that the command line writes into run/.
RETINOPATHY_USER=$(id -u):$(id -g)
END
# A second start at the same moment must not replace the first one's.
ln "$new" "$file"
umask 022
# The engine would make it, too, as its own.
[ "$file" != .env ] || mkdir -p run
printf 'wrote %s (profile %s); go on with: docker compose up -d --wait\n' "$file" "$profile"
