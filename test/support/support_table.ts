/** The support table as Markdown: a row for each layer, and further rows for the cases of a layer that fare otherwise. */
import type {Backend, Case, LayerName} from '../cases/cases';
import type {Outcome} from './outcome';

export const BACKENDS: readonly Backend[] = ['cpu', 'wasm', 'webgl', 'tensorflow'];

const TITLES: Record<Backend, string> = {cpu: 'cpu', wasm: 'wasm', webgl: 'webgl', tensorflow: 'tfjs-node'};

/** By the name of the case, then by backend. */
export type Outcomes = Record<string, {[backend in Backend]?: Outcome}>;

const WORDS: Record<Outcome['ggn'], string> = {
  fast: 'exact, fast', fallback: 'exact, fallback', frozen: 'exact gradient, frozen statistics', refused: 'refused', wrong: '**wrong**'
};

/** tfjs computes the output wrongly, or has no kernel for it: there is nothing to train. */
const CANNOT = 'tfjs cannot run it';

/** Cases that fare alike on every backend where they were tested. */
interface Row {
  cases: Case[];
  cells: {[backend in Backend]?: {ggn: string; tfjs: string}};
}

function rowsOf(cases: readonly Case[], outcomes: Outcomes): Row[] {
  const rows: Row[] = [];
  for (const c of cases) {
    const cells: Row['cells'] = {};
    for (const backend of BACKENDS) {
      const outcome = outcomes[c.name]?.[backend];
      if (!c.backends.includes(backend)) {
        cells[backend] = {ggn: CANNOT, tfjs: 'no'};
      } else if (outcome !== undefined) {
        cells[backend] = {ggn: WORDS[outcome.ggn], tfjs: outcome.tfjs};
      }
    }
    const row = rows.find(other => BACKENDS.every(b =>
      cells[b] === undefined || other.cells[b] === undefined || (cells[b].ggn === other.cells[b].ggn && cells[b].tfjs === other.cells[b].tfjs)));
    if (row === undefined) {
      rows.push({cases: [c], cells});
    } else {
      row.cases.push(c);
      row.cells = {...row.cells, ...cells};
    }
  }
  return rows.sort((a, b) => b.cases.length - a.cases.length);
}

function line(title: string, {cells}: Row): string {
  return `| ${[title, ...BACKENDS.map(b => cells[b]?.ggn ?? 'not tested'), tfjsCell(cells)].join(' | ')} |`;
}

/** 'yes' if every backend says so; otherwise the backends by their entries. */
function tfjsCell(cells: Row['cells']): string {
  const by = new Map<string, string[]>();
  for (const b of BACKENDS) {
    if (cells[b] !== undefined) {
      by.set(cells[b].tfjs, [...by.get(cells[b].tfjs) ?? [], TITLES[b]]);
    }
  }
  return by.size === 1 ? [...by.keys()][0] : [...by].map(([says, backends]) => `${backends.join(', ')}: ${says}`).join('; ');
}

/** The rows of one subject: the largest is the rule, the others name their cases. */
function section(subject: string, cases: readonly Case[], outcomes: Outcomes): string[] {
  const rows = rowsOf(cases, outcomes);
  const featureOf = (row: Row): string | undefined => row.cases.every(c => c.feature === row.cases[0].feature) ? row.cases[0].feature : undefined;
  return rows.map((row, i) => {
    const feature = featureOf(row);
    const names = row.cases.map(c => c.name.replace(`${subject.replaceAll('`', '')}: `, '')).join('; ');
    const isTold = feature !== undefined && feature !== subject && rows.every(other => other === row || featureOf(other) !== feature);
    return line(i === 0 ? subject : `${subject}: ${isTold ? feature : names}`, row);
  });
}

/** @param broken layers that tfjs cannot run inside a model. */
export function supportTable(cases: readonly Case[], broken: readonly LayerName[], outcomes: Outcomes, tfjs: string): string {
  const head = (first: string): string[] => [
    `| ${[first, ...BACKENDS.map(b => TITLES[b]), "tfjs's own optimizers"].join(' | ')} |`, `|${' --- |'.repeat(BACKENDS.length + 2)}`];
  const layers = [...new Set([...cases.flatMap(c => c.layers), ...broken])].sort((a, b) => a.toLowerCase() < b.toLowerCase() ? -1 : 1);
  const features = [...new Set(cases.flatMap(c => c.feature ?? []))].sort();
  const text = [
    '# What can be trained',
    '',
    `Made by the tests (\`npm run support\`), with TensorFlow.js ${tfjs}: whole steps of ${cases.length} small networks, compared with dense float64 algebra on every backend.`,
    '',
    '- *exact, fast*: the step is the Gram-Gauss-Newton step, and every variable has a rule for its part of the Jacobian.',
    '- *exact, fallback*: the same step; the part of some variable is taken example by example, which costs more.',
    "- *exact gradient, frozen statistics*: the layer mixes the examples of a batch. The gradient is the loss's own; the curvature holds the statistics of the batch constant.",
    '- *refused*: an error says why, and the weights are unchanged.',
    `- *${CANNOT}*: a kernel of TensorFlow.js is missing there, or its output is wrong.`,
    '',
    'tfjs-node is tested with the oneDNN kernels of TensorFlow (`TF_ENABLE_ONEDNN_OPTS=1`), which it takes by itself on newer CPUs only; without them it cannot run dilated',
    'Conv3D and dilated separable convolutions at all.',
    '',
    "The last column is what `tf.train.adam` and the other optimizers of TensorFlow.js can do with the same networks: the name is of the kernel or gradient that is missing.",
    '',
    '## Layers',
    '',
    ...head('`tf.layers.`'),
    ...layers.flatMap(layer => broken.includes(layer) ?
      [`| ${[`\`${layer}\``, ...BACKENDS.map(() => 'tfjs cannot run it in a model'), 'no'].join(' | ')} |`] :
      section(`\`${layer}\``, cases.filter(c => c.layers.includes(layer)), outcomes)),
    '',
    '## Beside layers',
    '',
    ...head('feature'),
    ...features.flatMap(feature => section(feature, cases.filter(c => c.feature === feature), outcomes)),
    ''
  ];
  return text.join('\n');
}
