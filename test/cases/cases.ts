/**
 * One table of models for every exactness test: small networks that between them use every layer of tfjs-layers, each with the options that
 * change which kernels consume its variables or how its activations flow.
 *
 * Models and batches are the same on each call and on each backend. No weight is left at a value such as zero or one that would hide an
 * error.
 */
import {activationCases} from './activations';
import type {Case} from './case';
import {convolutionCases} from './convolution';
import {customCases} from './custom';
import {denseCases} from './dense';
import {embeddingCases} from './embedding';
import {graphCases} from './graph';
import {imageCases} from './images';
import {normalisationCases} from './normalisation';
import {recurrentCases} from './recurrent';

export type {Backend, Batch, Case, LayerName} from './case';
export {brokenLayers} from './images';
export {disposeBatch, residualRows, rowWeights} from './rows';

export const cases: Case[] = [
  ...denseCases, ...activationCases, ...convolutionCases, ...imageCases, ...recurrentCases, ...embeddingCases, ...normalisationCases, ...graphCases, ...customCases
];
