/** The tasks of the benchmark: table, network, loss, and how long the optimizers may train. */
import type {NodeBackend} from '../../support/backends';
import {friedman, mackeyGlass, readExamples, rotated, shuffled, sinc, spirals} from './examples';
import type {Example, Random} from './examples';
import {EXP_POISSON, GAUSSIAN, LAPLACE, SOFTPLUS_POISSON, SQUARED} from './losses';
import type {TaskLoss} from './losses';

/** Sizes of the batches; 'full' is all training rows. */
export type Batch = 32 | 64 | 128 | 'full';
export const BATCHES: readonly Batch[] = [32, 64, 128, 'full'];

/** 'raw' tables are trained on as they are; the inputs of all others are standardised. */
export type Group = 'squared' | 'raw' | 'counts' | 'spread';

export type Network =
  | {readonly kind: 'dense'; readonly hidden: number; readonly activation: 'tanh' | 'relu'}
  | {readonly kind: 'cnn' | 'lstm'};

export interface Task {
  readonly name: string;
  readonly group: Group;
  /** Judged, not chosen on: trained only by `--judged`, once, when the defaults are chosen. */
  readonly judged: boolean;
  readonly loss: TaskLoss;
  readonly network: Network;
  /** WASM, but where tfjs cannot train there. */
  readonly backend: NodeBackend;
  /** Shape of the input of one example, for those that are no rows of a table. */
  readonly shape: readonly number[] | null;
  readonly batches: readonly Batch[];
  /** Steps of a run over those of `STEPS`. */
  readonly length: number;
  /** All examples, in the order in which training, validation and test rows are taken. */
  examples(random: Random): Example[];
}

/** Steps of every run of an optimizer. A step of ggn on the full batch is dear. */
export const STEPS: Readonly<Record<Batch, {readonly adam: number; readonly ggn: number}>> = {
  32: {adam: 1500, ggn: 500}, 64: {adam: 1000, ggn: 350}, 128: {adam: 600, ggn: 250}, full: {adam: 500, ggn: 40},
};

const dense = (hidden: number, activation: 'tanh' | 'relu'): Network => ({kind: 'dense', hidden, activation});

const [RELU, TANH, WIDE_RELU, WIDE_TANH] = [dense(32, 'relu'), dense(32, 'tanh'), dense(64, 'relu'), dense(64, 'tanh')];

const file = (path: string) => (random: Random): Example[] => shuffled(readExamples(path), random);

const CONCRETE = '../../../docs/examples/concrete/data/concrete.csv';
const DIGITS = '../../../docs/examples/digits/data/digits.csv.gz';

/** Tables above 60 kB are compressed. */
const COMPRESSED = new Set(['ames', 'bikes', 'checks', 'deliveries', 'diamonds', 'faithful', 'flights', 'humidity',
  'meats', 'randhie', 'redwine']);

type Settings = Partial<Omit<Task, 'name' | 'group' | 'network'>>;

const task = (name: string, group: Group, network: Network, settings: Settings = {}): Task => {
  const table = name.split('-')[0];
  const path = `data/${table}.csv${COMPRESSED.has(table) ? '.gz' : ''}`;
  return {name, group, network, judged: false, loss: SQUARED, backend: 'wasm', shape: null, length: 1,
    batches: BATCHES, examples: file(path), ...settings};
};

/** Steps on full batches are dear, since every example has two outputs. */
const spread = (name: string, network: Network, loss: TaskLoss, settings: Settings = {}): Task =>
  task(name, 'spread', network, {loss, length: 0.6, ...settings});

const judged = (name: string, group: Group, network: Network, loss: TaskLoss = SQUARED): Task =>
  task(name, group, network, {judged: true, loss});

/**
 * The defaults are chosen on those that are not judged. Groups and parts were named before any
 * tuning.
 */
export const TASKS: readonly Task[] = [
  task('concrete', 'squared', WIDE_TANH, {examples: file(CONCRETE)}),
  task('concrete-relu', 'squared', WIDE_RELU, {examples: file(CONCRETE)}),
  task('diabetes', 'squared', TANH),
  task('digits', 'squared', WIDE_RELU, {examples: file(DIGITS)}),
  task('spirals', 'squared', TANH, {examples: random => spirals(1000, random), length: 1.5}),
  task('sinc', 'squared', TANH, {examples: random => sinc(1000, random), length: 1.5}),
  task('friedman', 'squared', RELU, {examples: random => friedman(1000, random)}),
  task('rotated', 'squared', {kind: 'cnn'}, {
    examples: random => rotated(shuffled(readExamples(DIGITS), random).slice(0, 1000), random),
    backend: 'tensorflow', shape: [8, 8, 1], batches: [32, 'full'], length: 0.2}),
  task('series', 'squared', {kind: 'lstm'}, {
    examples: random => mackeyGlass(1000, 10, random), shape: [10, 1], batches: [32, 'full'],
    length: 0.2}),
  task('airfoil', 'squared', WIDE_RELU),
  task('airfoil-tanh', 'squared', WIDE_TANH),
  task('biomass', 'squared', TANH),
  task('humidity', 'squared', RELU),
  task('penguins', 'squared', TANH),
  task('sza', 'squared', RELU),
  task('ames', 'raw', WIDE_RELU),
  task('cpus', 'raw', RELU),
  task('sacramento', 'raw', RELU),
  task('randhie', 'counts', RELU, {loss: SOFTPLUS_POISSON}),
  task('randhie-exp', 'counts', TANH, {loss: EXP_POISSON}),
  spread('checks', TANH, GAUSSIAN),
  spread('checks-laplace', RELU, LAPLACE),
  spread('flights', RELU, GAUSSIAN),
  spread('flights-laplace', TANH, LAPLACE),

  judged('autompg', 'squared', TANH),
  judged('faithful', 'squared', RELU),
  judged('meats', 'squared', TANH),
  judged('redwine', 'squared', RELU),
  judged('yield', 'squared', TANH),
  judged('carprices', 'raw', RELU),
  judged('diamonds', 'raw', WIDE_RELU),
  judged('bikes', 'counts', RELU, EXP_POISSON),
  judged('solder', 'counts', TANH, SOFTPLUS_POISSON),
  spread('deliveries', TANH, GAUSSIAN, {judged: true}),
  spread('deliveries-laplace', RELU, LAPLACE, {judged: true}),
];

/** Of `--quick`: one or two of each group. */
export const QUICK: readonly string[] = ['concrete', 'diabetes', 'airfoil', 'sacramento', 'randhie', 'checks'];

export function taskNamed(name: string): Task {
  const found = TASKS.find(candidate => candidate.name === name);
  if (found === undefined) {
    throw new Error(`unknown task '${name}'; known are ${TASKS.map(({name}) => name).join(', ')}`);
  }
  return found;
}
