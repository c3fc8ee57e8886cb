import {ggnError} from '../../errors';
import {NO_EVIDENCE, type EvidenceState} from '../../policy/evidence';
import type {BatchSign} from '../../policy/full_batch';

/**
 * The state of the evidence at the beginning of a step. It begins anew with other data in `fit`,
 * and with weights that the user has written, since both have an evidence of their own.
 *
 * @param sign the signs of the data.
 * @param batches batches in an epoch of `fit`; null in a loop, and if their number is unknown.
 * @param areUntouched whether the weights are those that the last step has left.
 * @throws for mini-batches, and for other data in a loop.
 */
export function beginEvidence(state: EvidenceState, {fingerprint, isWhole}: BatchSign, batches: number | null,
    areUntouched: boolean): EvidenceState {
  const option = "the option regularization 'bayesian' takes all data in every step";
  if (fingerprint === null) {
    throw ggnError(`${option}, and this epoch of fit has ${batches} batches. Set batchSize to the number of ` +
        "examples, as in fit(x, y, {batchSize: x.shape[0]}), or use regularization 'none'.");
  }
  const isSame = state.fingerprint === null || state.fingerprint === fingerprint;
  if (!isSame && !isWhole) {
    throw ggnError(`${option}, and the data of this step are not those of the last one: mini-batches, dropout, noise ` +
        'or new data (or other trained variables, to which other values are data). Train on one batch of all ' +
        "examples without dropout or noise, or use regularization 'none'. To go on with new data, call " +
        'optimizer.dispose() first, which begins anew.');
  }
  return isSame && areUntouched ? {...state, fingerprint} : {...NO_EVIDENCE, fingerprint};
}
