/** Prepares the JPEG on standard input and prints the megabytes that it took at its peak, and the reason where it was refused. */
import sharp from 'sharp';
import { preparePicture } from '../../activities/images/prepare-picture.ts';
import { eyeJpeg } from './support.ts';

sharp.concurrency(1);
sharp.cache(false);
const options = { size: 256, fuzz: 0.15, versions: ['a'], enhance: 'none' } as const;
const small = await eyeJpeg(1);
// All code is loaded, and the peak so far is not the image's.
await preparePicture(small, options);
const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const jpeg = Buffer.concat(chunks);
const before = process.memoryUsage.rss();
const reason = await preparePicture(jpeg, options).then(
  () => null,
  (error: Error) => error.message,
);
const megabytes = Math.round((process.resourceUsage().maxRSS * 1024 - before) / 1e6);
process.stdout.write(`${JSON.stringify({ megabytes, reason })}\n`);
