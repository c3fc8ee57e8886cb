/**
 * Networks put together at random: layers of every family on vectors, sequences and images, shared layers, merges, several inputs and
 * heads.
 */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import {type Activation, applied, type Case, dense, setWeights} from '../cases/case';
import {type Data, integers, real} from '../cases/data';

/** One choice on the way through the network; what it means depends on the shape that it meets. */
export interface Gene {
  pick: number;
  size: number;
  activation: Activation;
  flag: boolean;
  same: boolean;
  regularized: boolean;
  frozen: boolean;
}

export interface Genome {
  inputs: ('vector' | 'sequence' | 'image' | 'tokens')[];
  /** By input. */
  stacks: Gene[][];
  merge: 'concatenate' | 'add' | 'multiply' | 'average' | 'maximum' | 'minimum';
  /** After the inputs have met. */
  trunk: Gene[];
  heads: number[];
  batchSize: number;
  seed: number;
}

const activation = fc.constantFrom<Activation>('linear', 'relu', 'elu', 'tanh', 'sigmoid', 'softplus', 'selu', 'softmax', 'swish', 'relu6', 'hardSigmoid', 'softsign');

/** False more often than true. */
const seldom = fc.nat(5).map(n => n === 5);

const gene: fc.Arbitrary<Gene> = fc.record({
  pick: fc.nat(99), size: fc.integer({min: 1, max: 3}), activation, flag: fc.boolean(), same: fc.boolean(), regularized: seldom, frozen: seldom});

export const genomes: fc.Arbitrary<Genome> = fc.array(fc.constantFrom('vector' as const, 'sequence' as const, 'image' as const, 'tokens' as const), {minLength: 1, maxLength: 2})
  .chain(inputs => fc.record({
    inputs: fc.constant(inputs),
    stacks: fc.tuple(...inputs.map(() => fc.array(gene, {maxLength: 3}))),
    merge: fc.constantFrom('concatenate' as const, 'add' as const, 'multiply' as const, 'average' as const, 'maximum' as const, 'minimum' as const),
    trunk: fc.array(gene, {maxLength: 2}),
    heads: fc.array(fc.integer({min: 1, max: 2}), {minLength: 1, maxLength: 2}),
    batchSize: fc.integer({min: 1, max: 4}),
    seed: fc.nat(1000)
  }));

const L = tf.layers;

type Step = (x: tf.SymbolicTensor, gene: Gene) => tf.SymbolicTensor;

const options = ({regularized, frozen}: Gene): object => ({
  ...(regularized ? {kernelRegularizer: tf.regularizers.l2({l2: 0.03}), biasRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.02})} : {}), trainable: !frozen});
const common = (gene: Gene): object => ({...options(gene), activation: gene.activation, useBias: gene.flag});
const padding = ({same}: Gene): 'same' | 'valid' => same ? 'same' : 'valid';
const sizes = (x: tf.SymbolicTensor): number[] => x.shape.slice(1) as number[];

/** The same layer twice: it must give back the shape that it takes. */
const twice = (make: (x: tf.SymbolicTensor, gene: Gene) => tf.layers.Layer): Step => (x, gene) => {
  const layer = make(x, gene);
  return applied(layer, applied(layer, x));
};

const channels = (x: tf.SymbolicTensor): number => x.shape[x.shape.length - 1]!;

/** For tensors of any rank. */
const anywhere: Step[] = [
  (x, gene) => applied(dense(gene.size, gene.activation, common(gene)), x),
  twice((x, gene) => dense(channels(x), gene.activation, common(gene))),
  (x, gene) => applied(L.activation({activation: gene.activation as 'linear'}), x),
  (x, gene) => applied(L.leakyReLU({alpha: 0.1 * gene.size}), x),
  (x, {frozen}) => applied(L.layerNormalization({trainable: !frozen}), x),
  (x, {flag, frozen}) => applied(L.prelu({trainable: !frozen, ...(flag && x.shape.length > 2 ? {sharedAxes: x.shape.slice(1, -1).map((_, i) => i + 1)} : {})}), x),
  (x, gene) => applied(L.add(), x, applied(dense(channels(x), gene.activation, common(gene)), x)),
  (x, gene) => applied(L.concatenate(), x, applied(dense(gene.size, gene.activation, common(gene)), x)),
  (x, gene) => applied(gene.flag ? L.multiply() : L.maximum(), applied(dense(gene.size, 'tanh'), x), applied(dense(gene.size, gene.activation, common(gene)), x)),
  (x, {size}) => applied(L.dropout({rate: 0.1 * size, seed: size}), x)
];

