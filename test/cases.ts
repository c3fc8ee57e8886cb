/**
 * One table of models for every exactness test: small networks that between them use every layer of tfjs-layers, each with the options that change
 * which kernels consume its variables or how its activations flow.
 *
 * Models and batches are the same on each call and on each backend. No weight is left at a value such as zero or one that would hide an error.
 */
import {activationCases} from './cases/activations';
import type {Case} from './cases/case';
import {convolutionCases} from './cases/convolution';
import {customCases} from './cases/custom';
import {denseCases} from './cases/dense';
import {embeddingCases} from './cases/embedding';
import {graphCases} from './cases/graph';
import {imageCases} from './cases/images';
import {normalisationCases} from './cases/normalisation';
import {recurrentCases} from './cases/recurrent';

export type {Backend, Batch, Case, LayerName} from './cases/case';
export {brokenLayers} from './cases/images';
export {disposeBatch, residualRows, rowWeights, variablesOf} from './cases/rows';

export const cases: Case[] = [
  ...denseCases, ...activationCases, ...convolutionCases, ...imageCases, ...recurrentCases, ...embeddingCases, ...normalisationCases, ...graphCases, ...customCases
];
