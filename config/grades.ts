/** The four splits: split k asks "worse than grade k?". */
export const SPLITS = [0, 1, 2, 3] as const;

/** Returns the name of a split: `<0>/<1..4>`, `<0..1>/<2..4>`, `<0..2>/<3..4>` or `<0..3>/<4>`. */
export function splitName(k: number): string {
  const range = (from: number, to: number) => (from === to ? `<${from}>` : `<${from}..${to}>`);
  return `${range(0, k)}/${range(k + 1, 4)}`;
}

/** The split that asks for referable disease: grade 2, moderate retinopathy, or worse. */
export const REFERABLE = 1;

/** The graders' names of the grades 0–4. */
export const STAGE_NAMES = ['none', 'mild', 'moderate', 'severe', 'proliferative'];