const onVectors: Step[] = [
  (x, {size}) => applied(L.repeatVector({n: size}), x),
  (x, {flag}) => channels(x) % 2 === 0 ? applied(L.reshape({targetShape: flag ? [2, channels(x) / 2] : [channels(x) / 2, 2]}), x) : x
];

/** With one time step alone tfjs stacks a tensor that is no list. */
const hasSteps = (x: tf.SymbolicTensor): boolean => sizes(x)[0] >= 2;

const recurrent: Step = (x, gene) => {
  if (!hasSteps(x)) {
    return x;
  }
  const kind = (['simpleRNN', 'lstm', 'gru'] as const)[gene.pick % 3];
  return applied(L[kind]({units: gene.size, returnSequences: gene.flag, goBackwards: gene.same, ...options(gene)}), x);
};

const onSequences: Step[] = [
  recurrent, recurrent,
  (x, gene) => !hasSteps(x) ? x : applied(L.bidirectional({layer: L[gene.flag ? 'gru' : 'lstm']({units: gene.size, returnSequences: gene.same}) as never, mergeMode: gene.pick % 2 === 0 ? 'concat' : 'mul'}), x),
  (x, gene) => applied(L.conv1d({filters: gene.size, kernelSize: 2, padding: 'same', strides: gene.same ? 2 : 1, ...common(gene)} as never), x),
  (x, gene) => sizes(x)[0] >= 3 ? applied(L.conv1d({filters: gene.size, kernelSize: 2, dilationRate: 2, padding: padding(gene), ...common(gene)} as never), x) : x,
  (x, gene) => hasSteps(x) ? applied(L[gene.flag ? 'maxPooling1d' : 'averagePooling1d']({poolSize: 2, strides: gene.size, padding: padding(gene)}), x) : x,
  x => applied(L.permute({dims: [2, 1]}), x),
  x => applied(L.flatten(), x),
  (x, {flag}) => applied(flag ? L.globalAveragePooling1d({}) : L.globalMaxPooling1d({}), x),
  (x, gene) => !hasSteps(x) ? x : applied(L.timeDistributed({layer: dense(gene.size, gene.activation, common(gene))}), x)
];

const hasRoom = (x: tf.SymbolicTensor, room: number): boolean => sizes(x)[0] >= room && sizes(x)[1] >= room;

const onImages: Step[] = [
  (x, gene) => hasRoom(x, 2) ? applied(L.conv2d({filters: gene.size, kernelSize: 2, padding: padding(gene), strides: 1 + gene.pick % 2, ...common(gene)} as never), x) : x,
  (x, gene) => hasRoom(x, 3) ? applied(L.conv2d({filters: gene.size, kernelSize: 2, dilationRate: 2, padding: padding(gene), ...common(gene)} as never), x) : x,
  twice((x, gene) => L.conv2d({filters: channels(x), kernelSize: 2, padding: 'same', ...common(gene)} as never)),
  (x, gene) => hasRoom(x, 2) ? applied(L.depthwiseConv2d({kernelSize: 2, depthMultiplier: gene.size, padding: padding(gene), activation: gene.activation, useBias: gene.flag} as never), x) : x,
  (x, gene) => hasRoom(x, 2) ? applied(L.separableConv2d({filters: gene.size, kernelSize: 2, padding: padding(gene), activation: gene.activation, useBias: gene.flag} as never), x) : x,
  (x, gene) => hasRoom(x, 4) ? x : applied(L.conv2dTranspose({filters: gene.size, kernelSize: 2, strides: 1 + gene.pick % 2, padding: padding(gene), ...common(gene)} as never), x),
  (x, gene) => hasRoom(x, 2) ? applied(L[gene.flag ? 'maxPooling2d' : 'averagePooling2d']({poolSize: 2, strides: [1, 2], padding: padding(gene)}), x) : x,
  (x, {flag}) => hasRoom(x, 4) ? x : applied(L.upSampling2d({size: [1, 2], interpolation: flag ? 'bilinear' : 'nearest'}), x),
  x => applied(L.zeroPadding2d({padding: [[0, 1], [1, 0]]}), x),
  x => applied(L.flatten(), x),
  (x, {flag}) => applied(flag ? L.globalAveragePooling2d({}) : L.globalMaxPooling2d({}), x)
];

