/** Whether runs are to set search attributes. They do only where somebody asks for it: one that is not there would hold up the run. */

/** @throws Error with one line for a person when the setting is none */
export function wantsSearchAttributes({ RETINOPATHY_SEARCH_ATTRIBUTES: wanted }: NodeJS.ProcessEnv): boolean {
  if (wanted === undefined || wanted === '' || wanted === '0') return false;
  if (wanted === '1') return true;
  throw new Error(`Expected RETINOPATHY_SEARCH_ATTRIBUTES to be 1 or 0, got \`${wanted}\``);
}
