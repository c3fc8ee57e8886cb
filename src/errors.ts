/** Every error of this package starts with its name, so that a user sees at once who speaks. */
export function ggnError(message: string): Error {
  return new Error(`tfjs-ggn: ${message}`);
}

const nonFinite = new WeakSet<Error>();

/** Marks an error that is about numbers that are not finite: where the optimizer itself has led there, it goes back. */
export function markNonFinite(error: Error): Error {
  nonFinite.add(error);
  return error;
}

export const isNonFinite = (error: unknown): boolean => error instanceof Error && nonFinite.has(error);
