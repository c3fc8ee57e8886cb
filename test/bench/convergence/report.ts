/** Compares runs of ggn with the kept ones of Adam, and writes RESULTS.md and its figures. */
import {writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {keptBaselines, USUAL, wholeSplits} from './baselines';
import {compare, inEpochs} from './comparison';
import type {Sides} from './comparison';
import {batchesOf, epochsOf} from './data';
import {floorOf} from './floor';
import {plot} from './plot';
import type {Row} from './plot';
import {readLines, runOf} from './runs';
import type {Run} from './runs';
import type {Compared} from './summary';
import {results} from './table';
import {BATCHES, TASKS} from './tasks';
import type {Batch, Task} from './tasks';
import {inSeconds, isTimed} from './times';
import type {Times} from './times';

/** Tasks of which a figure is drawn. */
const DRAWN: readonly string[] = ['concrete', 'diabetes'];

/** By epochs, and by seconds where there are times. Null where no split has all runs of Adam. */
export function comparedOf(task: Task, batch: Batch, adam: readonly Run[], ggn: readonly Run[],
    times: Times | null): Compared | null {
  const own = adam.filter(run => run.batch === batch);
  const whole = wholeSplits(own, ggn.map(({split}) => split));
  if (whole.length === 0) {
    return null;
  }
  const sides: Sides = {
    task: task.name, group: task.group, batch, adam: own.filter(({split}) => whole.includes(split)),
    ggn: ggn.filter(run => run.batch === batch && whole.includes(run.split)), usual: USUAL,
    floor: split => floorOf(task, split),
  };
  return {pair: compare(sides, inEpochs),
    seconds: isTimed(times, task, batch) ? compare(sides, inSeconds(times, task.name)) : null};
}

/** The kept runs of ggn that the definition of the task still describes. */
const keptGgn = (task: Task, batch: Batch): Run[] =>
  readLines('ggn', task.name)
      .filter(line => line.batch === batch && line.epochs === epochsOf(task, batch, 'ggn')).map(runOf);

export async function writeReport(splits: readonly number[], times: Times | null): Promise<void> {
  const found: {task: Task; compared: Compared}[] = [];
  const missing: string[] = [];
  const rows = new Map<string, Row[]>();
  for (const task of TASKS) {
    const adam = keptBaselines(task, BATCHES, splits);
    const batches = batchesOf(task, BATCHES);
    const without: Batch[] = [];
    for (const batch of batches) {
      const ggn = keptGgn(task, batch).filter(({split}) => splits.includes(split));
      const compared = ggn.length === 0 ? null : comparedOf(task, batch, adam, ggn, times);
      if (compared === null) {
        without.push(batch);
        continue;
      }
      found.push({task, compared});
      rows.set(task.name, [...rows.get(task.name) ?? [], {batch, adam: adam.filter(run => run.batch === batch), ggn}]);
    }
    if (without.length > 0 && !task.judged) {
      missing.push(without.length === batches.length ? task.name : `${task.name} (${without.join(', ')})`);
    }
  }
  const figures: string[] = [];
  for (const name of DRAWN.filter(drawn => rows.has(drawn))) {
    figures.push(`${name}.png`);
    await plot(`${name}.png`, `${name}: losses over epochs`, rows.get(name)!);
  }
  const of = (judged: boolean): Compared[] =>
    found.filter(({task}) => task.judged === judged).map(({compared}) => compared);
  const page = {chosen: of(false), judged: of(true), missing, machine: times?.machine ?? null, figures};
  writeFileSync(fileURLToPath(new URL('RESULTS.md', import.meta.url)), results(page));
}
