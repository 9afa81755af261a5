/** Which cards a worker trains on, with stand-ins for NVIDIA's tool; and that each activity has one of its own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Cards } from '../../activities/caffe/run-caffe.ts';
import { findCards } from '../../workers/gpus.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cards-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

/** @returns the environment in which `nvidia-smi` is this script */
async function nvidiaSmi(script: string): Promise<NodeJS.ProcessEnv> {
  await writeFile(join(folder, 'nvidia-smi'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { PATH: folder };
}

const TWO = `cat << END
0, GPU-1b2c, Tesla T4, 15360, 7.5
1, GPU-9f00, Tesla K80, 11441, 3.7
END`.replace('cat', '/bin/cat');
const T4 = 'Tesla T4, compute capability 7.5, 15360 MiB';
const K80 = 'Tesla K80, compute capability 3.7, 11441 MiB';

describe('the cards of a machine', () => {
  test('are those that the tool lists; none without it, or where the driver has none', async () => {
    expect(await findCards({ PATH: folder })).toEqual([]);
    expect(await findCards(await nvidiaSmi('echo No devices were found; exit 6'))).toEqual([]);
    expect(await findCards(await nvidiaSmi(TWO))).toEqual([
      { number: 0, about: T4 },
      { number: 1, about: K80 },
    ]);
  });

  test('an old driver that knows no compute capability lists them without', async () => {
    const env = await nvidiaSmi(
      `case $* in *compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2 ;; esac
      echo '0, GPU-77, GRID K520, 4036'`,
    );
    expect(await findCards(env)).toEqual([{ number: 0, about: 'GRID K520, 4036 MiB' }]);
  });

  test('a driver that does not answer is said, unless cards are named', async () => {
    const env = await nvidiaSmi(`echo "NVIDIA-SMI has failed because it couldn't communicate with the driver"; exit 9`);
    await expect(findCards(env)).rejects.toThrow(
      /^Expected nvidia-smi to list the graphics cards, got exit code 9: NVIDIA-SMI has failed .*RETINOPATHY_GPUS to none/,
    );
    expect(await findCards({ ...env, RETINOPATHY_GPUS: 'none' })).toEqual([]);
    expect(await findCards({ ...env, RETINOPATHY_GPUS: '0' })).toEqual([{ number: 0, about: '' }]);
  });

  test('RETINOPATHY_GPUS chooses among them', async () => {
    const env = await nvidiaSmi(TWO);
    expect(await findCards({ ...env, RETINOPATHY_GPUS: ' 1, 5' })).toEqual([
      { number: 1, about: K80 },
      { number: 5, about: '' },
    ]);
    for (const wrong of ['all', '0;1', '1,1', '-1', '0,'])
      await expect(findCards({ ...env, RETINOPATHY_GPUS: wrong })).rejects.toThrow(
        `Expected RETINOPATHY_GPUS to be numbers of graphics cards such as 0 or 0,1, or none, got \`${wrong}\``,
      );
  });

  test.each([
    ['1,0', [K80, T4]],
    ['GPU-9f', [K80]],
    ['MIG-77', ['MIG-77']],
    ['', []],
    ['-1', []],
  ])('CUDA_VISIBLE_DEVICES %j renumbers them', async (setting, abouts) => {
    const env = { ...(await nvidiaSmi(TWO)), CUDA_VISIBLE_DEVICES: setting };
    expect(await findCards(env)).toEqual(abouts.map((about, number) => ({ number, about })));
  });
});

describe('activities', () => {
  test('at work at once have different cards, and give them back, whatever becomes of them', async () => {
    const cards = new Cards({ cards: async () => [2, 3].map(number => ({ number, about: '' })) });
    const open: (() => void)[] = [];
    const given: string[][] = [];
    const hold = () => cards.use(args => new Promise<void>(end => given.push(args) && open.push(end)));
    const both = [hold(), hold()];
    await expect.poll(() => given).toEqual([['--gpu=2'], ['--gpu=3']]);
    await expect(cards.use(async () => {})).rejects.toThrow(/Expected a slot a graphics card/);
    for (const end of open) end();
    await Promise.all(both);
    const failing = cards.use(async () => {
      throw new Error('failed');
    });
    await expect(failing).rejects.toThrow('failed');
    const again = [hold(), hold()];
    await expect.poll(() => given.slice(2).flat().sort()).toEqual(['--gpu=2', '--gpu=3']);
    for (const end of open) end();
    await Promise.all(again);
  });

  test('without cards Caffe is told nothing of them', async () => {
    expect(await new Cards({ cards: async () => [] }).use(async args => args)).toEqual([]);
  });
});
