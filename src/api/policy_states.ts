import {initialState, type PolicyState} from '../policy/policy_state';
import type {Settings} from '../policy/policy';
import {readPolicyState} from '../policy/saved_state';
import {StepPolicy, type Given} from '../policy/step_policy';
import type {CheckedOptions} from './check_options';

/** The states of all policies from step to step, which a saved config holds as plain values. */
export class PolicyStates {
  state: PolicyState;

  constructor(private readonly options: CheckedOptions['levenbergMarquardt']) {
    this.state = initialState(options);
  }

  /** The settings of the coming step by the states so far: its batch may still change them. */
  settings(wanted: CheckedOptions['policy'], given: Given): Settings {
    return StepPolicy.after(wanted, given, this.options, this.state).settings;
  }

  /** The states as plain values, for a saved config. */
  saved(): object {
    return JSON.parse(JSON.stringify(this.state)) as object;
  }

  /**
   * Takes over the states from a saved config, without a detour.
   *
   * @throws for states that no optimizer has saved. Training then goes on with its own.
   */
  load(saved: unknown): void {
    this.state = {...readPolicyState(saved, this.state, this.options), detour: 0};
  }
}
