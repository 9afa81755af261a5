/** A worker that cannot work does not start: one line that says what is wrong, another exit status than 0, and nothing is polled. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { READY_LINE } from '../../workers/roles.ts';
import { retinopathy } from '../support/command.ts';

let environment: TestWorkflowEnvironment;
let folder: string;
let taken: Server;

beforeAll(async () => {
  const { path } = await findTemporalCli({ env: process.env });
  environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
  folder = await mkdtemp(join(tmpdir(), 'refusals-'));
  await writeFile(join(folder, 'file'), '');
  taken = createServer();
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  taken?.close();
  await environment?.teardown();
  await rm(folder, { recursive: true, force: true });
});

const occupied = () => `127.0.0.1:${(taken.address() as AddressInfo).port}`;

const CASES: [name: string, env: () => NodeJS.ProcessEnv, line: RegExp][] = [
  [
    'a store below a file',
    () => ({ RETINOPATHY_STORE: `file:${folder}/file/store` }),
    /^Expected the store file:.*\/file\/store to be a folder that can be written, got ENOTDIR: a part of the path is a file: name another place$/,
  ],
  [
    'a service that does not answer',
    () => ({ TEMPORAL_ADDRESS: '127.0.0.1:1' }),
    /^Expected a Temporal service at 127\.0\.0\.1:1 \(namespace default\), got: Connection refused$/,
  ],
  [
    'a namespace that is not there',
    () => ({ TEMPORAL_NAMESPACE: 'nowhere' }),
    /^Expected a Temporal service at .* \(namespace nowhere\), got: .*Namespace nowhere is not found/,
  ],
];
/** Each takes a process of its own. */
const FURTHER: typeof CASES = [
  ['no store', () => ({ RETINOPATHY_STORE: '' }), /^Expected RETINOPATHY_STORE to name the store .*, got nothing$/],
  [
    'an address of its own that is taken',
    () => ({ RETINOPATHY_METRICS: occupied() }),
    /^Expected RETINOPATHY_METRICS to be an address to listen at, got: .*in use/,
  ],
  [
    'another one that is taken',
    () => ({ RETINOPATHY_HEALTH: occupied() }),
    /^Expected RETINOPATHY_HEALTH to be an address to listen at, got EADDRINUSE/,
  ],
  ['half of a version', () => ({ TEMPORAL_WORKER_BUILD_ID: '1' }), /^Expected TEMPORAL_DEPLOYMENT_NAME beside /],
];

test('each in one line', async () => {
  const cases = process.env.RETINOPATHY_LONG ? [...CASES, ...FURTHER] : CASES;
  const ended = cases.map(async ([name, env, line]) => {
    const command = retinopathy(['worker', 'cpu'], {
      ...{ TEMPORAL_ADDRESS: environment.address, RETINOPATHY_STORE: `file:${folder}/store` },
      ...{ RETINOPATHY_SCRATCH: join(folder, 'scratch'), AWS_EC2_METADATA_DISABLED: 'true', ...env() },
    });
    const { code } = await command.exited;
    return { name, line, code, said: command.output().trim() };
  });
  for (const { name, line, code, said } of await Promise.all(ended)) {
    expect(code, `${name}: ${said}`).toBe(1);
    expect(said, name).not.toContain(READY_LINE);
    // Warnings may stand above it, as lines of the log.
    const lines = said.split('\n').filter(one => !one.startsWith('{'));
    expect(lines, name).toEqual([expect.stringMatching(/^retinopathy: /)]);
    expect(lines[0]!.replace('retinopathy: ', ''), name).toMatch(line);
  }
}, 120_000);
