/** Whether a snapshot pair is whole. Caffe writes it in place and never looks whether it got to the disk: a full one cuts it off. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import protobuf from 'protobufjs';

/** Field numbers of SolverState in BVLC's caffe.proto; all are always written, and in this order. */
const ITERATION = 1;
const LEARNED_NET = 2;
const CURRENT_STEP = 4;

/**
 * What is wrong with the files of a snapshot; null when they are whole, and of one iteration.
 * @param folder the one Caffe runs in
 * @param model relative to it, as Caffe was told: the state names the model it belongs to
 * @param iteration the one it must have been taken at
 */
export async function faultOfPair(
  folder: string,
  model: string,
  state: string,
  iteration: number,
): Promise<string | null> {
  const layers = fieldsOf(await readIfThere(join(folder, model)));
  if (layers === null || layers.size === 0) return `${model} is missing or cut off`;
  const solver = fieldsOf(await readIfThere(join(folder, state)));
  if (!solver?.has(CURRENT_STEP)) return `${state} is missing or cut off`;
  if (solver.get(ITERATION) !== iteration) return `${state} is of iteration ${solver.get(ITERATION)}`;
  const learned = solver.get(LEARNED_NET);
  if (learned !== model) return `${state} belongs to ${learned}`;
  return null;
}

/** The fields at the top of a message, numbers and short texts with their value; null when it does not end where its last field does. */
function fieldsOf(bytes: Uint8Array): Map<number, number | string | null> | null {
  const reader = protobuf.Reader.create(bytes);
  const fields = new Map<number, number | string | null>();
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if ((tag & 7) === 0) fields.set(tag >>> 3, reader.int32());
      else if (tag === ((LEARNED_NET << 3) | 2))
        fields.set(LEARNED_NET, Buffer.from(reader.bytes()).toString('latin1'));
      else {
        reader.skipType(tag & 7);
        fields.set(tag >>> 3, null);
      }
    }
  } catch {
    return null;
  }
  return reader.pos === reader.len ? fields : null;
}

async function readIfThere(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Uint8Array();
    throw error;
  }
}
