/**
 * Characters of a received value that an error shows, at most. A saved file may hold values of any
 * length.
 */
const MOST = 100;

/**
 * A value as an error shows it: at most 100 characters, and only the kind of arrays, objects and
 * functions.
 */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : 'an object';
  }
  return typeof value === 'string' ? `'${shortened(value)}'` :
    typeof value === 'function' ? 'a function' : shortened(String(value));
}

/** A text, or its first 97 characters with dots. */
export const shortened = (text: string): string => text.length <= MOST ? text : `${text.slice(0, MOST - 3)}...`;
