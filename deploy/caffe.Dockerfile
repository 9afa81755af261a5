# Caffe as Debian 11 packages it, for machines whose own system has none: macOS, Ubuntu and others.
# Debian 11 has it for amd64 and arm64 alike.
FROM debian:bullseye-slim

# Another mirror than the image's own, e.g. when that one has dropped this old release.
ARG MIRROR=
# What an old release has does not change any more.
# hadolint ignore=DL3008
RUN if [ -n "$MIRROR" ]; then echo "deb $MIRROR bullseye main" > /etc/apt/sources.list; fi \
    && apt-get update \
    && apt-get install -y --no-install-recommends caffe libopenblas0-pthread \
    && rm -rf /var/lib/apt/lists/*

COPY caffe-entrypoint.sh /usr/local/bin/caffe-entrypoint
ENTRYPOINT ["/bin/sh", "/usr/local/bin/caffe-entrypoint"]
CMD ["caffe", "--version"]
