import type {Plan} from './plan';

/** Traces remembered: a model's full batch, its smaller last batch, and the same for a few other models. */
const CAPACITY = 16;

/** Plans by the signature of their trace; those in here have passed the self-check. The oldest unused goes first. */
export class PlanCache {
  private readonly plans = new Map<string, Plan>();

  get(signature: string): Plan | undefined {
    const plan = this.plans.get(signature);
    if (plan !== undefined) {
      this.plans.delete(signature);
      this.plans.set(signature, plan);
    }
    return plan;
  }

  set(signature: string, plan: Plan): void {
    this.plans.set(signature, plan);
    if (this.plans.size > CAPACITY) {
      this.plans.delete(this.plans.keys().next().value!);
    }
  }
}
