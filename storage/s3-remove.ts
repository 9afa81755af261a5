/** Removes objects of S3. */
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import type { S3Bucket } from './s3-bucket.ts';
import { isFault } from './s3-fault.ts';

/** Absent is success: AWS says so itself, versitygw only until two remove the same object at once. */
export async function removeObject(bucket: S3Bucket, key: string): Promise<void> {
  try {
    await bucket.ask('s3:DeleteObject', key, name => bucket.client.send(new DeleteObjectCommand(name)));
  } catch (error) {
    if (!isFault(error, 'NoSuchKey')) throw error;
  }
}
