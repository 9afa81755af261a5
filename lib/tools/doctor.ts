/** Examines this machine for a run, without changing it. */
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, tmpdir, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { which } from '../process/which.ts';
import { describeProxies } from '../proxy.ts';
import { cacheFolder } from './cache.ts';
import { intactFault, lookForCaffe } from './caffe.ts';
import { debianMirror } from './caffe-debian.ts';
import { dockerFault } from './caffe-docker.ts';
import { reasonOf } from './missing-tool.ts';
import { lookForTemporalCli } from './temporal-cli.ts';

export interface Finding {
  name: string;
  /** `warn`: a run can start, but may be slow or stop. `fail`: it cannot start. */
  state: 'ok' | 'warn' | 'fail';
  found: string;
}

/**
 * Free bytes below which a disk gets a warning. The demo writes about half a gigabyte, and its tools take as much. The competition's
 * data need ten times this limit.
 */
const SMALL_DISK = 5e9;
const SMALL_MEMORY = 3e9;

/**
 * Returns the findings on Node, tools, proxies, certificates, memory and disks.
 * @param folders the folders that a run writes to: the out folder. The cache and the folder for temporary files are added
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
  const intact = await intactFault(env);
  const mirror = intact === null ? await debianMirror(env) : null;
  if (mirror !== null) return { name, state: 'warn', found: `none yet: Debian 11's will be unpacked from ${mirror}` };
  const fault = await dockerFault(env);
  if (fault === null) {
    return { name, state: 'warn', found: `${intact ?? 'none yet'}: a Docker image with it will be built` };
  }
  const why = intact === null ? ['apt knows no Debian mirror'] : [];
  return { name, state: 'fail', found: `none: ${[...tried, ...why, fault].join('; ')}` };
}

async function examineMemory(): Promise<Finding> {
  // The limit of a container counts, not the memory of the machine.
  const total = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
  const free = Math.min(await availableMemory(), total);
  return {
    name: 'Memory',
    state: free < SMALL_MEMORY ? 'warn' : 'ok',
    found: `${gigabytes(free)} of ${gigabytes(total)} GB free`,
  };
}

/** Returns the available bytes of memory. On Linux, only MemAvailable includes the memory that caches would release at once. */
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

/** Returns the folder, or the nearest existing one above it. */
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
