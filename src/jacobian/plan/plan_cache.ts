import type {Plan} from './plan';

/**
 * Plans remembered: those of a model's full batch and smaller last batch, and of a few other
 * models.
 */
const CAPACITY = 16;

/** A plan that has passed the self-check, as far as the check could see. */
export interface KnownPlan {
  readonly plan: Plan;
  /**
   * Variables whose part of Jᵀu was large enough to tell right from wrong. The check sees nothing
   * of a variable in front of dead neurons or of a last layer of zeros.
   */
  readonly seen: Set<number>;
  /** Steps taken with the plan. */
  steps: number;
}

/**
 * Plans by the signature of their trace. If there are too many, the one unused for the longest time
 * goes.
 */
export class PlanCache {
  private readonly plans = new Map<string, KnownPlan>();

  private readonly unread = new Set<string>();

  /** Notes a trace whose rows no reading gives, so that its steps take products. */
  noteUnread(trace: string): void {
    if (this.unread.size >= CAPACITY) {
      this.unread.clear();
    }
    this.unread.add(trace);
  }

  isUnread(trace: string): boolean {
    return this.unread.has(trace);
  }

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
