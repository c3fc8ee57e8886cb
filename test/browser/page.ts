/** What webgl.test.ts runs in a page: the cases of the table by their names, and the facts that it rests on. */
import * as tf from '@tensorflow/tfjs';
import {type Case, cases} from '../cases';
import {type Outcome, outcomeOf} from '../support/outcome';
import {type CaseResult, runCase} from '../support/whole_step';

export interface CasesPage {
  /** One case on the WebGL backend. */
  run(name: string): Promise<CaseResult>;
  /** The same for the support table. */
  outcome(name: string): Promise<Outcome>;
  backend(): Promise<{name: string; float32: boolean}>;
}

const find = (name: string): Case => cases.find(c => c.name === name)!;

const page: CasesPage = {
  run: name => runCase(find(name), 'webgl', backend => tf.setBackend(backend)),
  outcome: name => outcomeOf(find(name), 'webgl', backend => tf.setBackend(backend)),
  backend: async () => {
    await tf.setBackend('webgl');
    return {name: tf.getBackend(), float32: tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')};
  },
};

Object.assign(globalThis, {casesPage: page});
