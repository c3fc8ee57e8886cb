/** Characters of what was received that an error shows: a saved file may hold anything. */
const MOST = 100;

/** A value as an error shows it: by its kind where it has parts, at most 100 characters of it. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? `'${shortened(value)}'` : typeof value === 'object' && value !== null ?
      Array.isArray(value) ? 'an array' : 'an object' : typeof value === 'function' ? 'a function' : shortened(String(value));
}

/** A text, or its beginning. */
export const shortened = (text: string): string => text.length <= MOST ? text : `${text.slice(0, MOST - 3)}...`;
