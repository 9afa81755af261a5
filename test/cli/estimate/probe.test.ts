/** The probe says what it measured, and trains on the card that it is given. */
import { expect, test } from 'vitest';
import { probe } from '../../../cli/estimate/probe.ts';
import { resolveInput } from '../../../config/resolve.ts';
import type { Caffe } from '../../../lib/tools/caffe-command.ts';
import { testCaffe } from '../../support/caffe.ts';
import { TINY } from '../../support/tiny.ts';

const T4 = { number: 1, about: 'Tesla T4' };

test.each([
  [null, 'cpu', "a probe of this machine's CPU", []],
  [T4, 'gpu', "a probe of this machine's graphics card 1 (Tesla T4)", ['--gpu=1']],
] as const)(
  'of %j it is named in the rates',
  async (card, trainedOn, from, chosen) => {
    const caffe = await testCaffe();
    const given: string[][] = [];
    // There is no card here: Caffe is told of it, and trains on the CPU.
    const noting: Caffe = {
      ...caffe,
      command: (tool, args) => {
        given.push(args.filter(arg => arg.startsWith('--gpu')));
        return caffe.command(
          tool,
          args.filter(arg => !arg.startsWith('--gpu')),
        );
      },
    };
    const rates = await probe(resolveInput(TINY), noting, { env: {}, card, milliseconds: 100 });
    expect(rates).toMatchObject({ trainedOn, from });
    expect(rates.iteration).toBeGreaterThan(0);
    expect(new Set(given.map(String))).toEqual(new Set([String(chosen)]));
  },
  60_000,
);
