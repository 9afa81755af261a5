/** An error whose message is for the person at the terminal: one line, *Expected X, got Y*, and what to do. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
