import type {Plan} from './plan';

/** Traces remembered: a model's full batch, its smaller last batch, and the same for a few other models. */
const CAPACITY = 16;

/** A plan that has passed the self-check, so far as the check could see. */
export interface KnownPlan {
  readonly plan: Plan;
  /**
   * Variables whose part of Jᵀu was large enough to tell right from wrong: behind a last layer of zeros, or dead
   * units, the check sees nothing.
   */
  readonly seen: Set<number>;
  /** Steps taken with the plan. */
  steps: number;
}

/** Plans by the signature of their trace. The oldest unused goes first. */
export class PlanCache {
  private readonly plans = new Map<string, KnownPlan>();

  get(signature: string): KnownPlan | undefined {
    const plan = this.plans.get(signature);
    if (plan !== undefined) {
      this.plans.delete(signature);
      this.plans.set(signature, plan);
    }
    return plan;
  }

  delete(signature: string): void {
    this.plans.delete(signature);
  }

  set(signature: string, plan: KnownPlan): void {
    this.plans.set(signature, plan);
    if (this.plans.size > CAPACITY) {
      this.plans.delete(this.plans.keys().next().value!);
    }
  }
}
