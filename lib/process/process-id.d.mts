/** Returns `<host>~<pid>~<start>`. */
export function processId(pid?: number): string;

/** Returns a new name for an object that belongs to one process: `<host>~<pid>~<start>~<random>`. */
export function ownerName(pid?: number): string;

/** Returns the state of the process in a name that `ownerName` made; undefined for any other text. `elsewhere`: state unknown. */
export function stateOfOwner(name: string): 'alive' | 'gone' | 'elsewhere' | undefined;
