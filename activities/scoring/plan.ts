/** Deals the pictures of an archive into databases that a network judges one after the other. Pure. */
import type { Version } from '../../config/input.ts';
import { type DatabasePlan, fileName } from '../labels/plan.ts';

/** Pictures of a database: what a lost machine costs, and what a worker has room for. */
const PICTURES = 2048;

/**
 * Databases `score-00` and on, each with all versions of its pictures in their order. A record needs a stage, which these pictures
 * have none of: it is 0 in all of them, and nothing reads it.
 */
export function planDatabases(images: readonly string[], versions: readonly Version[], batch: number): DatabasePlan {
  const count = Math.ceil(images.length / PICTURES);
  const width = Math.max(2, String(count - 1).length);
  const databases = Array.from({ length: count }, (_, n) => [
    `score-${String(n).padStart(width, '0')}`,
    images
      .slice(n * PICTURES, (n + 1) * PICTURES)
      .flatMap(image => versions.map(version => `${fileName({ image, version })} 0`)),
  ]);
  return { schemaVersion: 1, batch, databases: Object.fromEntries(databases) };
}
