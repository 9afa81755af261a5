/** The user data within the template of the GPU workers' machines, as a machine gets it. */
import { readFile } from 'node:fs/promises';

const TEMPLATE = new URL('../../deploy/ec2/gpu-workers.yaml', import.meta.url);

/** @param values of the template's parameters, by name; what is not among them is `x` */
export async function readUserData(values: Record<string, string> = {}): Promise<string> {
  const lines = (await readFile(TEMPLATE, 'utf8')).split('\n');
  const start = lines.findIndex(line => line.trim() === 'Fn::Base64: !Sub |') + 1;
  const indent = /^ */.exec(lines[start]!)![0];
  const end = lines.findIndex((line, n) => n > start && line !== '' && !line.startsWith(indent));
  return lines
    .slice(start, end)
    .map(line => line.slice(indent.length).replace(/\$\{([\w:]+)\}/g, (_, name) => values[name] ?? 'x'))
    .join('\n');
}
