/** What webgl.test.ts runs in a page: the cases of the table by their names, and the facts that it rests on. */
import * as tf from '@tensorflow/tfjs';
import {cases} from '../cases';
import {type CaseResult, runCase} from '../support/whole_step';

export interface CasesPage {
  /** One case on the WebGL backend. */
  run(name: string): Promise<CaseResult>;
  backend(): Promise<{name: string; float32: boolean}>;
}

const page: CasesPage = {
  run: name => runCase(cases.find(c => c.name === name)!, 'webgl', backend => tf.setBackend(backend)),
  backend: async () => {
    await tf.setBackend('webgl');
    return {name: tf.getBackend(), float32: tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')};
  },
};

Object.assign(globalThis, {casesPage: page});
