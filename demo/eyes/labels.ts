/** The grader's labels, as the competition's trainLabels.csv has them, and the sample of a submission. */
import type { Patient } from './patients.ts';

/** `image,level`, one line an eye, in the archive's order. */
export function labelsCsv(patients: Iterable<Patient>): string {
  const lines = ['image,level'];
  for (const { eyes } of patients) for (const { name, stage } of eyes) lines.push(`${name},${stage}`);
  return `${lines.join('\n')}\n`;
}

/** What the competition's sampleSubmission.csv has: the same with stage 0 for every eye. */
export function sampleCsv(patients: Iterable<Patient>): string {
  const lines = ['image,level'];
  for (const { eyes } of patients) for (const { name } of eyes) lines.push(`${name},0`);
  return `${lines.join('\n')}\n`;
}
