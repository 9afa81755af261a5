/** Any Temporal service: its settings from the environment and from a file, TLS of both sides, a key. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChild } from '../../lib/process/child-process.ts';
import { which } from '../../lib/process/which.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { deploymentOf, temporalService, unreachable } from '../../workers/connection.ts';
import { READY_LINE } from '../../workers/roles.ts';
import { eventually, retinopathy } from '../support/command.ts';

const KEY = 'eyJhbGciOiJFUzI1NiJ9.c2VjcmV0.b3f1';
const openssl = await which('openssl', process.env.PATH);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'connection-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The file of a configuration, with nothing else in the environment. */
async function configured(toml: string, env: NodeJS.ProcessEnv = {}) {
  const file = join(folder, 'temporal.toml');
  await writeFile(file, toml);
  return temporalService({ TEMPORAL_CONFIG_FILE: file, ...env });
}

const PROFILES = `
[profile.default]
address = "temporal.example.org:7233"
namespace = "eyes"
[profile.cloud]
address = "eyes.a1b2c.tmprl.cloud:7233"
namespace = "eyes.a1b2c"
api_key = "${KEY}"
`;

describe('settings', () => {
  test('nothing set: the local service', () => {
    expect(temporalService({ TEMPORAL_CONFIG_FILE: join(folder, 'none.toml') })).toMatchObject({
      ...{ address: 'localhost:7233', namespace: 'default' },
    });
  });

  test('a file, of which the environment chooses the profile, and overrules fields', async () => {
    expect(await configured(PROFILES)).toMatchObject({ address: 'temporal.example.org:7233', namespace: 'eyes' });
    expect(await configured(PROFILES, { TEMPORAL_PROFILE: 'cloud' })).toMatchObject({
      ...{ address: 'eyes.a1b2c.tmprl.cloud:7233', namespace: 'eyes.a1b2c' },
      // A key goes over TLS only.
      connectionOptions: { apiKey: KEY, tls: true },
    });
    expect(await configured(PROFILES, { TEMPORAL_NAMESPACE: 'other', TEMPORAL_ADDRESS: 'h:1' })).toMatchObject({
      ...{ address: 'h:1', namespace: 'other' },
    });
  });

  test('what belongs to `npm start` heeds no file', async () => {
    expect(await configured(PROFILES, { RETINOPATHY_EMBEDDED: '1', TEMPORAL_ADDRESS: '127.0.0.1:1' })).toMatchObject({
      ...{ address: '127.0.0.1:1', namespace: 'default' },
    });
  });

  test('a file that cannot be read is said in one line, without what stands in it', async () => {
    const broken = await configured(PROFILES.replace(`${KEY}"`, KEY), { TEMPORAL_PROFILE: 'cloud' }).catch(
      error => error,
    );
    expect(broken.message).toMatch(
      /^Expected the settings of Temporal \(TEMPORAL_\*, temporal\.toml\) to be usable, got: .+$/,
    );
    expect(broken.message).not.toContain(KEY);
    const missing = { TEMPORAL_TLS_CLIENT_CERT_PATH: '/nowhere/a.pem', TEMPORAL_TLS_CLIENT_KEY_PATH: '/nowhere/a.key' };
    expect(() => temporalService(missing)).toThrow(/usable, got: ENOENT: .* '\/nowhere\/a\.pem'$/);
  });

  test('Worker Versioning wants both of its names', () => {
    expect(deploymentOf({})).toBeUndefined();
    expect(deploymentOf({ TEMPORAL_DEPLOYMENT_NAME: 'eyes', TEMPORAL_WORKER_BUILD_ID: '1.2' })).toMatchObject({
      ...{ useWorkerVersioning: true, version: { deploymentName: 'eyes', buildId: '1.2' } },
    });
    expect(() => deploymentOf({ TEMPORAL_DEPLOYMENT_NAME: 'eyes' })).toThrow(
      'Expected TEMPORAL_WORKER_BUILD_ID beside TEMPORAL_DEPLOYMENT_NAME, got nothing',
    );
    expect(() => deploymentOf({ TEMPORAL_WORKER_BUILD_ID: '1' })).toThrow('Expected TEMPORAL_DEPLOYMENT_NAME beside');
  });

  test('of the words of a failed connection the innermost are said', () => {
    const words = 'tonic::transport::Error(Transport, Os { code: 111, message: "Connection refused" })';
    expect(unreachable(temporalService({ TEMPORAL_ADDRESS: 'h:1' }), new Error(words)).message).toBe(
      'Expected a Temporal service at h:1 (namespace default), got: Connection refused',
    );
  });
});

