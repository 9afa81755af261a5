/** Imported before anything else: an older Node would stop at some line of the project with a message that helps nobody. */
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `Expected Node 20.19 or newer, got ${process.versions.node}: install one from https://nodejs.org\n`,
  );
  process.exit(1);
}
