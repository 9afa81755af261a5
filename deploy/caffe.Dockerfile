# Caffe as Debian 11 packages it, for machines whose own system has none: macOS, Ubuntu and others.
# Debian 11 has it for amd64 and arm64 alike.
ARG DEBIAN=debian:11.11-slim
FROM ${DEBIAN}

# Another mirror than Debian's own, and where to look for what that one has dropped.
ARG MIRROR=
ARG ARCHIVE=
COPY install-debian11.sh debian11-amd64.sha256 /tmp/debian11/
RUN sh /tmp/debian11/install-debian11.sh /tmp/debian11

COPY caffe-entrypoint.sh /usr/local/bin/caffe-entrypoint
ENTRYPOINT ["/bin/sh", "/usr/local/bin/caffe-entrypoint"]
CMD ["caffe", "--version"]
