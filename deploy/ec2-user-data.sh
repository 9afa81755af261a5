#!/bin/bash
# First boot of a Spot machine. Its image holds Node, a Caffe for its card, and this project with its packages in /opt/retinopathy.
set -euo pipefail

metadata=http://169.254.169.254/latest
token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
instance=$(curl -fsS -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/instance-id")

id retinopathy > /dev/null 2>&1 || useradd --system --home-dir /var/cache/retinopathy retinopathy
install -d /etc/retinopathy
# Credentials for the store come from the machine's role: none stand here.
cat > /etc/retinopathy/worker.env << END
TEMPORAL_ADDRESS=temporal.example.org:7233
RETINOPATHY_STORE=s3://bucket/prefix
AWS_REGION=eu-west-1
RETINOPATHY_INSTANCE=$instance
RETINOPATHY_EXIT_WHEN_IDLE=10m
END

units=/etc/systemd/system
install -m 0644 /opt/retinopathy/deploy/retinopathy-gpu-worker.service "$units"
# A worker that has ended well needs its machine no more, and the machine costs money.
install -d "$units/retinopathy-gpu-worker.service.d"
cat > "$units/retinopathy-gpu-worker.service.d/poweroff.conf" << 'END'
[Unit]
SuccessAction=poweroff
END
systemctl daemon-reload
systemctl enable --now retinopathy-gpu-worker.service
