/** The files that set up a machine for a GPU worker say what the worker relies on. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { which } from '../../system/which.ts';

const run = promisify(execFile);
const path = (name: string) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
const UNIT = path('retinopathy-gpu-worker.service');
const systemd = process.env.RETINOPATHY_LONG ? await which('systemd-analyze', process.env.PATH) : null;

test('the launch template asks for a Spot machine that ends, and for tokens that a container may get', async () => {
  const { LaunchTemplateData: template } = JSON.parse(await readFile(path('ec2-launch-template.json'), 'utf8'));
  expect(template.InstanceMarketOptions.MarketType).toBe('spot');
  expect(template.InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior).toBe('terminate');
  expect(template.InstanceInitiatedShutdownBehavior).toBe('terminate');
  expect(template.MetadataOptions).toEqual({
    ...{ HttpEndpoint: 'enabled', HttpTokens: 'required', HttpPutResponseHopLimit: 2 },
  });
});

test('the user data is a script that bash can read', async () => {
  await run('bash', ['-n', path('ec2-user-data.sh')]);
});

test('the unit leaves the worker the time that it takes, and starts it again only after a failure', async () => {
  const lines = (await readFile(UNIT, 'utf8')).split('\n');
  const value = (name: string) => lines.find(line => line.startsWith(`${name}=`))?.slice(name.length + 1);
  expect(value('KillSignal')).toBe('SIGTERM');
  expect(value('KillMode')).toBe('mixed');
  expect(Number(value('TimeoutStopSec'))).toBeGreaterThan(15);
  expect(value('Restart')).toBe('on-failure');
});

test.runIf(systemd)('systemd accepts the unit', async () => {
  const { stderr } = await run(systemd!, ['verify', UNIT], { env: { ...process.env, SYSTEMD_LOG_TARGET: 'console' } });
  expect(stderr.split('\n').filter(line => line.includes('retinopathy-gpu-worker'))).toEqual([]);
});
