/**
 * An error of this package. Its message begins with the name of the package, so that a user sees
 * its origin.
 */
export function ggnError(message: string): Error {
  return new Error(`tfjs-ggn: ${message}`);
}

/** Errors about numbers that are not finite. */
const nonFinite = new WeakSet<Error>();

/**
 * Marks an error about numbers that are not finite. If steps of the optimizer led to these numbers,
 * it goes back.
 */
export function markNonFinite(error: Error): Error {
  nonFinite.add(error);
  return error;
}

/** Errors of rows that no reading of the batch axis gives. */
const unread = new WeakSet<Error>();

/** Marks an error of rows that no reading of the batch axis gives. Products may be possible. */
export function markUnread(error: Error): Error {
  unread.add(error);
  return error;
}

export const isUnread = (error: unknown): boolean => error instanceof Error && unread.has(error);

export const isNonFinite = (error: unknown): boolean => error instanceof Error && nonFinite.has(error);
