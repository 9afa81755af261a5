/** Ports on loopback: who gets the usual ones. */
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { choosePort, holdPort } from '../../../cli/local/ports.ts';

test('a port is held by one at a time, and free again once that one lets go', async () => {
  const port = await choosePort(undefined, 0, '--port');
  const letGo = (await holdPort(port))!;
  expect(await holdPort(port)).toBeUndefined();
  letGo();
  const again = await holdPort(port);
  expect(again).toBeDefined();
  again!();
});

test('the usual port is taken where it is free, another one where it is not; the one asked for must be free', async () => {
  const usual = await choosePort(undefined, 0, '--port');
  expect(await choosePort(undefined, usual, '--port')).toBe(usual);
  const server = createServer();
  await new Promise<void>(resolve => server.listen(usual, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  expect(await choosePort(undefined, usual, '--port')).not.toBe(usual);
  await expect(choosePort(usual, 0, '--port')).rejects.toThrow(
    `Expected port ${usual} (--port) to be free, got EADDRINUSE: leave the option out`,
  );
});
