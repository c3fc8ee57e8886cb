/** Puts another member in the place of one, made from it; the function that this gives puts the original back. */
export function replace<T extends object, K extends keyof T>(target: T, name: K, make: (original: T[K]) => T[K]): () => void {
  const original = target[name];
  const isOwn = Object.hasOwn(target, name);
  target[name] = make(original);
  return () => {
    if (isOwn) {
      target[name] = original;
    } else {
      delete (target as Partial<T>)[name];
    }
  };
}
