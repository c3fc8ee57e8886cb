/** Frames that tfjs waits for, counted: imported before tfjs, which looks for `requestAnimationFrame` once, as it loads. */
let count = 0;

globalThis.requestAnimationFrame = call => {
  count++;
  setImmediate(() => call(0));
  return 0;
};

export const framesSoFar = (): number => count;
