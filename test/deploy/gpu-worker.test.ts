/** The files that set up machines for GPU workers say what the worker relies on, and name what is there. */
import { execFile } from 'node:child_process';
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FakeMetadata, spotNotice, startFakeMetadata } from '../support/instance-metadata.ts';
import { readUserData } from '../support/user-data.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string) => readFile(join(ROOT, 'deploy', name), 'utf8');

test('the template asks for Spot machines that end, for tokens that a container may get, and opens no port', async () => {
  const template = await read('ec2/gpu-workers.yaml');
  expect(template).toContain('HttpTokens: required, HttpPutResponseHopLimit: 2');
  expect(template).toContain('InstanceInitiatedShutdownBehavior: terminate');
  expect(template).toContain('OnDemandPercentageAboveBaseCapacity: 0');
  expect(template).toContain('SecurityGroupIngress: []');
});

test('it takes machines only whose cards the image of Caffe has code for', async () => {
  const types = [...(await read('ec2/gpu-workers.yaml')).matchAll(/InstanceType: (\S+)/g)].map(([, type]) => type);
  expect(types.length).toBeGreaterThan(2);
  for (const type of types) expect(type).toMatch(/^(g4dn|p3)\./);
});

test('the role may do what the worker does and no more: nothing on all resources but to talk to Session Manager', async () => {
  const template = await read('ec2/gpu-workers.yaml');
  const role = template.slice(template.indexOf('  Role:'), template.indexOf('  Profile:'));
  const all = role.split(/- Effect: Allow|- \{ Effect: Allow/).filter(statement => statement.includes("Resource: '*'"));
  expect(all).toHaveLength(1);
  expect([...all[0]!.matchAll(/- (\w+:\w+)/g)].every(([, action]) => /^ssm(messages)?:/.test(action!))).toBe(true);
  expect(role).not.toMatch(/:\*['"\s,\]]*$|ManagedPolicyArns/m);
});

test('the user data gives the worker its settings, holds no secret, and names files that are there', async () => {
  const data = await readUserData({ TemporalAddress: 't:7233', Bucket: 'eyes', Prefix: 'a/b', IdleTime: '10m' });
  expect(data.split('\n')[0]).toBe('#cloud-config');
  for (const line of ['TEMPORAL_ADDRESS=t:7233', 'RETINOPATHY_STORE=s3://eyes/a/b', 'RETINOPATHY_EXIT_WHEN_IDLE=10m'])
    expect(data).toContain(`      ${line}\n`);
  expect(data).not.toMatch(/(SECRET_ACCESS_KEY|API_KEY|TOKEN)=/);
  const scripts = await Promise.all(['ec2/first-boot.sh', 'ec2/retinopathy-leave.service'].map(read));
  const named = [data, ...scripts].flatMap(text => [
    ...text.replaceAll('$deploy', '/opt/retinopathy/deploy').matchAll(/\/opt\/retinopathy\/([\w./-]+\.\w+)/g),
  ]);
  expect(named.length).toBeGreaterThan(4);
  for (const [, file] of named) await access(join(ROOT, file!));
});

test('the unit leaves the worker the time that it takes, and starts it again only after a failure', async () => {
  const lines = (await read('retinopathy-gpu-worker.service')).split('\n');
  const value = (name: string) => lines.find(line => line.startsWith(`${name}=`))?.slice(name.length + 1);
  expect(value('KillSignal')).toBe('SIGTERM');
  expect(value('KillMode')).toBe('mixed');
  expect(Number(value('TimeoutStopSec'))).toBeGreaterThan(15);
  expect(value('Restart')).toBe('on-failure');
});

describe('a machine whose worker has ended well', () => {
  let folder: string;
  let metadata: FakeMetadata;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leave-'));
    metadata = await startFakeMetadata();
    metadata.data.set('instance-id', 'i-0123456789abcdef0');
    // What cannot be had here, and what nobody wants here.
    for (const program of ['aws', 'systemctl']) {
      await writeFile(join(folder, program), `#!/bin/sh\necho "${program} $*" >> '${folder}/called'\n`);
      await chmod(join(folder, program), 0o755);
    }
    const script = await read('ec2/leave.sh');
    await writeFile(join(folder, 'machine.env'), 'AWS_REGION=eu-west-1\n');
    await writeFile(join(folder, 'leave.sh'), script.replace('/etc/retinopathy/machine.env', `${folder}/machine.env`));
  });
  afterEach(async () => {
    await metadata.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function leave(): Promise<string[]> {
    const env = {
      PATH: `${folder}:${process.env.PATH}`,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url,
      no_proxy: '*',
    };
    await run('bash', [join(folder, 'leave.sh')], { env });
    return (await readFile(join(folder, 'called'), 'utf8')).trim().split('\n');
  }

  test('for want of work: it leaves its group, which then has no place for another', async () => {
    const [told, ended] = await leave();
    expect(told).toMatch(
      /^aws autoscaling terminate-instance-in-auto-scaling-group .*--should-decrement-desired-capacity$/,
    );
    expect(told).toContain('--region eu-west-1 --instance-id i-0123456789abcdef0');
    expect(ended).toBe('systemctl poweroff');
  });

  test.each([
    ['a notice of Spot', 'spot/instance-action', spotNotice(100)],
    ['a recommendation', 'events/recommendations/rebalance', '{"noticeTime":"2020-10-26T15:55:55Z"}'],
  ])('after %s: another may take its place', async (_name, path, notice) => {
    metadata.data.set(path, notice);
    expect(await leave()).toEqual(['systemctl poweroff']);
  });
});
