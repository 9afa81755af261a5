/** `npm run bench NAME`: measures on this machine, in one run, and prints a table. */
const BENCHES: Record<string, () => Promise<{ bench(args: readonly string[]): Promise<void> }>> = {
  pipeline: () => import('./pipeline.ts'),
};

const [name = '', ...args] = process.argv.slice(2);
const load = BENCHES[name];
if (load) {
  await (await load()).bench(args);
} else {
  process.stderr.write(
    `Expected a bench (${Object.keys(BENCHES).join(', ')}), got \`${name}\`: npm run bench pipeline\n`,
  );
  process.exitCode = 2;
}
