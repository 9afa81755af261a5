/** The real Caffe for tests. */
import type { Caffe } from '../../activities/services.ts';
import { findCaffe } from '../../bootstrap/caffe.ts';

let found: Promise<Caffe> | undefined;

/** The Caffe that the suite's set-up found or made; the same object at every call. */
export function testCaffe(): Promise<Caffe> {
  found ??= findCaffe();
  return found;
}
