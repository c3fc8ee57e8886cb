/** The command line of an example: its options, --help, and what is said about a wrong one. */
import {parseArgs} from 'node:util';

/** What was given, by name of the option. */
export type Given<Name extends string> = Partial<Record<Name, string>>;

/**
 * Runs an example with the options of the command line; `--help` shows the text instead, an error of `read` stands above it.
 *
 * @param names the options, each with a value; any other is refused.
 * @param read from text to options; throws where one is wrong.
 */
export async function runExample<Name extends string, Options>(help: string, names: readonly Name[], read: (given: Given<Name>) => Options,
    run: (options: Options) => Promise<void>): Promise<void> {
  let options: Options;
  try {
    const text = Object.fromEntries(names.map(name => [name, {type: 'string'} as const]));
    const {values} = parseArgs({options: {...text, help: {type: 'boolean'}}});
    if (values.help === true) {
      console.log(help);
      return;
    }
    options = read(values as Given<Name>);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    process.exitCode = 1;
    return;
  }
  await run(options);
}

export function wholeNumber(option: string, given: string | undefined, fallback: number, least: number): number {
  const value = given === undefined ? fallback : Number(given.trim() || NaN);
  if (!Number.isInteger(value) || value < least) {
    throw new Error(`--${option} must be a whole number, at least ${least}; received '${given}'.`);
  }
  return value;
}

/** One of a few words, the first of them by default. */
export function oneOf<Word extends string>(option: string, given: string | undefined, words: readonly Word[]): Word {
  const word = given ?? words[0];
  if (!words.includes(word as Word)) {
    throw new Error(`--${option} must be ${words.join(' or ')}; received '${word}'.`);
  }
  return word as Word;
}
