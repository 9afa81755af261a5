/** The installation for Docker keeps its promises as far as its files can tell; `npm run test:compose` runs it for real. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv, promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { which } from '../../lib/process/which.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCRIPTS = [
  ...['deploy/make-env.sh', 'deploy/make-account.sh', 'deploy/install-debian11.sh'],
  ...['deploy/temporal/schema.sh', 'deploy/temporal/namespace.sh'],
];

interface Service {
  image: string;
  restart?: string;
  ports?: string[];
  environment?: Record<string, string>;
  healthcheck?: object;
  mem_limit?: string;
  stop_grace_period?: string;
  profiles?: string[];
  depends_on?: Record<string, { condition: string }>;
  read_only?: boolean;
  tmpfs?: string[];
  cap_drop?: string[];
  security_opt?: string[];
}

const shellcheck = await which('shellcheck', process.env.PATH);
const docker = await which('docker', process.env.PATH);
const compose =
  docker !== null &&
  (await run(docker, ['compose', 'version']).then(
    () => true,
    () => false,
  ));

let services: Record<string, Service>;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compose-file-'));
  ({ services } = parse(await readFile(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const staying = () => Object.entries(services).filter(([, { restart }]) => restart === 'unless-stopped');

describe('docker-compose.yml', () => {
  test("pins every image of others, and Temporal's to one version", () => {
    const images = Object.values(services).map(({ image }) => image);
    const others = images.filter(image => !image.startsWith('retinopathy-'));
    for (const image of others) expect(image).toMatch(/:v?\d+(\.\d+)*$/);
    // Postgres counts two.
    for (const image of others) expect(image).toMatch(/^postgres:\d+\.\d+$|:v?\d+\.\d+\.\d+$/);
    const temporal = others.filter(image => /^temporalio\/(server|admin-tools):/.test(image));
    expect(new Set(temporal.map(image => image.split(':')[1])).size).toBe(1);
  });

  test('listens on loopback alone unless asked', () => {
    const ports = Object.values(services).flatMap(service => service.ports ?? []);
    expect(ports).toHaveLength(3);
    for (const port of ports)
      expect(port).toMatch(/^\$\{RETINOPATHY_LISTEN:-127\.0\.0\.1\}:\$\{RETINOPATHY_\w+_PORT:-\d+\}:\d+$/);
  });

  test('holds no secret, and does not start without those of .env', () => {
    const settings = Object.values(services).flatMap(({ environment = {} }) => Object.entries(environment));
    const secrets = settings.filter(([name]) => /PASSWORD|PWD|SECRET|KEY|TOKEN/.test(name));
    expect(secrets.length).toBeGreaterThan(10);
    for (const [name, value] of secrets) {
      // Those of Kaggle are needed only for the competition.
      if (name.startsWith('KAGGLE_')) expect(value).toBe(`\${${name}:-}`);
      else expect(value).toMatch(/^\$\{RETINOPATHY_\w+:\?Write \.env first by sh deploy\/make-env\.sh\}$/);
    }
  });

  test('closes every container: no capability, no new right, nothing written but volumes and memory', () => {
    for (const [name, service] of Object.entries(services)) {
      expect(service.cap_drop, name).toEqual(['ALL']);
      expect(service.security_opt, name).toEqual(['no-new-privileges:true']);
      expect(service.tmpfs, name).toContain('/tmp');
    }
    const open = Object.entries(services).filter(([, { read_only }]) => !read_only);
    expect(open.map(([name]) => name)).toEqual(['ui', 'gpu-worker']);
  });

  test('gives each container the secrets that it needs, and no others', () => {
    const holders = (secret: RegExp) =>
      Object.entries(services)
        .filter(([, { environment = {} }]) => secret.test(Object.values(environment).join(' ')))
        .map(([name]) => name);
    expect(holders(/KAGGLE/)).toEqual(['cpu-worker']);
    expect(holders(/S3_ROOT/)).toEqual(['s3', 'account', 'bucket']);
    expect(holders(/POSTGRES_PASSWORD/)).toEqual(['postgres', 'schema', 'temporal']);
    const workers = staying().flatMap(([name]) => (name.endsWith('-worker') ? [name] : []));
    expect(holders(/S3_SECRET/)).toEqual(['account', ...workers, 'retinopathy']);
  });

  test('watches over what stays, and limits the memory of all', () => {
    for (const [name, service] of Object.entries(services)) expect(service.mem_limit, name).toBeTruthy();
    expect(
      staying()
        .map(([name]) => name)
        .sort(),
    ).toEqual([
      ...['caffe-cpu-worker', 'cpu-worker', 'gpu-worker', 'postgres', 's3', 'temporal', 'ui', 'workflow-worker'],
    ]);
    for (const [name, service] of staying()) expect(service.healthcheck, name).toBeTruthy();
  });

  test('starts workers when what they need is there, and leaves them time to go', () => {
    for (const [name, { depends_on, stop_grace_period }] of staying().filter(([name]) => name.endsWith('-worker'))) {
      expect(depends_on, name).toEqual({
        namespace: { condition: 'service_completed_successfully' },
        bucket: { condition: 'service_completed_successfully' },
      });
      expect(stop_grace_period, name).toBe('1m');
    }
    expect(services['gpu-worker']?.profiles).toEqual(['gpu']);
    expect(services['caffe-cpu-worker']?.profiles).toEqual(['caffe-cpu']);
  });
});

test('the images that are built start from full versions', async () => {
  for (const file of ['deploy/Dockerfile', 'deploy/caffe.Dockerfile']) {
    const text = await readFile(join(ROOT, file), 'utf8');
    const bases = [...text.matchAll(/^ARG \w+=(\S+:\S+)$/gm)]
      .map(([, image]) => image!)
      .filter(image => !image.includes('//'));
    expect(bases.length, file).toBeGreaterThan(0);
    for (const base of bases)
      expect(base).toMatch(/^(node:\d+\.\d+\.\d+-|debian:\d+\.\d+-|nvcr\.io\/nvidia\/caffe:\d\d\.\d\d-)/);
    for (const [, from] of text.matchAll(/^FROM (\S+)/gm)) expect(from).toMatch(/^\$\{\w+\}$|^(packages|worker)$/);
  }
});

describe('make-env.sh', () => {
  const make = (...args: string[]) => run('sh', ['deploy/make-env.sh', ...args], { cwd: ROOT });

  test('writes other passwords each time, for nobody else to read, and never over them', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    await make('caffe-cpu', one);
    await make('gpu', two);
    expect((await stat(one)).mode & 0o777).toBe(0o600);
    const [first, second] = [parseEnv(await readFile(one, 'utf8')), parseEnv(await readFile(two, 'utf8'))];
    expect([first.COMPOSE_PROFILES, second.COMPOSE_PROFILES]).toEqual(['caffe-cpu', 'gpu']);
    const secrets = [
      ...['RETINOPATHY_POSTGRES_PASSWORD', 'RETINOPATHY_S3_ACCESS_KEY', 'RETINOPATHY_S3_SECRET_KEY'],
      ...['RETINOPATHY_S3_ROOT_ACCESS_KEY', 'RETINOPATHY_S3_ROOT_SECRET_KEY'],
    ];
    const values = [first, second].flatMap(env => secrets.map(name => env[name]));
    for (const value of values) expect(value).toMatch(/^[0-9a-f]{20,48}$/);
    expect(new Set(values).size).toBe(values.length);

    await expect(make('caffe-cpu', one)).rejects.toMatchObject({
      code: 1,
      stderr: `make-env: Expected no ${one}, got one: the data in the volumes know its passwords (docker compose down -v, and rm ${one}, discard both)\n`,
    });
    expect(parseEnv(await readFile(one, 'utf8'))).toEqual(first);
  });

  test('knows who can train', async () => {
    await expect(make('tpu', join(folder, 'three'))).rejects.toMatchObject({
      stderr: 'make-env: Expected caffe-cpu or gpu, got `tpu`\n',
    });
  });

  test.runIf(compose)('is all that docker compose asks for', async () => {
    const config = (...args: string[]) => run('docker', ['compose', ...args, 'config', '--quiet'], { cwd: ROOT });
    const env = join(folder, 'four');
    await make('caffe-cpu', env);
    expect(await config('--env-file', env, '--profile', '*')).toEqual({ stdout: '', stderr: '' });
    await expect(config('--env-file', '/dev/null')).rejects.toMatchObject({
      stderr: expect.stringContaining('Write .env first by sh deploy/make-env.sh'),
    });
  });
});

test('the scripts are for any shell', async () => {
  for (const script of SCRIPTS) await run('sh', ['-n', join(ROOT, script)]);
  if (shellcheck !== null) await run(shellcheck, SCRIPTS, { cwd: ROOT });
});
