/** One place in one bucket, and the way to ask for what lies there. */
import { ListObjectsV2Command, type ListObjectsV2CommandInput, type S3Client } from '@aws-sdk/client-s3';
import { endpointOf, type S3ClientOptions, s3Client } from './s3-client.ts';
import { faultOf } from './s3-fault.ts';
import type { S3Address } from './s3-url.ts';

export interface ObjectName {
  Bucket: string;
  Key: string;
}

export interface Listed {
  /** Below the base. */
  key: string;
  size: number;
  modified: Date;
}

export interface S3Bucket extends S3Address {
  client: S3Client;
  /** For what a server may think about for minutes without a word: putting thousands of parts together. */
  patient: S3Client;
  /**
   * Sends a request about a key below the base.
   * @param action for people: `s3:GetObject`
   * @throws S3Fault
   */
  ask<Answer>(action: string, key: string, send: (name: ObjectName) => Promise<Answer>): Promise<Answer>;
  /** Every object whose key below the base starts with `prefix`, hidden ones as well, in the server's order. */
  list(prefix: string): AsyncIterable<Listed>;
}

/** AWS says something meanwhile, other servers don't: versitygw copies the parts first. */
const PATIENCE_MS = 300_000;

export async function openBucket(address: S3Address, options: S3ClientOptions = {}): Promise<S3Bucket> {
  const client = await s3Client(options);
  const patient = await s3Client({ ...options, idleMs: PATIENCE_MS });
  const region = await client.config.region();
  const server = endpointOf(options.env ?? process.env) ?? `S3 in ${region}`;
  const { bucket, base, url } = address;

  async function ask<Answer>(
    action: string,
    key: string,
    send: (name: ObjectName) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await send({ Bucket: bucket, Key: `${base}${key}` });
    } catch (error) {
      throw faultOf(error, { action, bucket, url: key === '' ? url : `${url}/${key}`, region, server });
    }
  }

  async function* list(prefix: string): AsyncGenerator<Listed> {
    let next: { ContinuationToken?: string } | undefined = {};
    while (next) {
      const page: ListObjectsV2CommandInput = { ...next, Bucket: bucket, Prefix: `${base}${prefix}` };
      const answer = await ask('s3:ListBucket', '', () => client.send(new ListObjectsV2Command(page)));
      for (const { Key = '', Size = 0, LastModified = new Date() } of answer.Contents ?? []) {
        yield { key: Key.slice(base.length), size: Size, modified: LastModified };
      }
      next =
        answer.IsTruncated && answer.NextContinuationToken
          ? { ContinuationToken: answer.NextContinuationToken }
          : undefined;
    }
  }

  return { ...address, client, patient, ask, list };
}
