import {kernelsWith} from './kernel_facts';
import type {BatchPassing, Fact} from './kernel_fact';

/** The kernels of which a fact holds, each set made once; `Fact` explains the facts. */
const that = (fact: Fact): ReadonlySet<string> => kernelsWith(({facts}) => facts.includes(fact));

/** The kernels that the axis of the examples passes by a rule. */
const passing = (rule: BatchPassing): ReadonlySet<string> => kernelsWith(({batch}) => batch === rule);

export const AFFINE = that('affine');
export const BOUND_TO_BATCH = that('boundToBatch');
export const CONSTANT = that('constant');
export const ENTRYWISE = that('entrywise');
export const DIFFERENCES = that('difference');
export const EXACT = that('exact');
export const KEEPS_RELATIVE_ERROR = that('keepsRelativeError');
export const MAGNITUDES = that('magnitude');
export const MATRIX_PRODUCTS = that('matrixProduct');
export const MEANS = that('mean');
export const MONOTONE = that('monotone');
export const PRODUCTS = that('product');
export const RANDOM = that('random');
export const RESHAPES = that('reshape');
export const SAME_ENTRIES = that('sameEntries');
export const SELECTIONS = that('selection');
export const SHAPE_ONLY = that('shapeOnly');
export const SHIFTS = that('shift');
export const SLOPES = that('slope');
export const SUMS = that('sum');
export const TAME = that('tame');
export const UNBROADCAST = that('unbroadcast');
export const WITH_INDICES = that('withIndices');

/** Kernels that treat the entries of the leading axis one by one. */
export const BY_LEADING_ENTRY = passing('leading');
export const GATHERS = passing('gather');
export const REDUCTIONS = passing('reduction');

export const CONVOLUTIONS = kernelsWith(({convolution}) => convolution !== undefined);
/** Pooling by the largest entry of each window. */
export const MAXIMA_OF_WINDOWS = kernelsWith(({extremum}) => extremum === 'windows');
/** The largest or the smallest entry along axes. */
export const EXTREMA_ALONG_AXES = kernelsWith(({extremum}) => typeof extremum === 'object');
