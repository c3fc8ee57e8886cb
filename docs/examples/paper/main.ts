/** `npm run example:paper -- <experiment>`: what the paper claims, as experiments. See README.md. */
import {cost} from './cost';
import {curves} from './curves';
import {readOptions} from './experiment';
import type {Experiment} from './experiment';
import {minibatch} from './minibatch';
import {quadratic} from './quadratic';

const EXPERIMENTS: Record<string, Experiment> = {quadratic, minibatch, curves, cost};

const rows = (pairs: string[][]): string => pairs.map(([left, right]) => `  ${left.padEnd(14)}${right}`).join('\n');

const GENERAL = `Usage: npm run example:paper -- <experiment> [options]

The claims of arXiv 1905.11675 as experiments. Each prints a table and writes a plot.

${rows(Object.entries(EXPERIMENTS).map(([name, {summary}]) => [name, summary]))}

<experiment> --help lists its options.`;

const help = (name: string): string => `Usage: npm run example:paper -- ${name} [options]

${EXPERIMENTS[name].summary}

${rows(EXPERIMENTS[name].options.map(option => [`--${option.name}`, `${option.help} (default: ${option.value || 'none'})`]))}
${rows([['--help', 'this text']])}`;

/** The options of an experiment; null where there is nothing to run but a text to show. */
function read(name: string, args: string[]): Record<string, string> | null {
  if (!Object.hasOwn(EXPERIMENTS, name)) {
    console.log(GENERAL);
    process.exitCode = name === '--help' ? 0 : 1;
    return null;
  }
  if (args.includes('--help')) {
    console.log(help(name));
    return null;
  }
  try {
    return readOptions(args, EXPERIMENTS[name].options);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help(name)}`);
    process.exitCode = 1;
    return null;
  }
}

const [name = '--help', ...args] = process.argv.slice(2);
const options = read(name, args);
if (options !== null) {
  await EXPERIMENTS[name].run(options);
}
