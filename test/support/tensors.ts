/** Tensors of the tests, made from seeds, and the numbers of tensors. */
import * as tf from '@tensorflow/tfjs';

/** Standard normal numbers. */
export function noise(shape: [number, number], seed: number): tf.Tensor2D;
export function noise(shape: number[], seed: number): tf.Tensor;
export function noise(shape: number[], seed: number): tf.Tensor {
  return tf.randomNormal(shape, 0, 1, 'float32', seed);
}

/** A variable of normal numbers. */
export function variable(shape: [number, number], seed: number, stddev?: number): tf.Variable<tf.Rank.R2>;
export function variable(shape: number[], seed: number, stddev?: number): tf.Variable;
export function variable(shape: number[], seed: number, stddev = 0.7): tf.Variable {
  return tf.variable(tf.randomNormal(shape, 0, stddev, 'float32', seed));
}

/** All numbers of some tensors, one tensor after the other. */
export const numbersOf = (tensors: readonly tf.Tensor[]): number[] => tensors.flatMap(tensor => [...tensor.dataSync()]);

/** `numbersOf` in float64. */
export const flat = (tensors: readonly tf.Tensor[]): Float64Array => Float64Array.from(numbersOf(tensors));

/** `tf.tidy` of a function that may return anything; only tensors in plain arrays and objects outlive it. */
export const within = <T>(f: () => T): T => tf.tidy(f as () => any);
