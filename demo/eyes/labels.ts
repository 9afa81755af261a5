/** The grader's labels, as the competition's trainLabels.csv has them. */
import type { Patient } from './patients.ts';

/** `image,level`, one line an eye, in the archive's order. */
export function labelsCsv(patients: Iterable<Patient>): string {
  const lines = ['image,level'];
  for (const { eyes } of patients) for (const { name, stage } of eyes) lines.push(`${name},${stage}`);
  return `${lines.join('\n')}\n`;
}
