import type {IdleLayer} from '../step/model/layer_units';
import type {StepReport} from '../step/step_report';

/** The warnings of one optimizer on the console. Each kind of warning is given once. */
export class Warnings {
  private readonly given = new Set<string>();

  notTaken(status: StepReport['status']): void {
    this.once('not taken', `a step was not taken (status '${status}', see optimizer.lastStep). The weights are ` +
        'unchanged. Further steps that are not taken are only reported there.');
  }

  idle({kernel, share}: IdleLayer): void {
    this.once('idle', `the layer with the kernel '${kernel}' hardly learns: ${Math.floor(100 * share)} % of its ` +
        'gradients are 0, since its units, or those behind it, are saturated or dead. The training may rest at the ' +
        'mean of the targets. Normalise the inputs (mean 0, deviation 1), or make the initial weights smaller.');
  }

  unbounded(): void {
    this.once('unbounded', "the loss has no lower bound (curvature 'unbounded', see optimizer.lastStep): a " +
        'cross-entropy has negative weights or targets outside [0, 1], or a term falls without end in the outputs. ' +
        'Its steps are bounded; the loss falls as long as the same batch is repeated. Check weights, targets and ' +
        'signs, or take few steps on each batch, as policy gradients do.');
  }

  private once(kind: string, message: string): void {
    if (!this.given.has(kind)) {
      this.given.add(kind);
      console.warn(`tfjs-ggn: ${message}`);
    }
  }
}
