/** What the terminal shows while a run lasts. */
import {SingleBar} from 'cli-progress';

/** A progress bar in a terminal, a line at the end of each run elsewhere. */
export class Progress {
  private readonly bar: SingleBar | null;
  private done = 0;
  private status = '';

  /** @param unit what is counted, as in 'epochs'. */
  constructor(private readonly name: string, total: number, private readonly unit: string) {
    this.bar = process.stdout.isTTY ? new SingleBar({
      stream: process.stdout,
      format: `{name} {bar} {value}/{total} ${unit}{status}`,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 30,
      hideCursor: true,
    }) : null;
    this.bar?.start(total, 0, {name, status: ''});
  }

  /** @param status the rest of the line, as in '0.3 s, loss 0.12'. */
  update(done: number, status: string): void {
    [this.done, this.status] = [done, `, ${status}`];
    this.bar?.update(done, {status: this.status});
  }

  end(): void {
    if (this.bar !== null) {
      this.bar.stop();
    } else {
      console.log(`${this.name} ${this.done} ${this.unit}${this.status}`);
    }
  }
}
