/** The figures of a network on the three parts of a split, from its outputs, in plain numbers. */
import {PARTS} from './data';
import type {Data, Part, PartName} from './data';
import type {TaskLoss} from './losses';

export type Figures = Readonly<Record<PartName, number>>;

/** Figures are between these, so that curves have logarithms. */
const [SMALLEST, LARGEST] = [1e-12, 1e9];

/**
 * The best constant prediction of the training targets has figure 1 of squared errors and of
 * counts.
 */
export function ofConstant(loss: TaskLoss, {y}: Part): number {
  const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
  const outputs = loss.linear(loss.link === 'log' ? Math.log(mean) : mean, {square: 1, absolute: 1});
  return meanOf(loss, y, () => outputs);
}

/**
 * From the outputs of all rows of the parts, one part after the other. Not a number if one is none.
 */
export function figuresOf(loss: TaskLoss, data: Data, outputs: ArrayLike<number>, constant: number): Figures {
  let from = 0;
  const entries = PARTS.map(name => {
    const {y} = data[name];
    const start = from;
    from += y.length;
    const outputsOf = (i: number): number[] =>
      Array.from({length: loss.outputs}, (_, c) => outputs[(start + i) * loss.outputs + c]);
    const mean = meanOf(loss, y, outputsOf);
    return [name, Math.max(SMALLEST, Math.min(LARGEST, loss.figure(mean, constant)))];
  });
  return Object.fromEntries(entries) as unknown as Figures;
}

export function meanOf(loss: TaskLoss, y: readonly number[], outputs: (i: number) => number[]): number {
  return y.reduce((sum, target, i) => sum + loss.value(outputs(i), target), 0) / y.length;
}
