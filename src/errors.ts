/** Every error of this package starts with its name, so that a user sees at once who speaks. */
export function ggnError(message: string): Error {
  return new Error(`tfjs-ggn: ${message}`);
}
