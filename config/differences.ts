/** What differs between two JSON values, as `training.epochs 8 → 10`. */
export function differences(before: unknown, after: unknown, path = ''): string[] {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap(name => differences(before[name], after[name], path ? `${path}.${name}` : name));
  }
  const [b, a] = [JSON.stringify(before), JSON.stringify(after)];
  return b === a ? [] : [`${path} ${b ?? 'absent'} → ${a ?? 'absent'}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
