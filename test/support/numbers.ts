/** Numbers and plain arrays of them. */

export const wave = (size: number, rate = 1): number[] => Array.from({length: size}, (_, i) => Math.sin(1 + rate * i));

export const repeat = (count: number, x: number): number[] => new Array<number>(count).fill(x);

/** Whether a is b but for a relative error of 1e-5. */
export const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-5 * Math.abs(b);

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** log(1 + eˣ), without an overflow. */
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
