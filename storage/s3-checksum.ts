/** CRC-32C as S3 writes it: four bytes, the highest first, in base64. */

export function formatCrc32c(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}

/** Undefined for anything else, such as the checksum of checksums (`…-12`) of a multipart upload. */
export function parseCrc32c(text: string | undefined): number | undefined {
  return text !== undefined && /^[A-Za-z0-9+/]{6}==$/.test(text)
    ? Buffer.from(text, 'base64').readUInt32BE()
    : undefined;
}
