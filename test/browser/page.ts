/** The page of webgl.test.ts: it runs cases and losses of the tables by their names, and reads the facts on which the test rests. */
import * as tf from '@tensorflow/tfjs';
import {type Case, cases} from '../cases/cases';
import {lossSteps, lossStepsOfSolvers, runLoss} from '../losses/loss_steps';
import {type Outcome, outcomeOf} from '../support/outcome';
import {type CaseResult, runCase} from '../support/whole_step';

export interface CasesPage {
  /** One case on the WebGL backend. */
  run(name: string): Promise<CaseResult>;
  /** The faults of the step of a loss on the WebGL backend. */
  loss(name: string): Promise<string[]>;
  /** The outcome of a case, for the support table. */
  outcome(name: string): Promise<Outcome>;
  backend(): Promise<{name: string; float32: boolean}>;
}

const find = (name: string): Case => cases.find(c => c.name === name)!;

const use = (backend: string): Promise<boolean> => tf.setBackend(backend);

const page: CasesPage = {
  run: name => runCase(find(name), 'webgl', use),
  loss: name => runLoss([...lossSteps, ...lossStepsOfSolvers].find(step => step.name === name)!, 'webgl', use),
  outcome: name => outcomeOf(find(name), 'webgl', use),
  backend: async () => {
    await tf.setBackend('webgl');
    return {name: tf.getBackend(), float32: tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')};
  },
};

Object.assign(globalThis, {casesPage: page});
