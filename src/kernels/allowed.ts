let areAllowed = true;

/** Whether kernels of our own may run now. */
export const mayRunKernels = (): boolean => areAllowed;

/** Runs f with kernels of our own if they are allowed here and by all callers. */
export function withKernels<T>(allowed: boolean, f: () => T): T {
  const before = areAllowed;
  areAllowed = before && allowed;
  try {
    return f();
  } finally {
    areAllowed = before;
  }
}
