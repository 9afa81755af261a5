#!/bin/sh
# Installs Caffe and what it needs in an image of Debian 11, from the mirror of the image, or from Debian's archive of retired suites where mirrors
# have dropped Debian 11. With a list of the architecture's packages only their checksums count, so an index may be of any age.
#   [MIRROR=URL] [ARCHIVE=URL] sh install-debian11.sh FOLDER    (FOLDER holds debian11-ARCHITECTURE.sha256)
set -eu
mirror=${MIRROR:-$(sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) +bullseye +main.*/\2/p' /etc/apt/sources.list | head -n 1)}
archive=${ARCHIVE:-http://archive.debian.org/debian}
list=$1/debian11-$(dpkg --print-architecture).sha256
export DEBIAN_FRONTEND=noninteractive

# Fetches the packages of the list that are neither installed nor here yet.
fetch() {
  while read -r sum path; do
    file=${path##*/}
    if dpkg-query -W -f '${db:Status-Status}' "${file%%_*}" 2>/dev/null | grep -qx installed; then continue; fi
    [ -e "$file" ] || echo "$1/$(echo "$path" | sed 's/+/%2b/g') $PWD/$file SHA256:$sum"
  done <"$list" | xargs -r -n 150 /usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::Retries=3 download-file
}

signed() {
  echo "deb $1 bullseye main" >/etc/apt/sources.list
  apt-get update && apt-get install -y --no-install-recommends caffe libopenblas0-pthread
}

if [ -e "$list" ]; then
  debs=$(mktemp -d)
  cd "$debs"
  fetch "$mirror" || fetch "$archive"
  apt-get install -y --no-install-recommends "$debs"/*.deb
  cd /
  rm -r "$debs"
else
  signed "$mirror" || signed "$archive"
fi
rm -rf /var/lib/apt/lists/*
