/**
 * `node --import tsx deploy/make-bucket.ts BUCKET ACCOUNT`: creates the store's bucket as the S3 server's root user. The workers'
 * account may list the bucket, and read, write and delete its objects, and nothing else. Safe to run at every start.
 */
import { CreateBucketCommand, PutBucketPolicyCommand, S3Client } from '@aws-sdk/client-s3';

const OF_BUCKET = ['s3:ListBucket'];
const OF_OBJECTS = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'];

async function makeBucket(bucket: string, account: string): Promise<void> {
  const client = new S3Client({ forcePathStyle: true });
  const arn = `arn:aws:s3:::${bucket}`;
  const allow = (actions: readonly string[], resource: string) => ({
    Effect: 'Allow',
    Principal: { AWS: [account] },
    Action: actions,
    Resource: resource,
  });
  const policy = { Version: '2012-10-17', Statement: [allow(OF_BUCKET, arn), allow(OF_OBJECTS, `${arn}/*`)] };
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: Error) => {
      if (error.name !== 'BucketAlreadyOwnedByYou') throw error;
    });
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policy) }));
  } finally {
    client.destroy();
  }
}

const [bucket, account] = process.argv.slice(2);
try {
  if (!bucket || !account) throw new Error('Expected a bucket and an account, got less');
  await makeBucket(bucket, account);
  process.stdout.write(`the bucket ${bucket} is there, with the rights of its account\n`);
} catch (error) {
  process.stderr.write(`make-bucket: ${(error as Error).name}: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
