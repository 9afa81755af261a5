/** The home folder of the user. */
import { userInfo } from 'node:os';
import { isAbsolute } from 'node:path';

/**
 * Returns HOME. When it is unset, empty or relative, returns the user's home folder as the system records it. Returns `/` for a
 * user without an entry.
 */
export function homeFolder({ HOME }: NodeJS.ProcessEnv): string {
  if (HOME && isAbsolute(HOME)) return HOME;
  try {
    return userInfo().homedir || '/';
  } catch {
    return '/';
  }
}
