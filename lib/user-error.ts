/** An error for the user at the terminal. Its message is one line, *Expected X, got Y*, with the action to take. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs work whose errors have messages for the user at the terminal. @throws UserError */
export async function asUserError<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? error : new UserError((error as Error).message);
  }
}
