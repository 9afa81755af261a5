#!/bin/sh
# Makes the workers' account in the S3 server; what it may do is for deploy/make-bucket.ts to say. May run at every start: the account
# gets the secret of .env again.
set -eu
account() { versitygw admin "$1" --access "$STORE_ACCESS_KEY" --secret "$STORE_SECRET_KEY" --role user; }
account create-user 2>/dev/null || account update-user
