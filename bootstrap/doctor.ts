/** Looks at this machine without changing it: what a run would find. */
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, tmpdir, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { describeProxies } from '../system/proxy.ts';
import { which } from '../system/which.ts';
import { cacheFolder } from './cache.ts';
import { lookForCaffe } from './caffe.ts';
import { debianMirror } from './caffe-debian.ts';
import { dockerFault } from './caffe-docker.ts';
import { reasonOf } from './missing-tool.ts';
import { lookForTemporalCli } from './temporal-cli.ts';

export interface Finding {
  name: string;
  /** `warn`: a run begins, but may take long or stop; `fail`: it cannot begin. */
  state: 'ok' | 'warn' | 'fail';
  found: string;
}

/** The demo writes about half a gigabyte, its tools take as much; the competition's data need ten times the warning. */
const SMALL_DISK = 5e9;
const SMALL_MEMORY = 3e9;

/**
 * @param folders where a run writes: the out folder; beside them the cache and the folder for temporary files are looked at
 */
export async function examine(env: NodeJS.ProcessEnv, folders: readonly string[]): Promise<Finding[]> {
  const node: Finding = {
    name: 'Node',
    state: 'ok',
    found: `${process.versions.node}, ${process.platform} ${process.arch}, ${availableParallelism()} cores`,
  };
  const [temporal, caffe, memory, disks] = await Promise.all([
    examineTemporal(env),
    examineCaffe(env),
    examineMemory(),
    Promise.all([...new Set([...folders.map(folder => resolve(folder)), cacheFolder(env), tmpdir()])].map(examineDisk)),
  ]);
  const proxies = describeProxies(env);
  const extra = env.NODE_EXTRA_CA_CERTS;
  return [
    node,
    temporal,
    caffe,
    {
      name: 'Proxy',
      state: 'ok',
      found: proxies.length === 0 ? 'none' : `${proxies.join(', ')}; loopback goes around it`,
    },
    ...(extra ? [{ name: 'Certificates', state: 'ok', found: `the usual ones and those in ${extra}` } as const] : []),
    memory,
    ...disks,
  ];
}

async function examineTemporal(env: NodeJS.ProcessEnv): Promise<Finding> {
  const name = 'Temporal CLI';
  try {
    const found = await lookForTemporalCli({ env });
    if (found !== null) return { name, state: 'ok', found: `${found.version} · ${found.path} (${found.origin})` };
  } catch (error) {
    return { name, state: 'fail', found: reasonOf(error) };
  }
  const go = await which('go', env.PATH);
  const way =
    go === null
      ? 'will be downloaded; there is no Go to build it should that fail'
      : `will be downloaded, or built with ${go} in about four minutes`;
  return { name, state: 'warn', found: `none yet: it ${way}` };
}

async function examineCaffe(env: NodeJS.ProcessEnv): Promise<Finding> {
  const name = 'Caffe';
  const tried: string[] = [];
  try {
    const found = await lookForCaffe({ env }, tried);
    if (found !== null) return { name, state: 'ok', found: `${found.version} · ${found.command('caffe', []).at(-1)}` };
  } catch (error) {
    return { name, state: 'fail', found: reasonOf(error) };
  }
  const mirror = await debianMirror(env);
  if (mirror !== null) return { name, state: 'warn', found: `none yet: Debian 11's will be unpacked from ${mirror}` };
  const fault = await dockerFault(env);
  if (fault === null) return { name, state: 'warn', found: 'none yet: a Docker image with it will be built' };
  return { name, state: 'fail', found: `none: ${[...tried, 'apt knows no Debian mirror', fault].join('; ')}` };
}

async function examineMemory(): Promise<Finding> {
  // What a container may take says more than what the machine has.
  const total = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
  const free = Math.min(await availableMemory(), total);
  return {
    name: 'Memory',
    state: free < SMALL_MEMORY ? 'warn' : 'ok',
    found: `${gigabytes(free)} of ${gigabytes(total)} GB free`,
  };
}

/** Linux counts what caches would give back at once as free only in MemAvailable. */
async function availableMemory(): Promise<number> {
  const table = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(table)?.[1];
  return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
}

async function examineDisk(folder: string): Promise<Finding> {
  const name = 'Disk';
  try {
    const { bavail, bsize } = await statfs(await existing(folder));
    const free = bavail * bsize;
    return { name, state: free < SMALL_DISK ? 'warn' : 'ok', found: `${gigabytes(free)} GB free for ${folder}` };
  } catch (error) {
    return { name, state: 'fail', found: `${folder}: ${reasonOf(error)}` };
  }
}

/** The folder, or the nearest one above it that exists. */
async function existing(folder: string): Promise<string> {
  return statfs(folder).then(
    () => folder,
    error => {
      if (error.code !== 'ENOENT') throw error;
      return existing(resolve(folder, '..'));
    },
  );
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}
