/** The S3 servers that the store is tried on: how to get each at its pinned version, and how to start it over a folder. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from '../../../lib/process/child-process.ts';
import { buildOnce, cacheFolder } from '../../../lib/tools/cache.ts';
import { goInstall } from '../../../lib/tools/go-install.ts';
import { verifyProgram } from '../../../lib/tools/program.ts';
import { pythonWith } from '../python-environment.ts';
import { findVersitygw } from './versitygw.ts';

export type S3ServerName = 'versitygw' | 'moto' | 's3mock' | 'rclone' | 'minio';

interface Start {
  /** What `find` gave. */
  program: string;
  /** A folder of the server's own. */
  root: string;
  /** The folder below it for its buckets; not there yet. */
  data: string;
  port: number;
  access: string;
  secret: string;
}

interface S3ServerKind {
  /** Returns the path of its program, which is made where it is missing. */
  find(): Promise<string>;
  command(start: Start): Promise<{ argv: string[]; env?: Record<string, string> }>;
}

const report = (line: string) => console.error(`set-up: ${line}`);

/** Builds a Go program into the tool cache, once. */
async function goProgram(tool: string, version: string, target: string, pattern: RegExp): Promise<string> {
  const folder = await buildOnce({
    cache: cacheFolder(process.env),
    name: `${tool}-${version}`,
    tool,
    report,
    async fault(folder) {
      const verified = await verifyProgram(join(folder, tool), 'cache', pattern, process.env);
      return typeof verified === 'string' ? verified : null;
    },
    make: folder => goInstall(folder, { env: process.env, report, tool, target, takes: 'minutes' }),
  });
  return join(folder, tool);
}

export const S3_SERVERS: Record<S3ServerName, S3ServerKind> = {
  versitygw: {
    find: async () => (await findVersitygw()).path,
    async command({ program, root, data, port, access, secret }) {
      const accounts = join(root, 'accounts');
      await mkdir(data, { recursive: true });
      await mkdir(accounts, { recursive: true });
      return {
        argv: [program, '--port', `127.0.0.1:${port}`, '--quiet', 'posix', data],
        env: { ROOT_ACCESS_KEY: access, ROOT_SECRET_KEY: secret, VGW_IAM_DIR: accounts },
      };
    },
  },
  moto: {
    find: () =>
      pythonWith(
        {
          what: 'moto',
          name: 'moto-5.2.5',
          requirements: fileURLToPath(new URL('../../fixtures/moto/requirements.txt', import.meta.url)),
          modules: ['moto.server'],
        },
        { report },
      ),
    command: async ({ program, port }) => ({
      argv: [program, '-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
    }),
  },
  s3mock: {
    async find() {
      const jar = 's3mock-4.11.0-exec.jar';
      const folder = await buildOnce({
        cache: cacheFolder(process.env),
        name: 's3mock-4.11.0',
        tool: 'S3Mock',
        report,
        async fault(folder) {
          const { code } = await runChild(['unzip', '-tqq', join(folder, jar)]);
          return code === 0 ? null : 'its jar is not whole';
        },
        async make(folder) {
          const artifact = '-Dartifact=com.adobe.testing:s3mock:4.11.0:jar:exec';
          const made = await runChild(['mvn', '-q', 'dependency:copy', artifact, `-DoutputDirectory=${folder}`]);
          if (made.code !== 0) throw new Error(`Expected mvn to fetch S3Mock, got: ${made.tail.join('\n')}`);
        },
      });
      return join(folder, jar);
    },
    command: async ({ program, data, port }) => ({
      // The port of the server itself is that of TLS.
      argv: ['java', `-Dcom.adobe.testing.s3mock.httpPort=${port}`, '-Dserver.port=0', '-jar', program],
      env: { COM_ADOBE_TESTING_S3MOCK_STORE_ROOT: data },
    }),
  },
  rclone: {
    find: () => goProgram('rclone', '1.76.0', 'github.com/rclone/rclone@v1.76.0', /^rclone v?(\S+)/),
    async command({ program, data, port, access, secret }) {
      await mkdir(data, { recursive: true });
      const options = ['--addr', `127.0.0.1:${port}`, '--auth-key', `${access},${secret}`, '--vfs-cache-mode', 'off'];
      return { argv: [program, 'serve', 's3', ...options, data] };
    },
  },
  minio: {
    find: () => goProgram('minio', 'latest', 'github.com/minio/minio@latest', /^minio version (\S+)/),
    async command({ program, data, port, access, secret }) {
      return {
        argv: [program, 'server', '--address', `127.0.0.1:${port}`, data],
        env: { MINIO_ROOT_USER: access, MINIO_ROOT_PASSWORD: secret },
      };
    },
  },
};
