import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodeEvents } from '../../activities/training/tensorboard.ts';
import { readWithTensorBoard } from '../support/tensorboard.ts';

const POINTS = [
  { step: 5, time: 1795380877500, values: { 'training/loss': 0.7, 'training/rate': 0.01 } },
  { step: 10, time: 1795380880250, values: { 'training/loss': Number.NaN, 'training/accuracy': 0 } },
  { step: 3_000_000_000, time: 1795380881000, values: { 'validation/auc-3': 0.5 } },
];

describe('an event file', () => {
  test("is to the byte what TensorBoard's own writer writes", () => {
    const golden = readFileSync(new URL('../fixtures/tensorboard/golden.events', import.meta.url));
    expect(encodeEvents(POINTS).toString('hex')).toBe(golden.toString('hex'));
  });

  test('without a figure is one that TensorBoard can read', () => {
    expect(encodeEvents([]).subarray(12).toString('latin1')).toContain('brain.Event:2');
  });
});

test.runIf(process.env.RETINOPATHY_LONG)("TensorBoard's own reader finds the figures, file after file", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [n, point] of POINTS.entries())
    writeFileSync(join(folder, `events.out.tfevents.${String(n).padStart(10, '0')}.segment-x`), encodeEvents([point]));
  expect(await readWithTensorBoard(folder)).toEqual({
    'training/loss': [
      [1795380877.5, 5, Math.fround(0.7)],
      [1795380880.25, 10, null],
    ],
    'training/rate': [[1795380877.5, 5, Math.fround(0.01)]],
    'training/accuracy': [[1795380880.25, 10, 0]],
    'validation/auc-3': [[1795380881, 3_000_000_000, 0.5]],
  });
});
