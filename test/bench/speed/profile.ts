/** A CPU profile of something that runs in this process. */
import {Session} from 'node:inspector/promises';
import type {Profiler} from 'node:inspector';

export interface Hot {
  readonly name: string;
  /** Milliseconds in the function itself. */
  readonly self: number;
}

/** Functions by their own time, the hottest first. Times between samples belong to the function on top of the stack. */
export function hottest({nodes, samples = [], timeDeltas = []}: Profiler.Profile, most: number): Hot[] {
  const names = new Map(nodes.map(({id, callFrame: {functionName, url, lineNumber}}) => [id,
    `${functionName || '(anonymous)'}${url === '' ? '' : ` ${url.split('/').at(-1)}:${lineNumber + 1}`}`]));
  const self = new Map<string, number>();
  samples.forEach((id, i) => {
    const name = names.get(id)!;
    self.set(name, (self.get(name) ?? 0) + timeDeltas[i] / 1000);
  });
  return [...self].map(([name, time]) => ({name, self: time})).sort((a, b) => b.self - a.self).slice(0, most);
}

const MICROSECONDS_BETWEEN_SAMPLES = 200;

export async function profiled(run: () => Promise<unknown>): Promise<Profiler.Profile> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', {interval: MICROSECONDS_BETWEEN_SAMPLES});
  await session.post('Profiler.start');
  await run();
  const {profile} = await session.post('Profiler.stop');
  session.disconnect();
  return profile;
}
