#!/bin/bash
# Ends this machine after its worker has ended well. One that found nothing to do is not to be replaced; one that Spot takes is.
set -uo pipefail

# shellcheck source=/dev/null
. /etc/retinopathy/machine.env
metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}/latest
token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
ask() { curl -fsS -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/$1"; }

taken=no
for notice in spot/instance-action events/recommendations/rebalance; do
  if ask "$notice" > /dev/null 2>&1; then taken=yes; fi
done
if [ "$taken" = no ] && instance=$(ask instance-id); then
  aws autoscaling terminate-instance-in-auto-scaling-group --region "$AWS_REGION" --instance-id "$instance" \
    --should-decrement-desired-capacity || echo 'The group was not told: it may start another machine' >&2
fi
systemctl poweroff
