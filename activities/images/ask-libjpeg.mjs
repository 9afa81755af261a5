/**
 * Decodes the JPEG on standard input and prints libjpeg's messages as one line of JSON; see libjpeg-messages.ts.
 * Plain JavaScript starts without a compiler.
 */
import sharp from 'sharp';

sharp.concurrency(1);
sharp.cache(false);

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
// Every warning is counted and none ends the decode. By default libvips stops at the hundredth.
const input = sharp(Buffer.concat(chunks), { failOn: 'error', unlimited: true, sequentialRead: true, ignoreIcc: true });

const said = { error: '', warning: '', warnings: 0 };
input.on('warning', text => {
  const [, count] = /^read gave (\d+) warnings/.exec(text) ?? [];
  if (count !== undefined) said.warnings = Math.max(said.warnings, Number(count));
  else if (said.warning === '' && text.startsWith('VipsJpeg: ')) said.warning = firstLine(text);
});
try {
  const { width, height } = await input.metadata();
  // Decodes every line in full size, but in little memory. libjpeg does not shrink an image that is cropped first.
  await input
    .extract({ left: 0, top: 0, width, height })
    .resize(8, 8, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
} catch (error) {
  said.error = firstLine(error.message);
}
process.stdout.write(`${JSON.stringify(said)}\n`);

/** Removes the prefixes of sharp and libvips. */
function firstLine(text) {
  return text.split('\n')[0].replace(/^(Input buffer has corrupt header: )?(VipsJpeg: )?/, '');
}
