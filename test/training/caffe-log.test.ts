import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type LogEvent, parseLogLine, TrainingLog } from '../../activities/caffe/caffe-log.ts';

function events(name: string): LogEvent[] {
  const text = readFileSync(new URL(`./fixtures/${name}.log`, import.meta.url), 'utf8');
  return text.split('\n').flatMap(line => parseLogLine(line) ?? []);
}

function logOf(...names: string[]): TrainingLog {
  const log = new TrainingLog();
  let time = 0;
  for (const name of names) for (const event of events(name)) log.add(event, ++time);
  return log;
}

describe('the log of a training', () => {
  test.each(['bvlc-glog-0.4-train', 'bvlc-glog-0.6-train'])('%s', name => {
    const log = logOf(name);
    expect(log).toMatchObject({ iteration: 10, loss: 0.724333, rate: 0.01, done: true, stoppedEarly: false });
    expect(log.snapshots).toEqual(['snapshot/net_iter_10.caffemodel', 'snapshot/net_iter_10.solverstate']);
    expect(log.curve(10)).toEqual([
      { iteration: 0, time: 1, values: { loss: 0.714826, rate: 0.01, accuracy: 0.375 } },
      { iteration: 5, time: 5, values: { loss: 0.616406, rate: 0.01, accuracy: 0.875 } },
      { iteration: 10, time: 11, values: { loss: 0.724333 } },
    ]);
  });

  test('lines of a restart replace the earlier ones', () => {
    const log = logOf('bvlc-glog-0.4-train', 'bvlc-glog-0.4-resume');
    expect(log.curve(10).map(({ iteration, values }) => [iteration, values.loss])).toEqual([
      [0, 0.714826],
      [5, 0.616406],
      [10, 0.613067],
      [15, 0.377532],
    ]);
    expect(events('bvlc-glog-0.4-resume')).toContainEqual({
      kind: 'restored',
      file: 'snapshot/net_iter_10.solverstate',
    });
  });

  test('the loss that is no number', () => {
    const losses = events('bvlc-glog-0.4-nan').flatMap(event => (event.kind === 'iteration' ? [event.loss] : []));
    expect(losses).toEqual([0.687964, Number.NaN, Number.NaN, Number.NaN]);
  });

  test('NVCaffe', () => {
    expect(events('nvcaffe-train')).toEqual([
      { kind: 'restored', file: 'snapshot/net_iter_5520.solverstate' },
      { kind: 'iteration', iteration: 5520, loss: 0.517 },
      { kind: 'output', net: 'train', name: 'loss3/loss', value: 0.49 },
      { kind: 'rate', iteration: 5520, rate: 0.01 },
      { kind: 'iteration', iteration: 5525, loss: Infinity },
      { kind: 'output', net: 'train', name: 'loss3/loss', value: Infinity },
      { kind: 'rate', iteration: 5525, rate: 0.01 },
      { kind: 'iteration', iteration: 5530, loss: 0.503 },
      { kind: 'output', net: 'train', name: 'loss3/loss', value: 0.47 },
      { kind: 'snapshot', file: 'snapshot/net_iter_5530.caffemodel' },
      { kind: 'state', file: 'snapshot/net_iter_5530.solverstate' },
      { kind: 'iteration', iteration: 5530, loss: 0.503 },
      { kind: 'output', net: 'test', name: 'accuracy', value: 0.81 },
      { kind: 'done' },
    ]);
    expect(logOf('nvcaffe-train')).toMatchObject({ done: true, stoppedEarly: false, iteration: 5530, rate: 0.01 });
  });

  test.each(['[0]', '[1.0]'])('NVCaffe on device %s', device => {
    const said = (words: string) => parseLogLine(`I1122 20:34:39.304101 31909 solver.cpp:337] ${words}`);
    expect(said(`    ${device} Iteration 3 (61 iter/s, 0.08s/5 iter), 0.5/30ep, loss = -nan`)).toEqual({
      ...{ kind: 'iteration', iteration: 3, loss: Number.NaN },
    });
    expect(said(`${device} Optimization stopped early.`)).toEqual({ kind: 'stoppedEarly' });
  });

  test('a curve is thinned at even distances, its last point kept', () => {
    const log = new TrainingLog();
    for (let iteration = 1; iteration <= 1000; iteration++)
      log.add({ kind: 'iteration', iteration, loss: 1 / iteration });
    expect(log.curve(4).map(({ iteration }) => iteration)).toEqual([250, 500, 750, 1000]);
  });
});

test('the log of judging: element by element, by the name of the output', () => {
  const batches = events('bvlc-glog-0.4-test').filter(event => event.kind === 'batch');
  expect(batches.filter(({ name }) => name === 'probability-1')).toHaveLength(32);
  expect(batches.filter(({ name, batch }) => name === 'stage-echo' && batch === 1).map(({ value }) => value)).toEqual([
    3, 2, 1, 0, 1, 2, 2, 2,
  ]);
});

test('failures', () => {
  expect(parseLogLine('F1123 01:48:28.459396 30253 io.cpp:69] Check failed: error == 0')).toEqual({
    kind: 'fatal',
    message: 'Check failed: error == 0',
  });
  expect(parseLogLine('*** Check failure stack trace: ***')).toBeUndefined();
});