const INPUTS: Record<Genome['inputs'][number], {shape: number[]; data: Data}> = {
  vector: {shape: [3], data: real(3)},
  sequence: {shape: [4, 2], data: real(4, 2)},
  image: {shape: [4, 3, 2], data: real(4, 3, 2)},
  tokens: {shape: [3], data: integers(5, 3)}
};

/** More entries than this per example are averaged away: the reference takes a sweep of the whole network for each row. */
const LARGE = 60;

function grow(x: tf.SymbolicTensor, genes: readonly Gene[]): tf.SymbolicTensor {
  for (const gene of genes) {
    const special = x.shape.length === 2 ? onVectors : x.shape.length === 3 ? onSequences : onImages;
    const steps = [...anywhere, ...special, ...x.shape.length === 2 ? [] : special];
    const next = steps[gene.pick % steps.length](x, gene);
    x = sizes(next).reduce((a, b) => a * b) > LARGE ? flattened(x) : next;
  }
  return x;
}

function flattened(x: tf.SymbolicTensor): tf.SymbolicTensor {
  const isLarge = sizes(x).reduce((a, b) => a * b) > LARGE / 4;
  return x.shape.length === 2 ? x : applied(!isLarge ? L.flatten() : x.shape.length === 3 ? L.globalAveragePooling1d({}) : L.globalAveragePooling2d({}), x);
}

export function networkOf(genome: Genome): tf.LayersModel {
  const inputs = genome.inputs.map(kind => tf.input({shape: INPUTS[kind].shape}));
  const towers = genome.inputs.map((kind, i) =>
    flattened(grow(kind === 'tokens' ? applied(L.embedding({inputDim: 5, outputDim: 2}), inputs[i]) : inputs[i], genome.stacks[i])));
  const isPlain = genome.merge === 'concatenate' || towers.length === 1;
  const met = isPlain ? towers : towers.map(tower => applied(dense(2, 'tanh'), tower));
  const trunk = flattened(grow(met.length === 1 ? met[0] : applied(L[genome.merge](), ...met), genome.trunk));
  const model = tf.model({inputs, outputs: genome.heads.map(size => applied(dense(size), trunk))});
  setWeights(model, `random ${genome.seed}`);
  return model;
}

/** A case of the table. */
export function caseOf(genome: Genome): Case {
  const {batchSize, heads, inputs, seed} = genome;
  return {
    name: 'random', layers: [], batchSize, kind: 'fast', backends: ['cpu', 'wasm'], loss: heads.map(() => 'meanSquaredError'),
    model: () => networkOf(genome),
    batch: (size = batchSize) => ({
      x: inputs.map((kind, i) => INPUTS[kind].data(`${seed} x${i}`, size)), y: heads.map((outputs, i) => real(outputs)(`${seed} y${i}`, size))})
  };
}

/** The layers of a network, one a line, with the options that are not tfjs's defaults. */
export function architecture(model: tf.LayersModel): string {
  return model.layers.map(layer => {
    const config = Object.entries(layer.getConfig()).filter(([key, value]) => value != null && !/initializer|constraint|name|dtype/i.test(key));
    return `${layer.name} ${JSON.stringify(layer.outputShape)} ${JSON.stringify(Object.fromEntries(config))}`;
  }).join('\n');
}
