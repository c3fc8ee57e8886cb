import {SingleBar} from 'cli-progress';

/** A progress bar in a terminal, a line at the end of each run elsewhere. */
export class Progress {
  private text = '';
  private readonly bar = process.stdout.isTTY ? new SingleBar({
    stream: process.stdout,
    format: '{name} {bar} {value}/{total} {unit}{text}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
  }) : null;

  constructor(private readonly name: string, private readonly total: number, private readonly unit: string) {
    this.bar?.start(total, 0, {name, unit, text: ''});
  }

  update(value: number, text = ''): void {
    this.text = text === '' ? '' : `, ${text}`;
    this.bar?.update(value, {text: this.text});
  }

  end(): void {
    if (this.bar !== null) {
      this.bar.stop();
    } else {
      console.log(`${this.name} ${this.total} ${this.unit}${this.text}`);
    }
  }
}