/** TLS before a server that has none: both sides show certificates of one authority. */
describe.runIf(openssl)('a service behind TLS', () => {
  let environment: TestWorkflowEnvironment;
  let proxy: ReturnType<typeof createServer>;
  const file = (name: string) => join(folder, name);
  const ssl = async (...args: string[]) => {
    const { code, tail } = await runChild([openssl!, ...args]);
    expect(code, tail.join('\n')).toBe(0);
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];

  async function certificate(name: string, extension: string): Promise<void> {
    await ssl('req', ...newKey, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${name}`);
    await writeFile(file(`${name}.ext`), extension);
    const by = ['-CA', file('authority.pem'), '-CAkey', file('authority.key'), '-CAcreateserial', '-days', '2'];
    await ssl(
      'x509',
      '-req',
      '-in',
      file(`${name}.csr`),
      ...by,
      '-extfile',
      file(`${name}.ext`),
      '-out',
      file(`${name}.pem`),
    );
  }

  beforeAll(async () => {
    const { path } = await findTemporalCli({ env: process.env });
    environment = await TestWorkflowEnvironment.createLocal({
      server: { executable: { type: 'existing-path', path } },
    });
    const authority = ['-keyout', file('authority.key'), '-out', file('authority.pem'), '-subj', '/CN=authority'];
    await ssl('req', '-x509', ...newKey, ...authority, '-days', '2');
    await certificate('server', 'subjectAltName=DNS:localhost');
    await certificate('client', 'extendedKeyUsage=clientAuth');
    const read = (name: string) => readFile(file(name));
    const [ca, cert, key] = await Promise.all([read('authority.pem'), read('server.pem'), read('server.key')]);
    const [host, port] = environment.address.split(':');
    proxy = createServer(
      { ca, cert, key, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2'] },
      socket => {
        const behind = connect(Number(port), host);
        socket.pipe(behind).pipe(socket);
        for (const end of [socket, behind]) end.on('error', () => [socket, behind].map(one => one.destroy()));
      },
    );
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    proxy?.close();
    await environment?.teardown();
  });

  const worker = (env: NodeJS.ProcessEnv) =>
    retinopathy(['worker', 'gpu'], {
      ...{ TEMPORAL_ADDRESS: `localhost:${(proxy.address() as AddressInfo).port}`, AWS_EC2_METADATA_DISABLED: 'true' },
      ...{ RETINOPATHY_STORE: `file:${file('store')}`, RETINOPATHY_SCRATCH: file('scratch'), ...env },
    });

  test('takes a worker that shows a certificate and a key, and the key is in no log', async () => {
    const command = worker({
      ...{ TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('authority.pem'), TEMPORAL_API_KEY: KEY },
      ...{ TEMPORAL_TLS_CLIENT_CERT_PATH: file('client.pem'), TEMPORAL_TLS_CLIENT_KEY_PATH: file('client.key') },
      RETINOPATHY_LOG_LEVEL: 'trace',
    });
    await eventually(
      () => `the worker to be ready (${command.output()})`,
      60,
      () => command.output().includes(READY_LINE),
    );
    process.kill(command.pid, 'SIGTERM');
    expect((await command.exited).code, command.output()).toBe(0);
    expect(command.output()).not.toContain(KEY);
  });

  test.runIf(process.env.RETINOPATHY_LONG)(
    'is refused, in one line, to one that does not know its authority',
    async () => {
      const command = worker({ TEMPORAL_TLS: 'true' });
      expect((await command.exited).code).toBe(1);
      expect(command.output().trim()).toMatch(
        /^retinopathy: Expected a Temporal service at localhost:\d+ \(namespace default\), got: .*$/,
      );
    },
  );
});
