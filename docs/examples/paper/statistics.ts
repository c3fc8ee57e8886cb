/** A straight line through points, by least squares. */
export interface Line {
  slope: number;
  intercept: number;
  /** Share of the variance of y that the line explains. */
  explained: number;
}

export function fitLine(points: ReadonlyArray<readonly [x: number, y: number]>): Line {
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const xx = mean(points.map(([x]) => (x - meanX) ** 2));
  const xy = mean(points.map(([x, y]) => (x - meanX) * (y - meanY)));
  const yy = mean(points.map(([, y]) => (y - meanY) ** 2));
  return {slope: xy / xx, intercept: meanY - xy / xx * meanX, explained: xy ** 2 / (xx * yy)};
}

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

export const geometricMean = (values: readonly number[]): number => Math.exp(mean(values.map(Math.log)));

/** NaN of nothing. */
export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
