/** Plain arrays of numbers. */

export const wave = (size: number, rate = 1): number[] => Array.from({length: size}, (_, i) => Math.sin(1 + rate * i));

export const repeat = (count: number, x: number): number[] => new Array<number>(count).fill(x);
