/** What the terminal shows: progress while a run lasts, then a table. */
import {SingleBar} from 'cli-progress';
import type {Limits, Point, Run} from './train';

/** The training losses to which time and epochs are counted. */
export const TARGETS = [0.1, 0.03];

/** A progress bar in a terminal, a line at the end of each run elsewhere. */
export class Progress {
  private readonly bar = process.stdout.isTTY ? new SingleBar({
    stream: process.stdout,
    format: '{name} {bar} {value}/{total} epochs, {seconds} s, loss {loss}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
  }) : null;

  constructor(private readonly name: string, limits: Limits) {
    this.bar?.start(limits.epochs, 0, {name, seconds: '0.0', loss: '-'});
  }

  update({epoch, seconds, loss}: Point): void {
    this.bar?.update(epoch, {seconds: seconds.toFixed(1), loss: loss.toFixed(3)});
  }

  end({epoch, seconds, loss}: Point): void {
    if (this.bar !== null) {
      this.bar.stop();
    } else {
      console.log(`${this.name} ${epoch} epochs, ${seconds.toFixed(1)} s, loss ${loss.toFixed(3)}`);
    }
  }
}

/** The first point of a run at or below a loss. */
export function reached(run: Run, loss: number): Point | undefined {
  return run.points.find(point => point.loss <= loss);
}

/** A Markdown table, aligned. */
export function table(runs: Run[]): string {
  const header = ['optimizer', ...TARGETS.flatMap(target => [`epochs to ${target}`, `s to ${target}`]),
    'epochs', 'final loss', 'validation, MPa', 'ms per epoch'];
  const rows = runs.map(run => {
    const end = run.points.at(-1)!;
    const targets = TARGETS.flatMap(target => {
      const point = reached(run, target);
      return [point?.epoch.toFixed() ?? '-', point?.seconds.toFixed(2) ?? '-'];
    });
    return [run.contestant.name, ...targets, end.epoch.toFixed(), end.loss.toFixed(4), run.validationError.toFixed(2),
      (1000 * end.seconds / end.epoch).toFixed(0)];
  });
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map(row => row[column].length)));
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, column) => column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`).join('|')}|`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}
