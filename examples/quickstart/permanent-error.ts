/** An error that no further attempt can mend: ForgeQ sees the mark and ends the job `dead` at once. */
export const permanentError = (message: string, cause?: unknown): Error =>
  Object.assign(new Error(message, { cause }), { [Symbol.for('forgeq.handler_signal')]: { kind: 'non_retryable' } })
