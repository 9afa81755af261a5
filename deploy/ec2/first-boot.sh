#!/bin/bash
# First boot of a Spot machine, by its user data, which has written /etc/retinopathy. Credentials for the store come from the
# machine's role; the key of the Temporal service, where it wants one, from Secrets Manager: none stands in the user data.
set -euo pipefail
umask 077

# shellcheck source=/dev/null
. /etc/retinopathy/machine.env
metadata=http://169.254.169.254/latest
token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
instance=$(curl -fsS -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/instance-id")
echo "RETINOPATHY_INSTANCE=$instance" >> /etc/retinopathy/worker.env
if [ -n "${API_KEY_SECRET:-}" ]; then
  key=$(aws secretsmanager get-secret-value --region "$AWS_REGION" --secret-id "$API_KEY_SECRET" --query SecretString --output text)
  echo "TEMPORAL_API_KEY=$key" >> /etc/retinopathy/worker.env
fi

id retinopathy > /dev/null 2>&1 || useradd --system --home-dir /var/cache/retinopathy retinopathy
# Caffe runs in a container.
usermod --append --groups docker retinopathy

deploy=/opt/retinopathy/deploy
units=/etc/systemd/system
install -m 0644 "$deploy/retinopathy-gpu-worker.service" "$deploy/ec2/retinopathy-leave.service" "$units"
install -D -m 0644 "$deploy/ec2/leave-when-done.conf" "$units/retinopathy-gpu-worker.service.d/leave-when-done.conf"
systemctl daemon-reload
systemctl enable --now retinopathy-gpu-worker.service
